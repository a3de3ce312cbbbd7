package kafka

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kgo"
)

// bench is a scheduler in a test's hands: partitions 0 and 1 of a topic.
type bench struct {
	*scheduler
	t     *testing.T
	now   time.Time
	parts []*partition
}

func newBench(t *testing.T, l limits) *bench {
	t.Helper()
	l.attempts, l.retryFor, l.backoff = 8, 2*time.Hour, func(int) time.Duration { return time.Second }
	l.probeFirst, l.probeMax, l.probeLate = time.Second, 30*time.Second, 31*time.Second
	b := &bench{scheduler: newScheduler(l, 0.5, 0.5), t: t, now: time.Unix(1_000_000, 0)}
	for i := range int32(2) {
		tp := topicPartition{"t", i}
		b.assign(tp, nil)
		b.parts = append(b.parts, b.scheduler.parts[tp])
	}
	return b
}

// offer brings a record of a key of its own.
func (b *bench) offer(p int, offset int64, size int64) {
	b.t.Helper()
	key := fmt.Appendf(nil, "%d/%d", p, offset)
	it := &item{size: size, hash: b.hash(key)}
	it.delivery.Record = Record{Topic: "t", Partition: int32(p), Offset: offset, Key: key}
	if !b.offerLocked(b.parts[p], it) {
		b.t.Fatalf("offset %d of partition %d was refused", offset, p)
	}
}

// offerKeyless brings a record that shares its key with all others.
func (b *bench) offerKeyless(p int, offset int64) {
	b.t.Helper()
	it := &item{size: 1}
	it.delivery.Record = Record{Topic: "t", Partition: int32(p), Offset: offset}
	if !b.offerLocked(b.parts[p], it) {
		b.t.Fatalf("offset %d of partition %d was refused", offset, p)
	}
}

// handle hands out a record and takes it back.
func (b *bench) handle(f failure) (*item, verdict) {
	b.t.Helper()
	it := b.pickLocked(b.now)
	if it == nil {
		b.t.Fatal("no record is handed out")
	}
	return it, b.finishLocked(it, f, b.now)
}

var (
	aborted     = failure{err: errors.Aborted, code: errors.Aborted, redelivery: errors.RedeliverLimited}
	unavailable = failure{err: errors.Unavailable, code: errors.Unavailable, redelivery: errors.RedeliverOutage}
	rejected    = failure{err: errors.InvalidArgument, code: errors.InvalidArgument, redelivery: errors.RedeliverNever}
)

// A partition that waits for its first record, after a commit, must not keep the
// others waiting with it.
func TestStuckPartitionDoesNotHoldUpTheOthersAfterItsCommit(t *testing.T) {
	b := newBench(t, limits{records: 100, bytes: 1 << 20, ahead: 400})
	p := b.parts[0]
	b.offer(0, 0, 1)
	b.offer(0, 1, 1)
	first := b.pickLocked(b.now)
	b.handle(aborted) // Offset 1 waits.
	for offset := int64(2); !p.stuck; offset++ {
		b.offer(0, offset, 1)
		b.handle(failure{})
	}
	b.finishLocked(first, failure{}, b.now)
	mark, _, ok := p.tracker.uncommitted()
	if !ok || mark != 1 {
		t.Fatalf("mark %d, to be committed: %v", mark, ok)
	}
	b.committedLocked(p, mark)
	if !p.stuck || b.roomLocked() == 0 {
		t.Errorf("stuck: %v, room for others: %d", p.stuck, b.roomLocked())
	}
}

// Large records of one partition that wait must not make another one, which has
// nothing that waits, stop fetching: nothing would start it again.
func TestOnlyAPartitionWithWaitingRecordsIsCrowded(t *testing.T) {
	b := newBench(t, limits{records: 100, bytes: 1000, ahead: 400})
	b.offer(1, 0, 10)
	other := b.pickLocked(b.now)
	b.offer(0, 0, 1200) // The last one of a fetch may go beyond the bound.
	large, _ := b.handle(aborted)
	b.finishLocked(other, failure{}, b.now)
	if b.parts[1].crowded {
		t.Error("a partition without records in flight does not fetch")
	}
	b.now = b.now.Add(time.Minute)
	b.tickLocked(b.now)
	if it, _ := b.handle(failure{}); it != large {
		t.Errorf("handed out %v", it)
	}
	for i, p := range b.parts {
		if p.crowded {
			t.Errorf("partition %d does not fetch although nothing is in flight", i)
		}
	}
}

// During an outage a record that is rejected, because it cannot be decoded for
// instance, shows nothing about the others: they must not pay for it.
func TestRejectedProbesDoNotChargeTheRecordsOfAnOutage(t *testing.T) {
	b := newBench(t, limits{records: 100, bytes: 1 << 20, ahead: 400})
	offset := int64(0)
	var dead int
	for range 200 {
		for b.roomLocked() > 50 || b.ready.size == 0 && b.roomLocked() > 0 {
			b.offer(0, offset, 1)
			offset++
		}
		b.now = b.now.Add(31 * time.Second)
		burials, _ := b.tickLocked(b.now)
		if len(burials) > 0 {
			t.Fatal("no dead letter failed")
		}
		for it := b.pickLocked(b.now); it != nil; it = b.pickLocked(b.now) {
			f := unavailable
			if it.delivery.Offset%5 == 4 {
				f = rejected
			}
			if v := b.finishLocked(it, f, b.now); v.action == actBury {
				if it.delivery.Offset%5 != 4 {
					t.Fatalf("offset %d becomes a dead letter in an outage, which %d rejected records had ended", it.delivery.Offset, dead)
				}
				dead++
				b.buriedLocked(it, nil, 0, b.now)
			}
		}
	}
	if dead < 4 {
		t.Errorf("%d records were rejected, the test needs more", dead)
	}
}

// A version that fails for some records and rejects the others must not empty the
// topic into the dead letters because each short outage forgets the rejections.
func TestOutageDoesNotHideAFlood(t *testing.T) {
	b := newBench(t, limits{records: 100, bytes: 1 << 20, ahead: 400})
	offset, dead := int64(0), 0
	for range 230 { // RetryFor; what is in the way of others is given up after that
		for b.roomLocked() > 50 || b.ready.size == 0 && b.roomLocked() > 0 {
			b.offer(0, offset, 1)
			offset++
		}
		b.now = b.now.Add(31 * time.Second)
		b.tickLocked(b.now)
		for it := b.pickLocked(b.now); it != nil; it = b.pickLocked(b.now) {
			f := rejected
			if it.delivery.Offset%4 == 3 {
				f = unavailable
			}
			if v := b.finishLocked(it, f, b.now); v.action == actBury {
				dead++
				b.buriedLocked(it, nil, 0, b.now)
			}
		}
	}
	if dead > floodRecords {
		t.Errorf("%d dead letters of %d records", dead, offset)
	}
}

// A batch of records that are bad in themselves, longer than the consumer holds,
// must not stop it until somebody restarts it: what was rejected again and again
// makes room for a record that was not tried yet.
func TestFloodPauseThatHoldsOnlyRejectedRecordsEnds(t *testing.T) {
	for _, oneKey := range []bool{false, true} {
		t.Run(fmt.Sprintf("one key %v", oneKey), func(t *testing.T) {
			const bad = 150
			b := newBench(t, limits{records: 20, bytes: 1 << 20, ahead: 80})
			offset, dead, good := int64(0), 0, 0
			start := b.now
			for good == 0 && b.now.Sub(start) < 365*24*time.Hour {
				for b.roomLocked() > 10 || b.ready.size == 0 && b.roomLocked() > 0 && !b.parts[0].crowded {
					if oneKey {
						b.offerKeyless(0, offset)
					} else {
						b.offer(0, offset, 1)
					}
					offset++
				}
				b.now = b.now.Add(31 * time.Second)
				b.tickLocked(b.now)
				for it := b.pickLocked(b.now); it != nil; it = b.pickLocked(b.now) {
					f := rejected
					if it.delivery.Offset >= bad {
						f, good = failure{}, good+1
					}
					if v := b.finishLocked(it, f, b.now); v.action == actBury {
						dead++
						b.buriedLocked(it, nil, 0, b.now)
						mark, _, _ := it.part.tracker.uncommitted()
						b.committedLocked(it.part, mark)
					}
				}
				if paused := b.now.Sub(start); dead > floodRecords && paused < 2*time.Hour {
					t.Fatalf("%d dead letters after %v", dead, paused)
				}
			}
			if good == 0 {
				t.Errorf("no good record was tried within a year; %d dead letters, %d in flight", dead, b.inFlight)
			}
			t.Logf("%d dead letters, a good record after %v", dead, b.now.Sub(start))
		})
	}
}

// A version that rejects everything on a quiet topic, where nothing is held that
// others wait for, keeps what it holds for its successor.
func TestFloodPauseOnAQuietTopicMakesNoDeadLetters(t *testing.T) {
	b := newBench(t, limits{records: 100, bytes: 1 << 20, ahead: 400})
	dead := 0
	for offset := range int64(300) {
		if b.roomLocked() > 0 && offset < 130 {
			b.offer(0, offset, 1)
		}
		b.now = b.now.Add(time.Hour)
		b.tickLocked(b.now)
		for it := b.pickLocked(b.now); it != nil; it = b.pickLocked(b.now) {
			if v := b.finishLocked(it, rejected, b.now); v.action == actBury {
				dead++
				b.buriedLocked(it, nil, 0, b.now)
			}
		}
	}
	if dead >= floodRecords || b.pause == nil {
		t.Errorf("%d dead letters", dead)
	}
}

// After an unclean election a partition's log is shorter, and other records take
// the offsets that were lost. They are new ones, however far the old ones went.
func TestRecordsOfATruncatedLogAreNotTakenForTheLostOnes(t *testing.T) {
	c, err := NewConsumer([]string{"localhost:9092"}, "g", []string{"t"}, func(context.Context, *Record) error { return nil }, ConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s, tp := c.sched, topicPartition{"t", 0}
	s.assign(tp, describePartition("g", "test", tp))
	fetch := func(from, to int64, epoch int32) {
		var records []*kgo.Record
		for offset := from; offset < to; offset++ {
			records = append(records, &kgo.Record{Topic: "t", Offset: offset, LeaderEpoch: epoch, Key: fmt.Append(nil, offset)})
		}
		c.offer(s.parts[tp], records)
	}
	handleAll := func() (offsets []int64) {
		for it := s.pickLocked(time.Now()); it != nil; it = s.pickLocked(time.Now()) {
			offsets = append(offsets, it.delivery.Offset)
			s.finishLocked(it, failure{}, time.Now())
		}
		return offsets
	}
	fetch(0, 10, 3)
	late := s.pickLocked(time.Now())
	handleAll()
	fetch(4, 8, 3) // The same ones, fetched again.
	if again := handleAll(); again != nil {
		t.Errorf("handled %v again", again)
	}
	fetch(6, 9, 4)
	if got := handleAll(); !slices.Equal(got, []int64{6, 7, 8}) {
		t.Errorf("handled %v, want 6, 7 and 8 of the new leader", got)
	}
	s.finishLocked(late, failure{}, time.Now())
	if mark, epoch, ok := s.parts[tp].tracker.uncommitted(); !ok || mark != 9 || epoch != 4 {
		t.Errorf("to be committed: %d, %v, of epoch %d", mark, ok, epoch)
	}
}

// A poll that took records before the partition was lost must not hand them over
// after it came back: what lies between the commit and them would be passed over.
func TestAnAssignmentBeginsAfterThePollsOfTheOneBefore(t *testing.T) {
	c, err := NewConsumer([]string{"localhost:9092"}, "g", []string{"t"}, func(context.Context, *Record) error { return nil }, ConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var in intake
	polling, done := c.polls.enter(t.Context())
	assigned := make(chan struct{})
	go func() {
		c.onAssigned(t.Context(), client, map[string][]int32{"t": {0}})
		close(assigned)
	}()
	select {
	case <-polling.Done():
	case <-assigned:
		t.Fatal("assigned while a poll was under way")
	}
	c.receive(&in, kgo.FetchTopicPartition{Topic: "t", FetchPartition: kgo.FetchPartition{Records: []*kgo.Record{{Topic: "t", Offset: 50}}}})
	done()
	<-assigned
	c.receive(&in, kgo.FetchTopicPartition{Topic: "t", FetchPartition: kgo.FetchPartition{Records: []*kgo.Record{{Topic: "t", Offset: 40}}}})
	if p, records := in.takeLocked(10); p != c.sched.parts[topicPartition{"t", 0}] || len(records) != 1 || records[0].Offset != 40 {
		t.Errorf("%d records of %v are handed over", len(records), p)
	}
}
