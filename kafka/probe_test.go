package kafka_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// What a handler needs does not answer for longer than RetryFor, and the handler may take
// minutes: one at a time tries it, and nothing becomes a dead letter.
func TestOneProbeAtATimeWaitsForWhatDoesNotAnswer(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		const silent = 150 * time.Minute
		begun := time.Now()
		var atOnce, most atomic.Int64
		cfg := hours(quiet(t, b))
		cfg.HandlerTimeout = 5 * time.Minute
		consumer := run(t, b, "g", []string{"orders"}, func(ctx context.Context, _ *kafka.Record) error {
			n := atOnce.Add(1)
			defer atOnce.Add(-1)
			switch at := time.Since(begun); {
			case at > silent:
				return nil
			case at > 10*time.Minute: // The attempts of before the pause are over.
				most.Store(max(most.Load(), n))
			}
			<-ctx.Done()
			return errors.Unavailable.Wrap(ctx.Err(), "")
		}, cfg)
		b.Produce(t, records("orders", 30, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		b.WaitCaughtUp(t, "orders", "g")
		if st := consumer.Status(); st.Handled != 30 || st.DeadLetters != 0 || most.Load() != 1 {
			t.Errorf("%d handlers at once in the pause, want 1; status %+v", most.Load(), st)
		}
	})
}

// Handlers of one topic hang, and its records are held: a record of another one, which was
// not even fetched, is tried soon and ends the pause.
func TestHangingProbesDoNotKeepOthersFromBeingFetched(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "returns": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		released := make(chan struct{})
		defer close(released)
		var calls, returns atomic.Int64
		consumer := run(t, b, "g", []string{"orders", "returns"}, func(_ context.Context, r *kafka.Record) error {
			switch {
			case r.Topic == "returns":
				returns.Add(1)
			case calls.Add(1) <= 10:
				time.Sleep(time.Second)
				return errors.Unavailable.New("down")
			default:
				<-released
			}
			return nil
		}, quiet(t, b))
		b.Produce(t, records("orders", 10, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		time.Sleep(10 * time.Second)
		if st := consumer.Status(); st.Paused != kafka.PausedByOutage {
			t.Fatalf("status: %+v", st)
		}
		b.Produce(t, records("returns", 5, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		time.Sleep(3 * time.Minute)
		if n := returns.Load(); n != 5 {
			t.Errorf("%d of 5 records of the other topic are handled, status %+v", n, consumer.Status())
		}
	})
}
