package kafka

import (
	"container/heap"
	"slices"
	"time"
)

// probing is what a record is to a pause.
type probing uint8

const (
	noProbe probing = iota
	// theProbe is waited for: there is no other until it has ended.
	theProbe
	// lateProbe was waited for. Its success, or what it says of itself, still ends the pause;
	// that what it needs is not there says nothing any more.
	lateProbe
)

// pickProbeLocked hands out one record at a time, at growing intervals: in turn
// one that was not tried yet, for the fault may be that of those that were, and
// the one that was not tried for the longest time.
func (s *scheduler) pickProbeLocked(now time.Time) *item {
	p := s.pause
	if p.probe != nil || p.next.After(now) {
		return nil
	}
	oldest := s.oldestWaitingLocked()
	if oldest == nil || p.fresh && s.ready.size > 0 {
		sl := s.ready.pop()
		if sl == nil {
			token(s.room) // Nothing is held: one record is fetched.
			return nil
		}
		p.probe = sl.first
	} else {
		heap.Remove(&s.waiting, oldest.heapIndex)
		s.unblockLocked(oldest.slot)
		p.probe = oldest
	}
	p.fresh = !p.fresh
	p.probes++
	p.sent = now
	token(s.clock)
	return p.probe
}

func (s *scheduler) oldestWaitingLocked() *item {
	var oldest *item
	for _, it := range s.waiting {
		if oldest == nil || it.lastTried.Before(oldest.lastTried) {
			oldest = it
		}
	}
	return oldest
}

// endedLocked says what the record was that has come back from its worker.
func (s *scheduler) endedLocked(it *item) probing {
	p := s.pause
	switch {
	case p == nil:
		return noProbe
	case p.probe == it:
		p.probe = nil
		token(s.clock)
		return theProbe
	}
	at := slices.Index(p.late, it)
	if at < 0 {
		return noProbe
	}
	p.late = slices.Delete(p.late, at, at+1)
	return lateProbe
}

func (s *scheduler) probeFailedLocked(now time.Time) {
	s.pause.interval = min(2*s.pause.interval, s.limits.probeMax)
	s.pause.next = now.Add(s.pause.interval)
	token(s.clock)
}

// awaitProbeLocked returns when the probe is late. A handler that ignores its context must not
// hold up all others.
func (s *scheduler) awaitProbeLocked(now time.Time) time.Time {
	due := s.pause.sent.Add(s.limits.probeLate)
	if now.Before(due) {
		return due
	}
	s.abandonProbeLocked()
	s.probeFailedLocked(now)
	return s.pause.next
}

// abandonProbeLocked no longer waits for the probe.
func (s *scheduler) abandonProbeLocked() {
	s.pause.late = append(s.pause.late, s.pause.probe)
	s.pause.probe = nil
	token(s.clock)
	if s.roomLocked() > 0 {
		token(s.room) // The next one may have to be fetched.
	}
}
