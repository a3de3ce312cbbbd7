package kafka_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// A group that began at the end has begun: what is written while none of its
// members is there is not to be skipped, although it has handled nothing yet.
func TestGroupThatBeganAtTheEndSkipsNothingLater(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		cfg.StartAtEnd = true
		var got seen
		handler := func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }
		key := func(i int) []byte { return fmt.Appendf(nil, "%d", i) }
		b.Produce(t, records("orders", 20, key)...)
		first := run(t, b, "g", []string{"orders"}, handler, cfg)
		b.WaitMembers(t, "g", 1)
		time.Sleep(5 * time.Second)
		first.stop(t)
		b.Produce(t, records("orders", 20, key)...)
		run(t, b, "g", []string{"orders"}, handler, cfg)
		time.Sleep(time.Minute)
		if n := len(got.list()); n != 20 {
			t.Errorf("handled %d records, want the 20 that came after the first start", n)
		}
		b.WaitCaughtUp(t, "orders", "g")
	})
}

// Where retention has overtaken a group, what is left is handled, whatever a new
// group would begin with.
func TestGroupThatRetentionOvertookGoesOnWithWhatIsLeft(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		cfg.StartAtEnd = true
		var got seen
		handler := func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }
		key := func(i int) []byte { return fmt.Appendf(nil, "%d", i) }
		first := run(t, b, "g", []string{"orders"}, handler, cfg)
		b.WaitMembers(t, "g", 1)
		time.Sleep(5 * time.Second)
		b.Produce(t, records("orders", 5, key)...)
		b.WaitCaughtUp(t, "orders", "g")
		first.stop(t)
		b.Produce(t, records("orders", 95, key)...)
		if err := b.Cluster().DeleteRecords("orders", 0, 50); err != nil {
			t.Fatal(err)
		}
		run(t, b, "g", []string{"orders"}, handler, cfg)
		time.Sleep(time.Minute)
		if n := len(got.list()); n != 5+50 {
			t.Errorf("handled %d records, want 55", n)
		}
	})
}
