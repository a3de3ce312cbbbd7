package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Records of a retry topic wait in the intake until they are due, first to last: all
// of a topic have the same delay. What is more than waitingBytes is not kept: the
// partition is read again from there when its turn has come.

// waitingBytes bounds what the intake keeps for later beyond one record of each
// partition.
const waitingBytes = fetchMaxBytes

// undue reports whether the records of a partition are to wait for their time, and
// notes when that is.
func (in *intake) undue(f *fetched) bool {
	if f.part.retry == nil {
		return false
	}
	in.look()
	due := f.waitsUntil(in.now)
	in.due = earlier(in.due, due)
	return !due.IsZero()
}

// waitsUntil returns when the first record may be handled; zero: now.
func (f *fetched) waitsUntil(now time.Time) time.Time {
	if first := f.fetches[0][0]; f.dueOf != first {
		f.dueOf, f.due = first, f.part.retry.due(first, now)
	}
	if f.due.After(now) {
		return f.due
	}
	return time.Time{}
}

// dueLater bounds n by the records that may be handled now, of which the first is
// one.
func (f *fetched) dueLater(n int, now time.Time) int {
	if f.part.retry == nil {
		return n
	}
	for i, r := range f.fetches[0][:min(n, len(f.fetches[0]))] {
		if i > 0 && f.part.retry.due(r, now).After(now) {
			return i
		}
	}
	return n
}

// keep cuts off what does not fit into memory of records that wait, and notes where to
// read again.
func (in *intake) keep(p *partition, records []*kgo.Record) []*kgo.Record {
	if p.retry == nil || len(records) == 0 {
		return records
	}
	if p.cut {
		return nil // They were fetched before the partition was paused.
	}
	kept := 0
	if in.held[p] == nil {
		kept = 1 // It says when the partition's turn comes.
	}
	last, now := records[len(records)-1], time.Now()
	if in.bytes < waitingBytes || kept == len(records) || !p.retry.due(last, now).After(now) {
		return records
	}
	p.cut, p.cutAt = true, kgo.EpochOffset{Epoch: records[kept].LeaderEpoch, Offset: records[kept].Offset}
	p.hoards, in.changed = true, true
	return records[:kept]
}

// dueLocked returns when the next record of the intake is due, and whether one is.
func (s *scheduler) dueLocked(now time.Time) (next time.Time, arrived bool) {
	if s.due.IsZero() || s.due.After(now) {
		return s.due, false
	}
	s.due = time.Time{}
	token(s.room)
	return s.due, true
}

// awaitLocked has the clock wake the goroutine that polls.
func (s *scheduler) awaitLocked(due time.Time) {
	if !due.Equal(s.due) {
		s.due = due
		token(s.clock)
	}
}

// rewind reads partitions again from where records were cut off, and reports whether
// it did. It does not while partitions are given up: to another member's partition no
// offset is set.
func (c *Consumer) rewind(client *kgo.Client, parts []*partition) bool {
	if !c.revokes.try() {
		return false
	}
	defer c.revokes.leave()
	offsets := map[string]map[int32]kgo.EpochOffset{}
	s := c.sched
	s.mu.Lock()
	for _, p := range parts {
		if p.revoked {
			continue
		}
		if offsets[p.topic] == nil {
			offsets[p.topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.topic][p.partition] = p.cutAt
		p.next, p.cut, p.hoards = p.cutAt.Offset, false, false
	}
	s.mu.Unlock()
	client.SetOffsets(offsets)
	c.applyFetching()
	return true
}
