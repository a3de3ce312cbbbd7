package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kgo"
)

// bubble runs a test in virtual time, with a broker in memory, beside others.
func bubble(t *testing.T, cfg kafkatest.Config, test func(t *testing.T, b *kafkatest.Broker)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg.Virtual = true
		cfg.Timeout = 3 * time.Hour
		test(t, kafkatest.Start(t, cfg))
	})
}

// quiet is the configuration of the tests' consumers: all defaults, but for how
// to reach the broker and where to log.
func quiet(t *testing.T, b *kafkatest.Broker) kafka.ConsumerConfig {
	t.Helper()
	return kafka.ConsumerConfig{
		Connection: kafka.Connection{Dial: b.Dial},
		Logger:     slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// hours is the configuration for tests of hours: an idle consumer asks twice a
// second whether there is something, which is most of what such a test does.
func hours(cfg kafka.ConsumerConfig) kafka.ConsumerConfig {
	cfg.Connection.Options = append(cfg.Connection.Options, kgo.FetchMaxWait(time.Minute))
	return cfg
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// running is a consumer that runs until it is stopped or the test ends.
type running struct {
	*kafka.Consumer
	cancel context.CancelFunc
	done   chan error
	once   sync.Once
}

func run(t *testing.T, b *kafkatest.Broker, group string, topics []string, h kafka.Handler, cfg kafka.ConsumerConfig) *running {
	t.Helper()
	return runOn(t, b.Addrs(), group, topics, h, cfg)
}

func runOn(t *testing.T, brokers []string, group string, topics []string, h kafka.Handler, cfg kafka.ConsumerConfig) *running {
	t.Helper()
	c, err := kafka.NewConsumer(brokers, group, topics, h, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{Consumer: c, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop ends Run and reports its error.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	r.once.Do(func() {
		if err := <-r.done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// seen collects what a handler saw.
type seen struct {
	mu      sync.Mutex
	records []string
}

func (s *seen) add(r *kafka.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, string(r.Value))
}

func (s *seen) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.records...)
}

func records(topic string, n int, key func(i int) []byte) []kafka.Record {
	out := make([]kafka.Record, n)
	for i := range out {
		out[i] = kafka.Record{Topic: topic, Key: key(i), Value: fmt.Appendf(nil, "%d", i)}
	}
	return out
}

func TestPoisonRecordGoesToTheDeadLettersAndItsNeighboursGoThrough(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		b.Produce(t, records("orders", 100, func(i int) []byte { return fmt.Appendf(nil, "k%d", i%5) })...)
		var got seen
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			if string(r.Value) == "42" {
				return errors.FailedPrecondition.New("Only 3 left.").WithReason("orders", "OUT_OF_STOCK")
			}
			got.add(r)
			return nil
		}, quiet(t, b))
		b.WaitCaughtUp(t, "orders", "g")
		if n := len(got.list()); n != 99 {
			t.Errorf("handled %d records, want 99", n)
		}
		dead := b.WaitRecords(t, kafka.DeadLetterTopic("orders", "g"), 1)
		f, ok := kafka.DecodeFailure(dead[0].Headers)
		if !ok || f.Code != errors.FailedPrecondition || f.Reason != "OUT_OF_STOCK" || f.Deliveries != 1 || f.Group != "g" {
			t.Errorf("failure: %+v", f)
		}
		if string(dead[0].Value) != "42" || string(dead[0].Key) != "k2" {
			t.Errorf("dead letter: %q %q", dead[0].Key, dead[0].Value)
		}
		if id := dead[0].ID(); id != f.Origin || id.Topic != "orders" || dead[0].Partition != id.Partition {
			t.Errorf("ID is %v, origin %v, partition %d", id, f.Origin, dead[0].Partition)
		}
	})
}

// A client that somebody else has closed ends Run, instead of being polled in a
// circle.
func TestRunEndsWhenItsClientIsClosed(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		c, err := kafka.NewConsumer(b.Addrs(), "g", []string{"orders"}, nothing, quiet(t, b))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Run(t.Context()) }()
		b.WaitMembers(t, "g", 1)
		c.Client().Close()
		if err := <-done; errors.CodeOf(err) != errors.FailedPrecondition {
			t.Errorf("error: %v", err)
		}
	})
}
