package kafka

import (
	"container/heap"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// maxRefuted is how many outages another record's success may end before a
// record's failures are taken for its own: otherwise one tenant whose dependency
// is down would make all others wait again and again on a quiet topic.
const maxRefuted = 3

// failedLocked decides by the table of package errors what becomes of a record
// whose attempt failed.
func (s *scheduler) failedLocked(it *item, f failure, probe probing, now time.Time) verdict {
	if it.trouble == nil {
		it.trouble = &trouble{firstFailure: now}
	}
	it.lastTried = now
	if it.since.IsZero() {
		it.since, it.handledThen = now, s.handled
	}
	it.attempts++
	it.failure = f
	if s.pause != nil && s.pause.reason == PausedByFlood {
		return s.holdLocked(it, probe, now)
	}
	switch f.redelivery {
	case errors.RedeliverNever:
		resumed := s.answeredLocked(it, probe, now)
		v := s.condemnLocked(it, now)
		v.resumed = resumed
		return v
	case errors.RedeliverLimited:
		resumed := s.answeredLocked(it, probe, now)
		v := s.retryLocked(it, f, now)
		v.resumed = resumed
		return v
	default:
		return s.suspectLocked(it, f, probe, now)
	}
}

// answeredLocked ends an outage when a probe's failure shows that what it
// depends on answers.
func (s *scheduler) answeredLocked(it *item, probe probing, now time.Time) *pause {
	if probe == noProbe {
		return nil
	}
	over := s.resumeLocked(it, false, now)
	if it.since.IsZero() { // For it, too, the outage is over.
		it.since, it.handledThen = now, s.handled
	}
	return over
}

// suspectLocked handles a failure that may be an outage's.
func (s *scheduler) suspectLocked(it *item, f failure, probe probing, now time.Time) verdict {
	own := it.refuted >= maxRefuted // others succeeded again and again: the fault is the record's
	var paused *pause
	if s.health.ratio >= 0 && !own && s.pause == nil {
		if s.health.failure(it, now) || f.circuit {
			paused = s.pauseLocked(PausedByOutage, f.err, now)
		}
	}
	if s.pause != nil && !own {
		v := s.holdLocked(it, probe, now)
		v.paused = paused
		return v
	}
	if probe == theProbe {
		s.probeFailedLocked(now)
	}
	return s.retryLocked(it, f, now)
}

// retryLocked lets the record's key wait for another attempt, or gives it up.
func (s *scheduler) retryLocked(it *item, f failure, now time.Time) verdict {
	spent := s.spentLocked(it)
	switch overtime := s.overtimeLocked(it, now); {
	case spent && !overtime && it.part.later != nil:
		return s.buryLocked(it, it.part.later)
	case spent && !overtime && s.undecidedLocked(it, f):
		paused := s.pauseLocked(PausedByOutage, f.err, now)
		v := s.holdLocked(it, noProbe, now)
		v.paused = paused
		return v
	case spent || overtime:
		return s.condemnLocked(it, now)
	}
	wait := max(s.limits.backoff(it.attempts), f.retryAfter)
	it.due = now.Add(wait)
	return verdict{action: actRetry, wait: wait, fetch: s.waitLocked(it)}
}

// spentLocked reports whether the record has no more attempts where it is.
func (s *scheduler) spentLocked(it *item) bool {
	limit := s.limits.attempts
	if p := it.part; p.retry != nil || p.later != nil {
		limit = p.attempts
	}
	return limit >= 0 && it.attempts >= limit
}

func (s *scheduler) overtimeLocked(it *item, now time.Time) bool {
	if s.limits.retryFor < 0 {
		return false
	}
	// What waits in one retry topic again and again has no other bound.
	endless := it.part.retry != nil && it.part.later == it.part.retry
	return now.Sub(it.since) >= s.limits.retryFor || endless && now.Sub(it.firstFailed()) >= s.limits.retryFor
}

// undecidedLocked reports whether nothing shows that the fault is the record's:
// no other record was handled since it began to fail. On a topic with one
// record a minute, or with one key, the attempts of the first record are gone
// before a second one can show anything, so this is taken for an outage.
func (s *scheduler) undecidedLocked(it *item, f failure) bool {
	return f.redelivery == errors.RedeliverOutage && s.health.ratio >= 0 && s.pause == nil &&
		s.handled == it.handledThen && it.refuted == 0
}

// waitLocked puts the record, the first of its slot, among those that wait. It
// reports whether the partition's fetching has to be paused.
func (s *scheduler) waitLocked(it *item) (fetch bool) {
	s.blockLocked(it.slot)
	heap.Push(&s.waiting, it)
	token(s.clock)
	if s.roomLocked() > 0 {
		token(s.room)
	}
	return s.crowdLocked(it.part)
}

// condemnLocked gives the record up, unless too many were before it.
func (s *scheduler) condemnLocked(it *item, now time.Time) verdict {
	if s.flood.record(true) && s.pause == nil {
		paused := s.pauseLocked(PausedByFlood, it.failure.err, now)
		v := s.holdLocked(it, noProbe, now)
		v.paused = paused
		return v
	}
	return s.buryLocked(it, nil)
}

// buryLocked hands the record to the writer of dead letters, or of a retry topic. Its
// key waits.
func (s *scheduler) buryLocked(it *item, to *retryTopic) verdict {
	it.held, it.burial, it.to = false, true, to
	it.part.busy++
	s.blockLocked(it.slot)
	return verdict{action: actBury, fetch: s.crowdLocked(it.part)}
}

// buriedLocked takes a record back whose dead letter was written, or not.
func (s *scheduler) buriedLocked(it *item, err error, wait time.Duration, now time.Time) verdict {
	p := it.part
	it.burial = false
	s.idlePartition(p)
	if p.fenced || p.revoked && err != nil {
		s.forgetLocked(it)
		s.wakeLocked()
		return verdict{action: actForget}
	}
	v := verdict{action: actDone}
	if err != nil {
		v.action, v.wait = actBury, wait
		if !it.unburied {
			it.unburied = true
			p.burying++
			v.fetch = p.burying == 1
		}
		it.due = now.Add(wait)
		heap.Push(&s.burials, it)
		token(s.clock)
		return v
	}
	if it.unburied {
		it.unburied = false
		p.burying--
		v.fetch = p.burying == 0
	}
	if it.to == nil {
		s.buried++
	} else {
		s.delayed++
	}
	s.completeLocked(it, &v)
	s.wakeLocked()
	return v
}
