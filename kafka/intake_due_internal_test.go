package kafka

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Of what waits, the intake keeps so many bytes, and one record of each partition
// beyond: it says when the partition's turn comes.
func TestIntakeKeepsABoundOfWhatWaits(t *testing.T) {
	const size = 1 << 20
	var in intake
	topic := &retryTopic{delay: time.Hour}
	fetch := func(offset int64) []*kgo.Record {
		records := make([]*kgo.Record, 4)
		for i := range records {
			records[i] = &kgo.Record{Offset: offset + int64(i), LeaderEpoch: 3, Value: make([]byte, size), Timestamp: time.Now()}
		}
		return records
	}
	add := func(p *partition, records []*kgo.Record) { in.add(p, in.keep(p, records)) }
	parts := make([]*partition, 20)
	for i := range parts {
		parts[i] = &partition{retry: topic}
		add(parts[i], fetch(100))
	}
	if most := int64(waitingBytes + 20*size + 4*size); in.bytes > most {
		t.Errorf("%d bytes are kept, want at most %d", in.bytes, most)
	}
	first, last := parts[0], parts[19]
	if first.cut || !last.cut || !last.hoards || last.cutAt != (kgo.EpochOffset{Epoch: 3, Offset: 101}) || in.held[last].records != 1 {
		t.Errorf("first cut: %v; last: %v at %+v, %d kept", first.cut, last.cut, last.cutAt, in.held[last].records)
	}
	add(first, fetch(104))
	if !first.cut || first.cutAt.Offset != 104 || in.held[first].records != 4 {
		t.Errorf("more of the first: cut: %v at %+v, %d kept", first.cut, first.cutAt, in.held[first].records)
	}
	add(last, fetch(104)) // It was fetched before the pause took effect.
	if last.cutAt.Offset != 101 || in.held[last].records != 1 {
		t.Errorf("after a cut, %d are kept", in.held[last].records)
	}
	if p, _ := in.takeLocked(100); p != nil || in.due.IsZero() {
		t.Errorf("records of %v are handed out before they are due, at %v", p, in.due)
	}
}

// A partition that is given up goes on with another member: no offset is set for it, and
// none for any other while the giving up is under way.
func TestACutWaitsForARevoke(t *testing.T) {
	c, err := NewConsumer([]string{"127.0.0.1:1"}, "g", []string{"orders"}, func(context.Context, *Record) error { return nil }, ConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	at := kgo.EpochOffset{Epoch: 3, Offset: 101}
	kept, lost := &partition{cut: true, cutAt: at}, &partition{cut: true, cutAt: at, revoked: true}
	cut := []*partition{kept, lost}

	if err := c.revokes.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.rewind(client, cut) || !kept.cut {
		t.Error("an offset was set while partitions were given up")
	}
	c.revokes.leave()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.fetch(ctx, client, &intake{cut: cut}, 100); err != nil || ctx.Err() != nil {
		t.Errorf("it waits for records though partitions are to be read again: %v", err)
	}
	if !c.rewind(client, cut) || kept.cut || kept.next != 101 {
		t.Errorf("after it the offset was not set: %+v", kept)
	}
	if !lost.cut || lost.next != 0 {
		t.Error("an offset was set for a partition that was given up")
	}
	if !c.revokes.free() {
		t.Error("the turn was not left")
	}
}

// The end of a revoke wakes the poll, which may have partitions to read again.
func TestTheEndOfARevokeWakesThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := NewConsumer([]string{"127.0.0.1:1"}, "g", []string{"orders"}, func(context.Context, *Record) error { return nil }, ConsumerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		tp := topicPartition{"orders", 0}
		c.sched.assign(tp, describePartition("g", "test", tp))
		c.sched.parts[tp].busy = 1 // with a handler that does not return
		var polls atomic.Int32
		go func() {
			for t.Context().Err() == nil {
				ctx, done := c.polls.enter(t.Context())
				polls.Add(1)
				<-ctx.Done()
				done()
			}
		}()
		synctest.Wait()
		revoked := make(chan struct{})
		go func() {
			c.giveUp([]topicPartition{tp}, false)
			close(revoked)
		}()
		synctest.Wait()
		during := polls.Load()
		<-revoked
		synctest.Wait()
		if after := polls.Load(); after <= during {
			t.Errorf("%d polls while the revoke was under way, %d after it: the last one still waits", during, after)
		}
	})
}
