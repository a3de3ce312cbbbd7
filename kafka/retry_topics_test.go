package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/google/go-cmp/cmp"
)

// attempts notes what a handler sees of each record.
type attempts struct {
	mu   sync.Mutex
	seen map[string][]attempt
}

type attempt struct {
	record kafka.Record
	number int
	at     time.Time
}

// handler fails the records whose value begins with "bad" as often as said, with
// aborted, which is no sign of an outage.
func (a *attempts) handler(fail int) kafka.Handler {
	a.seen = map[string][]attempt{}
	return func(_ context.Context, r *kafka.Record) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		v := string(r.Value)
		a.seen[v] = append(a.seen[v], attempt{*r, r.Attempt(), time.Now()})
		if strings.HasPrefix(v, "bad") && len(a.seen[v]) <= fail {
			return errors.Aborted.New("Try again.")
		}
		return nil
	}
}

func (a *attempts) of(value string) []attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.seen[value])
}

func unordered(cfg kafka.ConsumerConfig) kafka.ConsumerConfig {
	cfg.Unordered = true
	return cfg
}

var retryDelays = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}

// waitRetried waits until nothing waits in the retry topics of orders any more.
func waitRetried(t *testing.T, b *kafkatest.Broker, delays ...time.Duration) {
	t.Helper()
	b.WaitCaughtUp(t, "orders", "g")
	for _, d := range delays {
		b.WaitCaughtUp(t, kafka.RetryTopic("orders", "g", d), "g")
	}
}

// A record of an unordered handler waits in retry topics, and its key goes on. To
// the handler each attempt is at the same record, and comes within a second of
// when it is due.
func TestRetryTopicsDelayARecordAndNothingElse(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		var a attempts
		run(t, b, "g", []string{"orders"}, a.handler(7), unordered(quiet(t, b)))
		b.WaitMembers(t, "g", 1)
		old := time.Now().Add(-20 * 24 * time.Hour) // Retention counts from the timestamp of what waits.
		written := b.Produce(t,
			kafka.Record{Topic: "orders", Partition: 1, Key: []byte("k"), Value: []byte("bad"), Timestamp: old, Headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "a"}}},
			kafka.Record{Topic: "orders", Partition: 1, Key: []byte("k"), Value: []byte("good")})
		b.WaitCaughtUp(t, "orders", "g")
		if n := len(a.of("good")); n != 1 {
			t.Errorf("the record behind it was handled %d times", n)
		}
		time.Sleep(15 * time.Minute)
		waitRetried(t, b, retryDelays...)
		got := a.of("bad")
		if len(got) != 8 {
			t.Fatalf("%d attempts, want 8", len(got))
		}
		for i, try := range got {
			want := written[0]
			if diff := cmp.Diff(want, try.record, cmp.AllowUnexported(kafka.Record{}), cmp.FilterPath(func(p cmp.Path) bool {
				return p.String() == "attempt" || p.String() == "LeaderEpoch"
			}, cmp.Ignore()), cmp.Comparer(time.Time.Equal)); diff != "" {
				t.Errorf("attempt %d is at another record:\n%s", i+1, diff)
			}
			if try.number != i+1 || try.record.ID() != want.ID() {
				t.Errorf("attempt %d says that it is number %d at %v", i+1, try.number, try.record.ID())
			}
		}
		for i, delay := range retryDelays {
			if took := got[5+i].at.Sub(got[4+i].at); took < delay || took > delay+time.Second {
				t.Errorf("attempt %d came after %v, want %v and at most 1s more", 6+i, took, delay)
			}
		}
		if letters := b.DeadLetters(t, "orders", "g"); len(letters) != 0 {
			t.Errorf("%d dead letters", len(letters))
		}
		if waiting := b.Records(t, kafka.RetryTopic("orders", "g", time.Minute)); len(waiting) != 1 || time.Since(waiting[0].Timestamp) > time.Hour || waiting[0].Partition != written[0].Partition {
			t.Errorf("in the second retry topic: %v", waiting)
		}
		// Consumers of other versions read these in a rolling deployment.
		var keys []string
		for _, h := range b.Records(t, "retry.orders.g.10s")[0].Headers {
			keys = append(keys, h.Key)
		}
		if diff := cmp.Diff([]string{"a", "a",
			"__dlq.errors.topic", "__dlq.errors.partition", "__dlq.errors.offset", "__dlq.errors.group", "__dlq.errors.delivery.count", "__dlq.errors.message",
			"__sdk.origin", "__sdk.error.code", "__sdk.attempts", "__sdk.record.timestamp", "__sdk.first.failure", "__sdk.retry.due"}, keys); diff != "" {
			t.Error(diff)
		}
	})
}

// After the last retry topic the record is a dead letter as any other: it says where
// in its source the record was, how often it was tried in all, and a redrive puts
// it back there, where everything begins anew.
func TestRetryTopicsEndInTheDeadLetters(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		var a attempts
		cfg := unordered(quiet(t, b))
		cfg.RetryDelays, cfg.Attempts = []time.Duration{time.Second, 2 * time.Second}, 4
		begun := time.Now()
		run(t, b, "g", []string{"orders"}, a.handler(6), cfg)
		b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("first")}, kafka.Record{Topic: "orders", Value: []byte("bad")})
		letters := b.WaitDeadLetters(t, "orders", "g", 1)
		waitRetried(t, b, cfg.RetryDelays...)
		f := letters[0].Failure
		origin := kafka.ID{Topic: "orders", Offset: 1}
		if f.Source != origin || f.Origin != origin || f.Attempts != 4 || f.Deliveries != 4 || f.Group != "g" || f.Code != errors.Aborted || f.FirstFailure.Sub(begun) > 2*time.Second {
			t.Errorf("failure is %+v", f)
		}
		if _, due := letters[0].Record.Header(kafka.HeaderDue); due || len(letters[0].Record.Headers) != 0 {
			t.Errorf("headers are %v", letters[0].Record.Headers)
		}
		result, err := kafka.Redrive(t.Context(), b.Addrs(), "orders", "g", kafka.RedriveConfig{Connection: kafka.Connection{Dial: b.Dial}})
		if err != nil || result.Redriven != 1 {
			t.Fatalf("redrive: %+v, %v", result, err)
		}
		time.Sleep(time.Minute)
		waitRetried(t, b, cfg.RetryDelays...)
		got := a.of("bad")
		if len(got) != 7 || got[4].number != 1 || got[6].number != 3 {
			t.Fatalf("%d attempts", len(got))
		}
		for _, try := range got[4:] {
			if try.record.ID() != origin || try.record.Redrives() != 1 || try.record.Topic != "orders" || try.record.Offset != 2 {
				t.Errorf("after the redrive the handler sees %v, put back %d times", try.record.ID(), try.record.Redrives())
			}
		}
		if n := len(b.DeadLetters(t, "orders", "g")); n != 1 {
			t.Errorf("%d dead letters", n)
		}
	})
}

// Without a last attempt the time since the first failure is the bound, wherever the record waited.
func TestRetryTopicsEndWithRetryFor(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		var a attempts
		cfg := unordered(quiet(t, b))
		cfg.RetryDelays, cfg.Attempts, cfg.RetryFor = []time.Duration{time.Minute}, -1, 10*time.Minute
		begun := time.Now()
		run(t, b, "g", []string{"orders"}, a.handler(1000), cfg)
		b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("bad")})
		letters := b.WaitDeadLetters(t, "orders", "g", 1)
		if took := time.Since(begun); took < cfg.RetryFor || took > cfg.RetryFor+2*time.Minute {
			t.Errorf("a dead letter after %v, want RetryFor and at most one delay more", took)
		}
		if f := letters[0].Failure; f.FirstFailure.Sub(begun) > time.Minute || f.Attempts < 10 {
			t.Errorf("failure is %+v", f)
		}
	})
}

// Codes that speak about the record do not take the way round.
func TestRetryTopicsAreNotForWhatCannotSucceed(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error { return errors.InvalidArgument.New("No.") }, unordered(quiet(t, b)))
		b.Produce(t, kafka.Record{Topic: "orders"})
		b.WaitDeadLetters(t, "orders", "g", 1)
		if n := len(b.Records(t, kafka.RetryTopic("orders", "g", 10*time.Second))); n != 0 {
			t.Errorf("%d records wait", n)
		}
	})
}

// An outage is none of the records' fault: they stay where they are.
func TestRetryTopicsAreNotFilledByAnOutage(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 4}}, func(t *testing.T, b *kafkatest.Broker) {
		until := time.Now().Add(time.Hour)
		var got seen
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			if time.Now().Before(until) {
				return errors.Unavailable.New("Down.")
			}
			got.add(r)
			return nil
		}, hours(unordered(quiet(t, b))))
		b.Produce(t, records("orders", 200, func(i int) []byte { return fmt.Append(nil, i) })...)
		time.Sleep(2 * time.Hour)
		waitRetried(t, b, retryDelays...)
		waited := 0
		for _, d := range retryDelays {
			waited += len(b.Records(t, kafka.RetryTopic("orders", "g", d)))
		}
		if len(got.list()) != 200 || waited != 0 || len(b.DeadLetters(t, "orders", "g")) != 0 {
			t.Errorf("%d handled, %d waited in topics", len(got.list()), waited)
		}
	})
}

// What waits takes no memory beyond a bound: it is read again when its time has come,
// and nothing of it is lost.
func TestRetryTopicsHoldMoreThanMemory(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		const n, size = 3000, 16 << 10 // 48 MB, of which 16 may be kept.
		var a attempts
		cfg := unordered(quiet(t, b))
		cfg.RetryDelays, cfg.Attempts = []time.Duration{10 * time.Minute}, 2
		member := run(t, b, "g", []string{"orders"}, a.handler(1), cfg)
		for i := range n {
			b.Produce(t, kafka.Record{Topic: "orders", Partition: int32(i % 2), Value: fmt.Appendf(nil, "bad %d %0*d", i, size, 0)})
		}
		b.WaitCaughtUp(t, "orders", "g")
		time.Sleep(time.Minute)
		if st := member.Status(); st.InFlight != 0 {
			t.Errorf("%d records are in flight", st.InFlight)
		}
		time.Sleep(10 * time.Minute)
		waitRetried(t, b, cfg.RetryDelays...)
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.seen) != n {
			t.Errorf("%d records were handled, want %d", len(a.seen), n)
		}
		for value, tries := range a.seen {
			if len(tries) != 2 {
				t.Fatalf("%.10s was tried %d times", value, len(tries))
			}
			if late := tries[1].at.Sub(tries[0].at) - 10*time.Minute; late < 0 || late > 30*time.Second {
				t.Fatalf("%.10s was tried after %v", value, tries[1].at.Sub(tries[0].at))
			}
		}
	})
}

// What lies in a retry topic is anybody's: a due time in the year 9999 waits no longer
// than the topic's delay, and what another group wrote is passed over, where two
// names are one.
func TestRetryTopicsBelieveNoHeader(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		var a attempts
		run(t, b, "g", []string{"orders"}, a.handler(0), unordered(quiet(t, b)))
		b.WaitMembers(t, "g", 1)
		topic := kafka.RetryTopic("orders", "g", time.Minute)
		far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		header := func(key, value string) kafka.Header { return kafka.Header{Key: key, Value: []byte(value)} }
		b.Produce(t,
			kafka.Record{Topic: topic, Value: []byte("far"), Timestamp: far, Headers: []kafka.Header{header(kafka.HeaderDue, fmt.Sprint(far.UnixMilli()))}},
			kafka.Record{Topic: topic, Value: []byte("foreign"), Headers: []kafka.Header{header(kafka.HeaderGroup, "other"), header(kafka.HeaderTopic, "orders")}},
			kafka.Record{Topic: topic, Value: []byte("absurd"), Headers: []kafka.Header{
				header(kafka.HeaderGroup, "g"), header(kafka.HeaderTopic, "orders"), header(kafka.HeaderPartition, "-1"), header(kafka.HeaderDeliveryCount, "99999999999"), header(kafka.HeaderDue, "soon"),
			}},
			kafka.Record{Topic: topic, Value: []byte("elsewhere"), Headers: []kafka.Header{header(kafka.HeaderGroup, "g"), header(kafka.HeaderTopic, "payments"), header(kafka.HeaderOffset, "7")}})
		begun := time.Now()
		b.WaitCaughtUp(t, topic, "g")
		if took := time.Since(begun); took > 70*time.Second {
			t.Errorf("took %v", took)
		}
		if len(a.of("far")) != 1 || len(a.of("absurd")) != 1 || len(a.of("foreign")) != 0 {
			t.Errorf("handled %v", a.seen)
		}
		if got := a.of("elsewhere"); len(got) != 1 || got[0].record.ID() != (kafka.ID{Topic: topic, Offset: 3}) {
			t.Errorf("a record that is said to be of a topic that is not consumed: %+v", got)
		}
	})
}

// The topics are made at the start as their source is, also for a group that begins at
// the end, which means the end of the source.
func TestRetryTopicsAreCreatedAtTheStart(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 5}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := unordered(quiet(t, b))
		cfg.StartAtEnd, cfg.RetryDelays = true, []time.Duration{30 * time.Second}
		first := run(t, b, "g", []string{"orders"}, nothing, cfg)
		b.WaitMembers(t, "g", 1)
		first.stop(t)
		topic := kafka.RetryTopic("orders", "g", 30*time.Second)
		if topic != "retry.orders.g.30s" || !kafka.IsRetryTopic(topic) {
			t.Errorf("topic %q", topic)
		}
		b.Produce(t, kafka.Record{Topic: topic, Partition: 4, Value: []byte("waits")})
		var a attempts
		run(t, b, "g", []string{"orders"}, a.handler(0), cfg)
		b.WaitCaughtUp(t, topic, "g")
		if len(a.of("waits")) != 1 {
			t.Error("what waited was skipped")
		}
	})
}

func TestRetryTopicsThatAreMissingAreAClearError(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.orders.g": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := unordered(quiet(t, b))
		cfg.KeepTopics = true
		_, err := failsToStart(t, b, []string{"orders"}, cfg)
		wants(t, err, errors.FailedPrecondition, "retry.orders.g.10s", "retry.orders.g.1m", "retry.orders.g.10m")
	})
}

// Delays may be changed: what waits in the topics of before goes its way.
func TestRetryTopicsOfAnEarlierConfigurationAreEmptied(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "orders.eu": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := unordered(quiet(t, b))
		cfg.RetryDelays, cfg.Attempts = []time.Duration{time.Hour}, 2
		var a attempts
		handler := a.handler(3)
		before := run(t, b, "g", []string{"orders", "orders.eu"}, handler, cfg)
		b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("bad")})
		b.WaitRecords(t, "retry.orders.g.1h", 1)
		before.stop(t)
		cfg.RetryDelays, cfg.Attempts = []time.Duration{time.Minute, 2 * time.Hour}, 4
		run(t, b, "g", []string{"orders"}, handler, cfg)
		b.WaitRecords(t, "retry.orders.g.2h", 1)
		time.Sleep(3 * time.Hour)
		waitRetried(t, b, append(cfg.RetryDelays, time.Hour)...)
		if n := len(b.DeadLetters(t, "orders", "g")); len(a.of("bad")) != 3 || n != 1 {
			t.Errorf("%d attempts, %d dead letters, want 3 and 1", len(a.of("bad")), n)
		}
	})
}

func TestRetryTopicNames(t *testing.T) {
	for _, test := range []struct {
		topic, group string
		delay        time.Duration
		want         string
	}{
		{"orders", "shipping", 10 * time.Second, "retry.orders.shipping.10s"},
		{"orders", "shipping", time.Minute, "retry.orders.shipping.1m"},
		{"orders", "shipping", 90 * time.Minute, "retry.orders.shipping.1h30m"},
		{"orders", "shipping", 24 * time.Hour, "retry.orders.shipping.24h"},
		{"orders", "shipping/eu", 90 * time.Second, "retry.orders.shipping_eu-fda6d959.1m30s"},
	} {
		if got := kafka.RetryTopic(test.topic, test.group, test.delay); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	long := kafka.RetryTopic(strings.Repeat("t", 249), "g", 10*time.Second)
	if len(long) != 249 || !strings.HasSuffix(long, ".10s") {
		t.Errorf("%d characters: %q", len(long), long)
	}
}

func TestRetryFaultsAreNamedAtOnce(t *testing.T) {
	cfg := unordered(kafka.ConsumerConfig{Attempts: 2, DeadLetterRetention: time.Hour})
	cfg.RetryDelays = []time.Duration{time.Millisecond, 48 * time.Hour, time.Minute}
	_, err := kafka.NewConsumer([]string{"b:1"}, "g", []string{"t"}, nothing, cfg)
	wants(t, err, errors.InvalidArgument, "RetryDelays[0] is 1ms", "RetryDelays[1] is 48h", "RetryDelays[2] is 1m0s", "Attempts is 2", "DeadLetterRetention is 1h")
	cfg.Unordered = false
	_, err = kafka.NewConsumer([]string{"b:1"}, "g", []string{"t"}, nothing, cfg)
	wants(t, err, errors.InvalidArgument, "without Unordered")
}
