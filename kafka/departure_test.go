package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// Pitfall: a handler that ends its goroutine by runtime.Goexit, as FailNow of a test does,
// took the worker with it: its record was never done, and after as many as there are
// workers nothing was. It is an error like a panic, of this record only.
func TestAHandlerThatEndsItsGoroutineFailsItsRecord(t *testing.T) {
	const n = 500
	for _, c := range []struct {
		name    string
		leaves  func(r *kafka.Record) bool
		handler func(kafka.Handler) kafka.Handler
	}{
		{"the first ones, on every worker", func(r *kafka.Record) bool { return r.Offset < 2 }, nil},
		{"one in a run", func(r *kafka.Record) bool { return r.Offset == n/2 }, nil},
		{"in a batch", func(r *kafka.Record) bool { return r.Offset == 0 }, func(h kafka.Handler) kafka.Handler {
			return kafka.Batch(func(ctx context.Context, records []*kafka.Record) []error {
				for _, r := range records {
					_ = h(ctx, r)
				}
				return nil
			}, kafka.BatchConfig{})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				cfg := quiet(t, b)
				cfg.Workers = 2
				var mu sync.Mutex
				handled, failed := map[int64]int{}, 0
				h := func(_ context.Context, r *kafka.Record) error {
					mu.Lock()
					defer mu.Unlock()
					if r.Attempt() == 1 && c.leaves(r) {
						failed++
						runtime.Goexit()
					}
					handled[r.Offset]++
					return nil
				}
				if c.handler != nil {
					h = c.handler(h)
				}
				b.Produce(t, records("orders", n, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
				consumer := run(t, b, "g", []string{"orders"}, h, cfg)
				b.WaitCaughtUp(t, "orders", "g")
				mu.Lock()
				defer mu.Unlock()
				if len(handled) != n || failed == 0 {
					t.Errorf("%d records were handled, want %d; %d handlers left", len(handled), n, failed)
				}
				if st := consumer.Status(); st.InFlight != 0 || st.DeadLetters != 0 {
					t.Errorf("status: %+v", st)
				}
			})
		})
	}
}

// Its span ends, too, with the error.
func TestTheSpanOfAHandlerThatEndsItsGoroutineEnds(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		spans := tracetest.NewSpanRecorder()
		cfg := quiet(t, b)
		cfg.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			if r.Attempt() == 1 {
				runtime.Goexit()
			}
			return nil
		}, cfg)
		b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("1")})
		b.WaitCaughtUp(t, "orders", "g")
		ended := spans.Ended()
		if len(ended) != 2 || len(spans.Started()) != 2 {
			t.Fatalf("%d spans began and %d ended, want 2", len(spans.Started()), len(ended))
		}
		if first, second := ended[0].Status(), ended[1].Status(); first.Code != codes.Error || !strings.Contains(first.Description, "runtime.Goexit") || second.Code == codes.Error {
			t.Errorf("status: %+v, %+v", first, second)
		}
	})
}

// The probe of a pause as well: the pause ends with another one.
func TestAProbeThatEndsItsGoroutineIsFollowedByAnother(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		begun := time.Now()
		consumer := run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error {
			if time.Since(begun) < time.Hour {
				runtime.Goexit()
			}
			return nil
		}, hours(quiet(t, b)))
		b.Produce(t, records("orders", 300, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		time.Sleep(time.Minute)
		if st := consumer.Status(); st.Paused != kafka.PausedByOutage {
			t.Errorf("status: %+v", st)
		}
		time.Sleep(time.Hour)
		b.WaitCaughtUp(t, "orders", "g")
		if st := consumer.Status(); st.Handled != 300 || st.DeadLetters != 0 {
			t.Errorf("status: %+v", st)
		}
	})
}

// At any moment: at once, at the handler's timeout, while a panic unwinds, during a rebalance and
// a stop.
func TestHandlersThatEndTheirGoroutinesAtRandom(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 4}}, func(t *testing.T, b *kafkatest.Broker) {
				var mu sync.Mutex
				rng := rand.New(rand.NewPCG(seed, 1))
				random := func(n int) int {
					mu.Lock()
					defer mu.Unlock()
					return rng.IntN(n)
				}
				h := func(ctx context.Context, _ *kafka.Record) error {
					switch random(40) {
					case 0:
						runtime.Goexit()
					case 1:
						time.Sleep(time.Duration(random(5000)) * time.Microsecond)
						runtime.Goexit()
					case 2:
						<-ctx.Done()
						runtime.Goexit()
					case 3:
						return errors.Aborted.New("")
					case 4:
						defer runtime.Goexit()
						panic("x")
					}
					return nil
				}
				cfg := quiet(t, b)
				cfg.Logger = slog.New(slog.DiscardHandler)
				cfg.Workers, cfg.HandlerTimeout, cfg.DrainTimeout = 4, 50*time.Millisecond, 20*time.Millisecond
				cfg.Attempts, cfg.OutageRatio, cfg.FloodRatio = -1, -1, -1
				b.Produce(t, records("orders", 3000, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
				first := run(t, b, "g", []string{"orders"}, h, cfg)
				time.Sleep(time.Duration(1+random(1500)) * time.Millisecond)
				second := run(t, b, "g", []string{"orders"}, h, cfg)
				time.Sleep(time.Duration(1+random(3000)) * time.Millisecond)
				first.stop(t)
				b.WaitCaughtUp(t, "orders", "g")
				if st := second.Status(); st.InFlight != 0 || st.DeadLetters != 0 {
					t.Errorf("status: %+v", st)
				}
			})
		})
	}
}
