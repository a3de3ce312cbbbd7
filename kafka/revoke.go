package kafka

import (
	"context"
	"slices"
	"time"
)

// revokeLocked stops handing out records of the partitions and drops those that
// no worker has. What is dropped or not finished goes to the next owner.
func (s *scheduler) revokeLocked(tps []topicPartition) []*partition {
	var lost []*partition
	for _, tp := range tps {
		p := s.parts[tp]
		if p == nil || p.revoked {
			continue
		}
		s.breakUpLocked(p, time.Now())
		p.revoked = true
		if p.busy > 0 {
			p.idle = make(chan struct{})
		}
		lost = append(lost, p)
	}
	keepSlot := func(sl *slot) bool { return !sl.part.revoked }
	s.ready.keep(keepSlot)
	s.waiting = dropRevoked(s.waiting)
	s.burials = dropRevoked(s.burials)
	for _, sl := range slices.Collect(s.slots.all) {
		if slices.Contains(lost, sl.part) {
			s.dropLocked(sl)
		}
	}
	for _, p := range lost {
		if p.gated {
			p.gated = false
			s.gated--
		}
		s.yieldLocked(p)
	}
	if s.pause != nil && s.pause.probe != nil && s.pause.probe.part.revoked {
		s.abandonProbeLocked()
	}
	s.relieveLocked()
	token(s.room)
	return lost
}

// dropLocked takes the slot's records out of flight, but for the one that is
// being handled or written to the dead letters.
func (s *scheduler) dropLocked(sl *slot) {
	s.unblockLocked(sl)
	s.countBehind(sl.part, 1-sl.records, sl.first.size-sl.bytes)
	keep := sl.first
	if !keep.inHands && !keep.burial {
		keep = nil
	}
	records, bytes := sl.records, sl.bytes
	sl.first, sl.last, sl.records, sl.bytes = keep, keep, 0, 0
	if keep != nil {
		keep.next = nil
		sl.records, sl.bytes = 1, keep.size
	}
	sl.part.dealt -= records - sl.records
	s.inFlight -= records - sl.records
	s.bytes -= bytes - sl.bytes
	if keep == nil {
		s.freeSlotLocked(sl)
	}
}

func dropRevoked(h retryHeap) retryHeap {
	kept := h[:0]
	for _, it := range h {
		if !it.part.revoked {
			kept = append(kept, it)
		}
	}
	clear(h[len(kept):])
	kept.init()
	return kept
}

// fenceLocked ends the assignments: nothing of them counts any more.
func (s *scheduler) fenceLocked(lost []*partition) {
	for _, p := range lost {
		p.fenced = true
		if s.parts[p.topicPartition] == p {
			delete(s.parts, p.topicPartition)
		}
	}
}

// awaitIdle waits until none of the partitions' records is in anybody's hands,
// at most until ctx ends, and reports whether that was reached.
func awaitIdle(ctx context.Context, s *scheduler, lost []*partition) bool {
	for _, p := range lost {
		s.mu.Lock()
		idle := p.idle
		s.mu.Unlock()
		if idle == nil {
			continue
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
