package kafka_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committed returns the committed offset of a partition.
func committed(t *testing.T, b *kafkatest.Broker, topic, group string, partition int) int64 {
	t.Helper()
	p, err := b.Progress(topic, group)
	if err != nil {
		t.Fatal(err)
	}
	return p.Partitions[partition].Committed
}

func TestStopEndsHandlersAtTheDrainTimeoutAndLeavesTheirRecords(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		started := make(chan struct{})
		c := run(t, b, "g", []string{"orders"}, func(ctx context.Context, _ *kafka.Record) error {
			close(started)
			<-ctx.Done()
			return ctx.Err()
		}, quiet(t, b))
		b.Produce(t, kafka.Record{Topic: "orders"})
		<-started
		start := time.Now()
		c.stop(t)
		if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("stopping took %v, want 10s", took)
		}
		if at := committed(t, b, "orders", "g", 0); at > 0 {
			t.Errorf("committed %d, want nothing", at)
		}
		if n := len(b.Records(t, kafka.DeadLetterTopic("orders", "g"))); n != 0 {
			t.Errorf("%d dead letters of a stop", n)
		}
	})
}

// A commit that fails for a while holds nothing up for good, and nothing more
// than the bound is handled without one.
func TestCommitsThatFailBoundWhatIsHandled(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		fault := b.Fault(kafkatest.Fault{Request: kmsg.OffsetCommit, Group: "g", Err: kerr.CoordinatorLoadInProgress, Times: -1})
		cfg := quiet(t, b)
		cfg.MaxInFlight, cfg.MaxAhead = 50, 200
		var n atomic.Int64
		run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error { n.Add(1); return nil }, cfg)
		b.Produce(t, records("orders", 1000, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		time.Sleep(time.Minute)
		if got := n.Load(); got > 200 {
			t.Errorf("%d records were handled without a commit, want at most 200", got)
		}
		fault.Lift()
		b.WaitCaughtUp(t, "orders", "g")
		if got := n.Load(); got != 1000 {
			t.Errorf("%d records were handled, want 1000", got)
		}
	})
}

// A topic whose offsets are refused, because it was deleted for instance, waits
// alone.
func TestCommitsOfOneTopicThatFailDoNotStopTheOthers(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "returns": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		fault := b.Fault(kafkatest.Fault{Request: kmsg.OffsetCommit, Topic: "orders", Group: "g", Err: kerr.UnknownTopicOrPartition, Times: -1})
		cfg := quiet(t, b)
		cfg.MaxInFlight, cfg.MaxAhead = 50, 200
		var n atomic.Int64
		run(t, b, "g", []string{"orders", "returns"}, func(_ context.Context, r *kafka.Record) error {
			if r.Topic == "orders" {
				n.Add(1)
			}
			return nil
		}, cfg)
		b.Produce(t, records("orders", 1000, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		time.Sleep(time.Minute)
		b.Produce(t, records("returns", 1000, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		b.WaitCaughtUp(t, "returns", "g")
		if got := n.Load(); got > 250 {
			t.Errorf("%d records were handled without a commit, want about 200", got)
		}
		fault.Lift()
		b.WaitCaughtUp(t, "orders", "g")
		if got := n.Load(); got != 1000 {
			t.Errorf("%d records were handled, want 1000", got)
		}
	})
}
