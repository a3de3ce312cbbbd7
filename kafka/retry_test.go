package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/backend-platform/sdk/resilience"
)

// TestEveryCodeIsHandledByTheTable walks the whole table of package errors: one
// record fails with each code, its neighbours succeed.
func TestEveryCodeIsHandledByTheTable(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		var mu sync.Mutex
		tries := map[string]int{}
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			code, err := errors.ParseCode(string(r.Key))
			if err != nil || code == errors.OK {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			tries[string(r.Key)]++
			if n := tries[string(r.Key)]; r.Attempt() != n {
				t.Errorf("%v: attempt is %d at try %d", code, r.Attempt(), n)
			}
			return code.New("")
		}, hours(quiet(t, b)))
		for n, code := range errors.Codes() {
			b.Produce(t, kafka.Record{Topic: "orders", Key: []byte(code.String())})
			var dead []kafka.DeadLetter
			for i := 0; len(dead) <= n; i++ { // others succeed meanwhile
				if i == 60 {
					t.Fatalf("%v: no dead letter", code)
				}
				time.Sleep(time.Second)
				b.Produce(t, kafka.Record{Topic: "orders", Key: fmt.Appendf(nil, "%d", i)})
				dead = b.DeadLetters(t, "orders", "g")
			}
			want := 8
			if code.Redelivery() == errors.RedeliverNever {
				want = 1
			}
			f := dead[n].Failure
			if got := tries[code.String()]; got != want || f.Deliveries != want || f.Attempts != want || f.Code != code {
				t.Errorf("%v: tried %d times, want %d; failure: %+v", code, got, want, f)
			}
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		var times []time.Time
		run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error {
			if times = append(times, time.Now()); len(times) == 1 {
				return errors.ResourceExhausted.New("").WithRetryAfter(90 * time.Second)
			}
			return nil
		}, quiet(t, b))
		b.Produce(t, kafka.Record{Topic: "orders"})
		b.WaitCaughtUp(t, "orders", "g")
		if d := times[1].Sub(times[0]); d < 90*time.Second || d > 91*time.Second {
			t.Errorf("tried again after %v, want 90s", d)
		}
	})
}

func TestPanicBecomesAnInternalErrorWithItsStack(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		cfg.Attempts, cfg.OutageRatio = 2, -1
		run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error {
			panic("no such warehouse")
		}, cfg)
		b.Produce(t, kafka.Record{Topic: "orders"})
		dead := b.WaitRecords(t, kafka.DeadLetterTopic("orders", "g"), 1)
		f, _ := kafka.DecodeFailure(dead[0].Headers)
		if f.Code != errors.Internal || !strings.Contains(f.Message, "no such warehouse") || !strings.Contains(f.Stack, "TestPanicBecomes") {
			t.Errorf("failure: %+v", f)
		}
	})
}

func TestHandlerTimeoutEndsTheContext(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		var took []time.Duration
		var errs []error
		run(t, b, "g", []string{"orders"}, func(ctx context.Context, _ *kafka.Record) error {
			start := time.Now()
			deadline, ok := ctx.Deadline()
			if !ok || time.Until(deadline) != 30*time.Second {
				t.Errorf("deadline in %v", time.Until(deadline))
			}
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			if len(took) == 0 {
				<-child.Done()
				took, errs = append(took, time.Since(start)), append(errs, ctx.Err(), context.Cause(ctx))
				return ctx.Err()
			}
			took = append(took, 0)
			return ctx.Err()
		}, quiet(t, b))
		b.Produce(t, kafka.Record{Topic: "orders"})
		b.WaitCaughtUp(t, "orders", "g")
		if len(took) != 2 || took[0] != 30*time.Second || !errors.Is(errs[0], context.DeadlineExceeded) || !errors.Is(errs[1], context.DeadlineExceeded) {
			t.Errorf("took %v, errors %v", took, errs)
		}
	})
}

// A remote's code is not ours: the inventory's invalid_argument says nothing
// about the record, unless the handler passes it on.
func TestRemoteCodesAreNotOurs(t *testing.T) {
	remote := errors.DecodeProblem(errors.Response{Status: 400, Body: []byte(`{"code":"invalid_argument"}`)})
	for _, c := range []struct {
		name string
		err  error
		want int
	}{{"as it came", remote, 2}, {"passed on", errors.PassOn(remote), 1}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				cfg := quiet(t, b)
				cfg.Attempts, cfg.OutageRatio = 2, -1
				run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error { return c.err }, cfg)
				b.Produce(t, kafka.Record{Topic: "orders"})
				dead := b.WaitRecords(t, kafka.DeadLetterTopic("orders", "g"), 1)
				if f, _ := kafka.DecodeFailure(dead[0].Headers); f.Deliveries != c.want {
					t.Errorf("tried %d times, want %d", f.Deliveries, c.want)
				}
			})
		})
	}
}

// Failed attempts of one record in a quiet topic are gone before a second record
// could show that it is an outage: it has to wait for that.
func TestLoneRecordWaitsForEvidenceBeforeItIsADeadLetter(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		c := run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			if string(r.Key) == "bad" {
				return errors.Internal.New("")
			}
			return nil
		}, quiet(t, b))
		b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("bad")})
		time.Sleep(5 * time.Minute)
		if st := c.Status(); st.DeadLetters != 0 || st.Waiting != 1 || st.Paused != kafka.PausedByOutage {
			t.Fatalf("status: %+v", st)
		}
		b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("good")})
		time.Sleep(time.Minute)
		if st := c.Status(); st.DeadLetters != 1 || st.InFlight != 0 {
			t.Errorf("status: %+v", st)
		}
	})
}

func TestLoneRecordIsADeadLetterWhenItsTimeIsOver(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		c := run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error { return errors.Internal.New("") }, hours(quiet(t, b)))
		b.Produce(t, kafka.Record{Topic: "orders"})
		time.Sleep(2*time.Hour - time.Minute)
		if st := c.Status(); st.DeadLetters != 0 || st.Paused != kafka.PausedByOutage {
			t.Errorf("status: %+v", st)
		}
		time.Sleep(2 * time.Minute)
		if st := c.Status(); st.DeadLetters != 1 {
			t.Errorf("status: %+v", st)
		}
	})
}

// Pitfall: the debug line of a retry read the record when another worker had it again.
// It is a race that only the race detector sees.
func TestTheDebugLineOfARetryIsOfTheAttemptThatFailed(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}})
	var log logBuffer
	cfg := quiet(t, b)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.OutageRatio, cfg.FloodRatio, cfg.Attempts = -1, -1, 20
	cfg.Backoff = resilience.Backoff{Base: time.Microsecond, Max: time.Microsecond}
	b.Produce(t, records("orders", 100, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
	run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
		if r.Attempt() < 10 {
			return errors.Aborted.Newf("attempt %d", r.Attempt())
		}
		return nil
	}, cfg)
	b.WaitCaughtUp(t, "orders", "g")
	lines := log.lines("record failed, will be tried again")
	if len(lines) != 900 {
		t.Errorf("%d lines, want 900", len(lines))
	}
	said := regexp.MustCompile(`error="?aborted.*attempt (\d+).* messaging\S*.* attempt=(\d+)`)
	for _, line := range lines {
		if m := said.FindStringSubmatch(line); m == nil || m[1] != m[2] {
			t.Fatalf("the line is of another attempt than its error: %s", line)
		}
	}
}
