package kafka

import (
	"container/heap"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// PauseReason says why a consumer stopped handing out records.
type PauseReason uint8

const (
	// NotPaused: records are handed out.
	NotPaused PauseReason = iota
	// PausedByOutage: what the handlers depend on, or the handlers themselves,
	// fail for everything.
	PausedByOutage
	// PausedByFlood: too many of the last records became dead letters.
	PausedByFlood
)

// String returns "", "outage" or "dead letter flood".
func (r PauseReason) String() string {
	return [...]string{"", "outage", "dead letter flood"}[min(r, PausedByFlood)]
}

// pause is the state of a consumer that waits for something to work again.
type pause struct {
	reason   PauseReason
	since    time.Time
	until    time.Time // when it was over
	err      error     // what led to it
	interval time.Duration
	next     time.Time // of the next probe
	probe    *item     // in a worker's hands
	sent     time.Time // when it was handed out
	late     []*item   // probes that are not waited for any more, in workers' hands
	fresh    bool      // the next probe is to be a record that was not tried yet
	probes   int
}

// pauseLocked stops handing out records. Attempts that were spent in the run-up
// are given back.
func (s *scheduler) pauseLocked(reason PauseReason, err error, now time.Time) *pause {
	s.breakAllUpLocked(now)
	s.pause = &pause{
		reason: reason, since: now, err: err, fresh: true,
		interval: s.limits.probeFirst, next: now.Add(s.limits.probeFirst),
	}
	for it := range s.inTrouble {
		given := it.inHands || it.burial || it.unburied
		if !given && it.failure.redelivery == errors.RedeliverOutage && it.refuted < maxRefuted {
			it.attempts, it.held = 0, true
		}
	}
	token(s.clock)
	copied := *s.pause
	return &copied
}

// holdLocked keeps a record that failed during a pause, without a charge.
func (s *scheduler) holdLocked(it *item, probe probing, now time.Time) verdict {
	it.attempts = max(it.attempts-1, 0)
	if it.failure.redelivery == errors.RedeliverOutage && probe == noProbe {
		it.attempts = 0 // It was under way in the run-up.
	}
	if probe == theProbe {
		s.probeFailedLocked(now)
	}
	if s.overtimeLocked(it, now) && s.inTheWayLocked(it) {
		return s.condemnLocked(it, now)
	}
	it.held = true
	it.due = now
	return verdict{action: actHold, fetch: s.waitLocked(it)}
}

// inTheWayLocked reports whether nothing but what failed can be tried: only
// without the record will be seen whose fault it is. In an outage that is when all
// that is held has the record's key. A flood leaves more: its records may all be bad
// in themselves. There the record has to stand before others that were never
// tried, behind it in its key, or in the log because no more is fetched.
func (s *scheduler) inTheWayLocked(it *item) bool {
	alone := s.inFlight == it.slot.records
	if s.pause.reason == PausedByOutage {
		return alone
	}
	full := s.inFlight >= s.limits.records || s.bytes >= s.limits.bytes
	return s.ready.size == 0 && (full || it.part.crowded || it.part.yields || it.part.stuck || alone && it.slot.records > 1)
}

// resumeLocked hands out records again, because of a probe that succeeded, or
// whose failure speaks about the record. The latter shows nothing about the
// others: a record that cannot be decoded is rejected in an outage as well. It
// returns the pause that is over.
func (s *scheduler) resumeLocked(by *item, succeeded bool, now time.Time) *pause {
	over := *s.pause
	over.until = now
	s.pause = nil
	s.health.reset()
	if over.reason == PausedByFlood {
		s.flood.reset()
	}
	for _, it := range s.waiting {
		if it.held {
			it.due = now.Add(s.limits.backoff(1))
		}
	}
	heap.Init(&s.waiting)
	for it := range s.inTrouble {
		it.release(&over, succeeded && it != by)
	}
	token(s.clock)
	token(s.room)
	s.work.Broadcast()
	return &over
}

// inTrouble yields the first records of all keys that have failed before, whoever has them.
func (s *scheduler) inTrouble(yield func(*item) bool) {
	for sl := range s.slots.all {
		if it := sl.first; it.trouble != nil && !yield(it) {
			return
		}
	}
}

// release ends what a pause meant for a record. One that was held begins anew, and another one's
// success in an outage says something about its own failure. For others time stood still.
func (it *item) release(over *pause, another bool) {
	switch {
	case it.held:
		it.held = false
		it.since = time.Time{}
		if another && it.failure.redelivery == errors.RedeliverOutage {
			it.refuted++
		}
	case it.since.IsZero():
	case it.since.Before(over.since):
		it.since = it.since.Add(over.until.Sub(over.since))
	default:
		it.since = over.until
	}
}
