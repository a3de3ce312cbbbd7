package kafka

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A probe may fall due while every worker has a record in its hands. Who wakes
// nobody then must not keep the next one from being woken.
func TestWorkersAreWokenAfterAPauseInWhichAllWereBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, limits{records: 100, bytes: 1 << 20, ahead: 400})
		b.now = time.Now()
		b.offer(0, 0, 1)
		b.offer(0, 1, 1)
		busy := b.pickLocked(b.now)
		b.pauseLocked(PausedByOutage, nil, b.now)
		b.now = b.now.Add(2 * time.Second)
		b.tickLocked(b.now) // The probe is due, and nobody waits.
		probe := b.pickLocked(b.now)
		if v := b.finishLocked(probe, failure{}, b.now); v.resumed == nil {
			t.Fatal("the pause is not over")
		}
		b.finishLocked(busy, failure{}, b.now)

		taken := false
		var wg sync.WaitGroup
		wg.Go(func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			it, _, _ := b.nextLocked()
			taken = it != nil
		})
		synctest.Wait()
		b.mu.Lock()
		b.offer(1, 0, 1)
		b.wakeLocked()
		b.mu.Unlock()
		synctest.Wait()
		if !taken {
			t.Error("a record is there, a worker waits, and it is not woken")
		}
		b.mu.Lock()
		b.closeLocked()
		b.mu.Unlock()
		wg.Wait()
	})
}

// A partition that was stopped for less time than it takes to tell the client
// leaves no trace there. A poll that began meanwhile must not sleep on its records.
func TestAPollDoesNotSleepOnRecordsOfAPartitionThatWasStoppedForAMoment(t *testing.T) {
	b := newBench(t, limits{records: 100, bytes: 1 << 20, ahead: 400})
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := &Consumer{sched: b.scheduler, fetching: map[topicPartition]bool{}}
	c.polls.cond.L = &c.polls.mu
	c.client.Store(client)
	b.parts[0].crowded = true
	poll, done := c.polls.enter(context.Background()) // It finds nothing that may be handled.
	defer done()
	b.parts[0].crowded = false
	c.applyFetching()
	if poll.Err() == nil {
		t.Error("the poll waits for records while some are there")
	}
}

// Records behind one that is being handled, and takes long, must not fill the
// room: the other partitions have nothing to do with it.
func TestRecordsBehindASlowOneLeaveRoomForOtherPartitions(t *testing.T) {
	b := newBench(t, limits{records: 100, bytes: 1 << 20, ahead: 400})
	var in intake
	for i, p := range b.parts {
		batch := make([]*kgo.Record, 1000)
		for offset := range batch {
			batch[offset] = &kgo.Record{Topic: "t", Partition: int32(i), Offset: int64(offset)}
		}
		in.add(p, batch)
		in.add(p, batch[:0])
	}
	take := func() {
		for {
			p, records := in.takeLocked(b.roomLocked())
			if p == nil {
				return
			}
			for _, r := range records {
				b.offerKeyless(int(r.Partition), r.Offset)
			}
		}
	}
	take()
	if b.inFlight >= 100 || b.roomLocked() == 0 {
		t.Fatalf("%d records of two keys fill the room", b.inFlight)
	}
	before := b.parts[1].behind
	slow := b.pickLocked(b.now)
	for range 1000 { // The other partition goes on.
		take()
		it := b.pickLocked(b.now)
		if it == nil {
			break
		}
		b.finishLocked(it, failure{}, b.now)
	}
	if n := b.parts[1].behind; n != 0 || before == 0 {
		t.Errorf("%d records of the other partition are in flight, then %d: it does not go on", before, n)
	}
	b.finishLocked(slow, failure{}, b.now)
	take()
	if b.parts[0].behind == 0 {
		t.Error("the partition does not go on after its slow record")
	}
}
