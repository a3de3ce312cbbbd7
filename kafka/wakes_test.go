package kafka_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// While handlers are fast, few workers are awake. Records that suddenly take long
// must run side by side all the same, and hold up nobody.
func TestSlowRecordsAfterFastOnesHoldUpNobody(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		const fast, slow = 3000, 60
		var mu sync.Mutex
		var began []time.Time
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			mu.Lock()
			began = append(began, time.Now())
			mu.Unlock()
			if r.Key[0] == 's' {
				time.Sleep(10 * time.Second)
			}
			return nil
		}, quiet(t, b))
		all := records("orders", fast, func(i int) []byte { return fmt.Appendf(nil, "k%d", i%97) })
		all = append(all, records("orders", slow, func(i int) []byte { return fmt.Appendf(nil, "s%d", i) })...)
		all = append(all, records("orders", 100, func(i int) []byte { return fmt.Appendf(nil, "k%d", i) })...)
		b.Produce(t, all...)
		b.WaitCaughtUp(t, "orders", "g")
		mu.Lock()
		defer mu.Unlock()
		if len(began) != len(all) {
			t.Fatalf("%d records were handled, want %d", len(began), len(all))
		}
		if took := began[len(began)-1].Sub(began[0]); took > time.Second {
			t.Errorf("the last record began %v after the first, want no record to wait for a slow one", took)
		}
	})
}
