package kafka_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// A key whose record takes as long as it may, with thousands behind it, holds up
// no other partition, whether its records are fetched before or after.
func TestASlowKeyWithManyRecordsBehindItHoldsUpNoOtherPartition(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 3}}, func(t *testing.T, b *kafkatest.Broker) {
		const behind, others = 20_000, 3_000
		var handled, last atomic.Int64
		start := time.Now()
		run(t, b, "g", []string{"orders"}, func(ctx context.Context, r *kafka.Record) error {
			if r.Partition == 0 {
				if r.Offset == 0 {
					time.Sleep(25 * time.Second)
				}
				return nil
			}
			time.Sleep(time.Millisecond)
			handled.Add(1)
			last.Store(int64(time.Since(start)))
			return nil
		}, quiet(t, b))
		slow := make([]kafka.Record, behind)
		for i := range slow {
			slow[i] = kafka.Record{Topic: "orders", Partition: 0, Value: make([]byte, 100)}
		}
		b.Produce(t, slow...)
		for round := range 3 {
			time.Sleep(time.Second)
			batch := make([]kafka.Record, others/3)
			for i := range batch {
				batch[i] = kafka.Record{Topic: "orders", Partition: int32(1 + i%2), Value: fmt.Append(nil, round)}
			}
			b.Produce(t, batch...)
		}
		b.WaitCaughtUp(t, "orders", "g")
		if n, at := handled.Load(), time.Duration(last.Load()); n != others || at > 10*time.Second {
			t.Errorf("%d records of other keys were handled, want %d, the last after %v, want no wait for the slow key", n, others, at)
		}
	})
}

// A partition that had to leave the room to another one with many records behind a
// slow key goes on when that one is done, and not only when its own slow record is.
func TestRoomThatAnotherPartitionGivesBackIsUsedAtOnce(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		const keyed = 50
		start := time.Now()
		var handled, last atomic.Int64
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			switch {
			case r.Key != nil:
				handled.Add(1)
				last.Store(int64(time.Since(start)))
			case r.Offset == 0:
				time.Sleep([]time.Duration{10 * time.Second, 25 * time.Second}[r.Partition])
			}
			return nil
		}, quiet(t, b))
		produce := func(partition int32, keyless, keyed int) {
			batch := make([]kafka.Record, keyless+keyed)
			for i := range batch {
				batch[i] = kafka.Record{Topic: "orders", Partition: partition, Value: make([]byte, 100)}
				if i >= keyless {
					batch[i].Key = fmt.Append(nil, i)
				}
			}
			b.Produce(t, batch...)
		}
		produce(0, 512, 0) // Half of the room; then the other partition gets a quarter.
		time.Sleep(time.Second)
		produce(1, 300, keyed)
		b.WaitCaughtUp(t, "orders", "g")
		if n, at := handled.Load(), time.Duration(last.Load()); n != keyed || at > 15*time.Second {
			t.Errorf("%d records with a key were handled, want %d, the last after %v, want it when the first partition is done", n, keyed, at)
		}
	})
}
