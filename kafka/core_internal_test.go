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
			it, _ := b.nextLocked()
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
