package kafka_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
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

func TestStopFinishesWhatIsInFlightAndCommitsIt(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		started := make(chan struct{})
		var finished atomic.Bool
		c := run(t, b, "g", []string{"orders"}, func(ctx context.Context, _ *kafka.Record) error {
			close(started)
			select {
			case <-time.After(5 * time.Second):
				finished.Store(true)
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, quiet(t, b))
		b.Produce(t, kafka.Record{Topic: "orders"})
		<-started
		c.stop(t)
		if !finished.Load() || committed(t, b, "orders", "g", 0) != 1 {
			t.Errorf("finished: %v, committed %d", finished.Load(), committed(t, b, "orders", "g", 0))
		}
	})
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

// TestRebalanceLosesNothingAndKeepsOrder lets members come and go while records
// are handled, retried and rejected.
func TestRebalanceLosesNothingAndKeepsOrder(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 6}}, func(t *testing.T, b *kafkatest.Broker) {
		const n, keys = 6000, 60
		b.Produce(t, records("orders", n, func(i int) []byte { return fmt.Appendf(nil, "k%d", i%keys) })...)
		var mu sync.Mutex
		firsts, times, last := map[string]bool{}, map[string]int{}, map[string]int{}
		handler := func(ctx context.Context, r *kafka.Record) error {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			var i int
			fmt.Sscan(string(r.Value), &i)
			times[string(r.Value)]++
			switch {
			case i%500 == 7:
				return errors.InvalidArgument.New("poison")
			case i%11 == 0 && times[string(r.Value)] == 1:
				return errors.Unavailable.New("not now")
			}
			if !firsts[string(r.Value)] {
				firsts[string(r.Value)] = true
				if i >= keys && i < last[string(r.Key)] {
					t.Errorf("key %s: record %d was first handled after %d", r.Key, i, last[string(r.Key)])
				}
				last[string(r.Key)] = i
			}
			return nil
		}
		members := []*running{run(t, b, "g", []string{"orders"}, handler, quiet(t, b))}
		for range 4 {
			time.Sleep(700 * time.Millisecond)
			members = append(members, run(t, b, "g", []string{"orders"}, handler, quiet(t, b)))
		}
		for _, m := range members[:3] {
			time.Sleep(3 * time.Second)
			m.stop(t)
		}
		b.WaitCaughtUp(t, "orders", "g")
		for _, m := range members[3:] {
			m.stop(t)
		}
		dead := b.Records(t, kafka.DeadLetterTopic("orders", "g"))
		ids := map[kafka.ID]bool{}
		for i := range dead {
			ids[dead[i].ID()] = true
		}
		if len(firsts) != n-n/500 || len(ids) != n/500 {
			t.Errorf("%d records handled, %d dead letters, want %d and %d", len(firsts), len(ids), n-n/500, n/500)
		}
		again := 0
		for v, c := range times {
			var i int
			fmt.Sscan(v, &i)
			if i%11 != 0 && c > 1 {
				again++
			}
		}
		t.Logf("%d records were handled again", again)
	})
}

// A slow handler keeps its record over a rebalance that takes the partition
// away: what it does afterwards must not move the new owner's offsets.
func TestLateCompletionDoesNotMoveTheNewOwnersOffsets(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		slow := make(chan struct{})
		var first atomic.Bool
		handlerA := func(_ context.Context, r *kafka.Record) error {
			if string(r.Value) == "0" && first.CompareAndSwap(false, true) {
				<-slow // ignores its context
			}
			return nil
		}
		cfg := quiet(t, b)
		run(t, b, "g", []string{"orders"}, handlerA, cfg)
		r := make([]kafka.Record, 0, 200)
		for i := range 100 { // the key k0 is in one partition, so the other stays empty
			r = append(r, kafka.Record{Topic: "orders", Key: []byte("k0"), Value: fmt.Appendf(nil, "%d", i)})
		}
		b.Produce(t, r...)
		time.Sleep(5 * time.Second)
		// The second member takes one of the two partitions, then the first leaves
		// no choice: it takes the other as well when the first is gone.
		run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error { return nil }, cfg)
		time.Sleep(time.Minute)
		high := make([]int64, 2)
		for p := range high {
			high[p] = committed(t, b, "orders", "g", p)
		}
		close(slow)
		time.Sleep(time.Minute)
		for p := range high {
			if now := committed(t, b, "orders", "g", p); now < high[p] {
				t.Errorf("partition %d was set back from %d to %d", p, high[p], now)
			}
		}
		b.WaitCaughtUp(t, "orders", "g")
	})
}

// A member that the group has removed commits nothing, and goes on when it is
// back.
func TestRemovedMemberComesBack(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		var n atomic.Int64
		run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error { n.Add(1); return nil }, quiet(t, b))
		b.Produce(t, records("orders", 100, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		b.WaitCaughtUp(t, "orders", "g")
		b.Fault(kafkatest.Fault{Request: kmsg.Heartbeat, Group: "g", Err: kerr.UnknownMemberID})
		time.Sleep(10 * time.Second)
		b.Produce(t, records("orders", 100, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		b.WaitCaughtUp(t, "orders", "g")
		if n.Load() < 200 {
			t.Errorf("handled %d records", n.Load())
		}
	})
}

// A pause of fetching that outlives the assignment would leave the partition
// unread for ever (franz-go#1272).
func TestPauseDoesNotOutliveAnAssignment(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		cfg.MaxInFlight, cfg.MaxAhead = 20, 40
		var stuck atomic.Bool
		stuck.Store(true)
		var n atomic.Int64
		c := run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			if string(r.Value) == "0" && stuck.Load() {
				return errors.Aborted.New("")
			}
			n.Add(1)
			return nil
		}, func() kafka.ConsumerConfig { cfg.Attempts, cfg.RetryFor = -1, -1; return cfg }())
		b.Produce(t, records("orders", 200, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		time.Sleep(time.Minute)
		if got := n.Load(); got > 40 {
			t.Errorf("%d records were handled ahead of the stuck one, want at most 40", got)
		}
		if paused := c.Client().PauseFetchPartitions(nil); len(paused["orders"]) != 1 {
			t.Errorf("paused: %v", paused)
		}
		b.Fault(kafkatest.Fault{Request: kmsg.Heartbeat, Group: "g", Err: kerr.UnknownMemberID})
		stuck.Store(false)
		b.WaitCaughtUp(t, "orders", "g")
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

// A handler that takes longer than the rebalance timeout must not have the member
// removed and everything handled again (dapr#4580): the partition that moves
// drains to its budget, the one that stays is left alone.
func TestSlowHandlersDoNotHoldUpARebalance(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		var mu sync.Mutex
		begun, done := map[int32]int{}, map[int32]int{}
		slow := func(ctx context.Context, r *kafka.Record) error {
			mu.Lock()
			begun[r.Partition]++
			mu.Unlock()
			select {
			case <-time.After(10 * time.Minute):
			case <-ctx.Done():
				return ctx.Err()
			}
			mu.Lock()
			done[r.Partition]++
			mu.Unlock()
			return nil
		}
		cfg := quiet(t, b)
		cfg.HandlerTimeout = -1
		first := run(t, b, "g", []string{"orders"}, slow, cfg)
		b.Produce(t, records("orders", 10, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		time.Sleep(10 * time.Second)
		mu.Lock()
		before := begun[0] + begun[1]
		mu.Unlock()
		second := run(t, b, "g", []string{"orders"}, slow, cfg)
		time.Sleep(30 * time.Second)
		if a, b := first.Status().Partitions, second.Status().Partitions; a != 1 || b != 1 {
			t.Fatalf("partitions are %d and %d, want one each", a, b)
		}
		time.Sleep(12 * time.Minute)
		b.WaitCaughtUp(t, "orders", "g")
		mu.Lock()
		defer mu.Unlock()
		if before != 10 || done[0]+done[1] != 10 || begun[0]+begun[1] <= 10 || begun[0] > done[0] && begun[1] > done[1] {
			t.Errorf("begun %v, %d of it before the rebalance, done %v", begun, before, done)
		}
	})
}
