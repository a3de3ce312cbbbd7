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

// afterFastOnes produces so many records that handlers take no time for that the partition
// gets a lane, and among them some that are told apart by their keys.
func afterFastOnes(t *testing.T, b *kafkatest.Broker, keys ...string) {
	t.Helper()
	const before = 3000
	b.Produce(t, records("orders", before+len(keys), func(i int) []byte {
		if i < before {
			return fmt.Appendf(nil, "k%d", i%97)
		}
		return []byte(keys[i-before])
	})...)
}

// A record that hangs in the middle of a lane gets its own timeout, counted from its own
// beginning, and is tried again; its key waits for it, and no other.
func TestARecordThatHangsAfterFastOnesHasItsTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{500 * time.Microsecond, 7 * time.Second} {
		t.Run(timeout.String(), func(t *testing.T) { testHangingRecord(t, timeout) })
	}
}

func testHangingRecord(t *testing.T, timeout time.Duration) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quickly(quiet(t, b), 8)
		cfg.HandlerTimeout = timeout
		var got seen
		var since atomic.Pointer[time.Time]
		run(t, b, "g", []string{"orders"}, func(ctx context.Context, r *kafka.Record) error {
			switch key := string(r.Key); {
			case key == "hangs" && since.Load() == nil:
				begun := time.Now()
				since.Store(&begun)
				if deadline, _ := ctx.Deadline(); deadline.Sub(begun) != timeout {
					t.Errorf("the context says that it ends in %v, want %v", deadline.Sub(begun), timeout)
				}
				<-ctx.Done()
				if took := time.Since(begun); took != timeout || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
					t.Errorf("the context ended after %v with %v, want %v", took, ctx.Err(), timeout)
				}
				return ctx.Err()
			case key == "other" && time.Since(*since.Load()) > time.Second:
				t.Errorf("another key waited %v", time.Since(*since.Load()))
				fallthrough
			case key[0] != 'k':
				got.add(r)
			}
			return nil
		}, cfg)
		afterFastOnes(t, b, "hangs", "other", "hangs", "other")
		b.WaitCaughtUp(t, "orders", "g")
		if order := fmt.Sprint(got.list()); order != "[3001 3003 3000 3002]" {
			t.Errorf("handled in the order %v", order)
		}
	})
}

// A partition that is given up while one of its records hangs, after fast ones, ends that
// record's context after the drain timeout. What was not begun goes to the next owner, and
// what was done does not.
func TestAPartitionThatIsGivenUpAmongFastRecords(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		cfg.DrainTimeout = 2 * time.Second
		hangs, ended := make(chan struct{}), make(chan error, 1)
		first := run(t, b, "g", []string{"orders"}, func(ctx context.Context, r *kafka.Record) error {
			if string(r.Key) == "hangs" {
				close(hangs)
				<-ctx.Done()
				ended <- ctx.Err()
				return ctx.Err()
			}
			return nil
		}, cfg)
		afterFastOnes(t, b, "hangs", "hangs", "hangs")
		<-hangs
		begun := time.Now()
		first.stop(t)
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the context ended with %v", err)
		}
		if took := time.Since(begun); took < cfg.DrainTimeout || took > cfg.DrainTimeout+time.Second {
			t.Errorf("the stop took %v", took)
		}
		var again seen
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			again.add(r)
			return nil
		}, quiet(t, b))
		b.WaitCaughtUp(t, "orders", "g")
		if got := again.list(); len(got) != 3 {
			t.Errorf("the next owner got %d records, want the 3 that were not done", len(got))
		}
	})
}

// A record that takes long among fast ones, with many of its key behind it, leaves nothing
// to do for its partition, and holds up no other.
func TestASlowRecordAmongFastOnesHoldsUpNoOtherPartition(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		var began, other atomic.Pointer[time.Time]
		note := func(to *atomic.Pointer[time.Time]) {
			now := time.Now()
			to.Store(&now)
		}
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			switch {
			case r.Partition == 1:
				note(&other)
			case string(r.Value) == "slow":
				note(&began)
				time.Sleep(25 * time.Second)
			}
			return nil
		}, quiet(t, b))
		produce := func(partition int32, first string, n int) {
			keyless := make([]kafka.Record, n)
			for i := range keyless {
				keyless[i] = kafka.Record{Topic: "orders", Partition: partition, Value: []byte("fast")}
			}
			keyless[0].Value = []byte(first)
			b.Produce(t, keyless...)
			time.Sleep(time.Second)
		}
		produce(0, "fast", 3000)
		produce(0, "slow", 3000)
		produce(1, "fast", 1)
		b.WaitCaughtUp(t, "orders", "g")
		if waited := other.Load().Sub(*began.Load()); waited > 2*time.Second {
			t.Errorf("the other partition's record, of a second later, was handled %v after the slow one began", waited)
		}
	})
}

// Whatever happens in a lane, and however few records may be in flight, each record is
// handled once, in the order of its key.
func TestWhateverHappensInALane(t *testing.T) {
	for _, inFlight := range []int{1, 3, 75, 1024} {
		for _, timeout := range []time.Duration{-1, 300 * time.Microsecond} {
			t.Run(fmt.Sprint(inFlight, timeout), func(t *testing.T) { testTroubledLane(t, inFlight, timeout) })
		}
	}
}

func testTroubledLane(t *testing.T, inFlight int, timeout time.Duration) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 3}}, func(t *testing.T, b *kafkatest.Broker) {
		const n, rounds = 2000, 3
		cfg := quickly(quiet(t, b), 8)
		cfg.MaxInFlight, cfg.HandlerTimeout = inFlight, timeout
		cfg.OutageRatio, cfg.FloodRatio = -1, -1
		l := newLedger(t)
		c := run(t, b, "g", []string{"orders"}, func(ctx context.Context, r *kafka.Record) error {
			if r.Attempt() == 1 {
				switch {
				case r.Offset%701 == 700:
					panic("no")
				case r.Offset%503 == 502:
					return errors.Unavailable.New("not now")
				case r.Offset%307 == 306 && timeout > 0:
					<-ctx.Done()
					return ctx.Err()
				case r.Offset%211 == 210:
					time.Sleep(3 * time.Millisecond)
				}
			}
			return l.handle(r, nil)
		}, cfg)
		for round := range rounds {
			some := records("orders", n, func(i int) []byte { return fmt.Appendf(nil, "k%d", i%7) })
			for i := range some {
				some[i].Value = fmt.Append(nil, round*n+i)
			}
			b.Produce(t, some...)
			time.Sleep(500 * time.Millisecond)
		}
		b.WaitCaughtUp(t, "orders", "g")
		if st := c.Status(); l.handled() != rounds*n || st.InFlight != 0 || st.Handled != rounds*n {
			t.Errorf("%d records are handled, want %d; %+v", l.handled(), rounds*n, st)
		}
	})
}
