package kafka_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
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
