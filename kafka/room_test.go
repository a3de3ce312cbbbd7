package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// Pitfall: nothing is fetched while the workers have plenty to do, and nobody said that
// they had taken it all, until the first record was done. Where that takes long, or is a dead
// letter that cannot be written, all other topics waited although there was room and
// workers had nothing to do.
func TestWhatTakesLongLeavesTheRestOfTheRoomToOthers(t *testing.T) {
	reject := func() error { return errors.InvalidArgument.New("bad") }
	for _, c := range []struct {
		name    string
		records int
		cfg     kafka.ConsumerConfig
		order   func(released chan struct{}) error
	}{
		{"slow handlers", 12, kafka.ConsumerConfig{MaxInFlight: 16, HandlerTimeout: -1}, func(released chan struct{}) error { <-released; return nil }},
		{"dead letters that cannot be written", 12, kafka.ConsumerConfig{MaxInFlight: 16}, func(chan struct{}) error { return reject() }},
		{"many of them", 700, kafka.ConsumerConfig{FloodRatio: -1}, func(chan struct{}) error { time.Sleep(time.Millisecond); return reject() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "returns": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				b.Fault(kafkatest.Fault{Topic: kafka.DeadLetterTopic("orders", "g"), Times: -1})
				b.Produce(t, records("orders", c.records, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
				cfg := c.cfg
				cfg.Connection, cfg.Logger = quiet(t, b).Connection, slog.New(slog.DiscardHandler)
				released := make(chan struct{})
				defer close(released)
				var returns atomic.Int64
				consumer := run(t, b, "g", []string{"orders", "returns"}, func(_ context.Context, r *kafka.Record) error {
					if r.Topic == "orders" {
						return c.order(released)
					}
					returns.Add(1)
					return nil
				}, cfg)
				time.Sleep(10 * time.Second)
				b.Produce(t, records("returns", 5, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
				time.Sleep(time.Minute)
				if n := returns.Load(); n != 5 {
					t.Errorf("%d of 5 records of the other topic are handled, status %+v", n, consumer.Status())
				}
			})
		})
	}
}
