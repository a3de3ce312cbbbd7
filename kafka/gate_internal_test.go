package kafka

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Pitfall: a record that was done between the revoke of its partition and its end shut the
// gate of what waits for a commit. Nobody opens that of a partition that is gone, and the
// consumer fetched nothing any more.
func TestARevokedPartitionShutsNoGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := NewConsumer([]string{"localhost:9092"}, "g", []string{"orders"}, func(context.Context, *Record) error { return nil }, ConsumerConfig{MaxInFlight: 10, MaxAhead: 20})
		if err != nil {
			t.Fatal(err)
		}
		s, tp := c.sched, topicPartition{"orders", 0}
		s.assign(tp, describePartition("g", "test", tp))
		c.offer(s.parts[tp], logOf(0, 10))
		for range 9 {
			s.finishLocked(s.pickLocked(time.Now()), failure{}, time.Now())
		}
		last := s.pickLocked(time.Now())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			c.giveUp([]topicPartition{tp}, false)
		}()
		synctest.Wait() // It waits for the handler.
		s.mu.Lock()
		if !last.part.revoked || last.part.fenced {
			t.Errorf("revoked: %v, ended: %v", last.part.revoked, last.part.fenced)
		}
		s.finishLocked(last, failure{}, time.Now())
		s.mu.Unlock()
		<-gone
		if s.gated != 0 || s.roomLocked() == 0 {
			t.Errorf("%d gates are shut, there is room for %d", s.gated, s.roomLocked())
		}
	})
}
