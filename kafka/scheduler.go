package kafka

import (
	"container/heap"
	"hash/maphash"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// scheduler deals the records of the assigned partitions to the workers: one
// record of a key at a time, in the order of their offsets. A key whose record
// waits for its next attempt, or for its dead letter to be written, waits with
// it; no other key does. All state is under one mutex: what a revoke takes away
// cannot be marked by a completion that comes at the same time.
//
// It knows nothing of Kafka, of handlers or of clocks, so that a model can
// check it. Methods whose name ends in Locked want mu to be held.
type scheduler struct {
	mu   sync.Mutex
	work sync.Cond // workers wait here for a record

	limits limits
	plan   retryPlan
	seed   maphash.Seed

	parts    map[topicPartition]*partition
	slots    slotTable
	free     []*slot
	salt     uint64    // of the partition that was assigned last
	ready    slotQueue // slots whose first record may be handled
	waiting  retryHeap // records that wait for their next attempt, or are held by a pause
	burials  retryHeap // records whose dead letter could not be written
	inFlight int
	bytes    int64
	// blocked are the records in flight that cannot be handled now: those that
	// wait and those of the same key behind them.
	blocked      int
	blockedBytes int64
	// behind are the records in flight behind another of their key, whatever that
	// one does.
	behind      int
	behindBytes int64
	yielding    yielding
	sated       bool   // the goroutine that polls waits until a worker has nothing to do
	full        bool   // it waits for room
	queued      int    // records of runs that no worker has
	running     []*run // in the hands of workers
	gated       int    // partitions that wait for a commit before more is fetched
	wakes       wakes
	closed      bool
	due         time.Time // when a record of the intake may be handled that waits for its time
	size        int64     // moving average of a record's size

	handled uint64 // records that were handled with success
	buried  uint64 // records that were written to the dead letters
	delayed uint64 // and to retry topics
	health  health
	flood   flood
	pause   *pause

	items func(p *partition, records []*kgo.Record) []*item // makes them

	room  chan struct{} // one token: there may be room for more records
	clock chan struct{} // one token: something is due earlier than was known
	kick  chan struct{} // one token: a commit is wanted before its time
}

// limits are the parts of a ConsumerConfig that decide about records.
type limits struct {
	attempts   int // negative: no bound
	retryFor   time.Duration
	backoff    func(attempt int) time.Duration
	records    int
	bytes      int64
	ahead      int // complete records beyond the committed offset, per partition
	probeFirst time.Duration
	probeMax   time.Duration
	probeLate  time.Duration // when a probe is not waited for any more
}

func newScheduler(l limits, outageRatio, floodRatio float64) *scheduler {
	s := &scheduler{
		limits: l,
		seed:   maphash.MakeSeed(),
		parts:  map[topicPartition]*partition{},
		health: health{ratio: outageRatio},
		flood:  flood{ratio: floodRatio},
		wakes:  wakes{pace: patience},
		room:   make(chan struct{}, 1),
		clock:  make(chan struct{}, 1),
		kick:   make(chan struct{}, 1),
	}
	s.work.L = &s.mu
	return s
}

// assign begins an assignment of a partition. One that has not ended, because
// the topic was made anew, ends with it.
func (s *scheduler) assign(tp topicPartition, d *description) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fenceLocked(s.revokeLocked([]topicPartition{tp})) // Who waits for room looks again.
	s.salt += 0x9e3779b97f4a7c15                        // 2^64 by the golden ratio: far from those before it in each table.
	p := &partition{topicPartition: tp, tracker: newTracker(), salt: s.salt, next: -1, describe: d}
	s.parts[tp] = p
	if p.retry = s.plan.topics[tp.topic]; p.retry != nil {
		p.later, p.attempts = p.retry.next, 1
	} else {
		p.later, p.attempts = s.plan.first[tp.topic], s.plan.attempts
	}
}

// offerLocked takes a record into flight. It reports false for one of a partition
// that is not assigned any more, and for one that is in flight or done already.
func (s *scheduler) offerLocked(p *partition, it *item) bool {
	if p == nil || p.revoked {
		return false
	}
	if p.lane.active() {
		s.breakUpLocked(p, time.Now())
	}
	seq, ok := p.tracker.add(it.place())
	if !ok {
		return false
	}
	it.part, it.seq = p, seq
	s.countLocked(it.size)
	s.dealLocked(p, it)
	return true
}

func (s *scheduler) countLocked(size int64) {
	s.inFlight++
	s.bytes += size
	s.size += (size - s.size) / 16
}

// dealLocked puts a record behind those of its key.
func (s *scheduler) dealLocked(p *partition, it *item) {
	sl := s.slots.find(p, it.hash)
	if sl == nil {
		sl = s.newSlotLocked()
		sl.part, sl.hash = p, it.hash
		s.slots.add(sl)
	}
	it.slot = sl
	p.dealt++
	sl.records++
	sl.bytes += it.size
	if sl.blocked {
		s.countBlocked(p, 1, it.size)
	}
	if sl.last == nil {
		sl.first, sl.last = it, it
		if !it.inHands {
			s.ready.push(sl)
		}
		return
	}
	sl.last.next = it
	sl.last = it
	s.countBehind(p, 1, it.size)
	s.yieldLocked(p)
}

// nextLocked hands out a record to a worker, or a run. It waits for one, says whether
// it did, and returns neither when the scheduler is closed.
func (s *scheduler) nextLocked() (it *item, r *run, waited bool) {
	for !s.closed {
		if r = s.pickRunLocked(); r == nil {
			it = s.pickLocked(time.Time{})
		}
		if it != nil || r != nil {
			s.wakeLocked()
			s.hungerLocked()
			return it, r, waited
		}
		waited = true
		s.waitForWorkLocked()
	}
	return nil, nil, waited
}

// pickLocked returns a record that may be handled now; now zero: the clock is
// read where that matters.
func (s *scheduler) pickLocked(now time.Time) *item {
	var it *item
	if s.pause != nil {
		if now.IsZero() {
			now = time.Now()
		}
		it = s.pickProbeLocked(now)
	} else if sl := s.ready.pop(); sl != nil {
		it = sl.first
	}
	if it != nil {
		it.inHands = true
		it.part.busy++
		s.wakes.handling++
	}
	return it
}

// finishLocked takes a record back from a worker.
func (s *scheduler) finishLocked(it *item, f failure, now time.Time) verdict {
	p := it.part
	it.inHands = false
	s.wakes.handling--
	s.idlePartition(p)
	probe := s.endedLocked(it)
	switch {
	case p.fenced:
		s.forgetLocked(it)
		return verdict{action: actForget}
	case f.err == nil:
		v := verdict{action: actDone}
		if s.pause == nil || probe != noProbe {
			s.health.success(now)
		}
		s.handled++
		s.flood.record(false)
		if probe != noProbe {
			v.resumed = s.resumeLocked(it, true, now)
		}
		s.completeLocked(it, &v)
		return v
	case f.ours || p.revoked:
		s.forgetLocked(it)
		return verdict{action: actForget}
	}
	return s.failedLocked(it, f, probe, now)
}

// completeLocked marks the record's offset and lets the next of its key go. It
// adds to the verdict what that changes for its partition.
func (s *scheduler) completeLocked(it *item, v *verdict) {
	p := it.part
	p.tracker.complete(it.seq)
	s.forgetLocked(it)
	v.fetch = s.crowdLocked(p) || v.fetch
	v.intake = s.yieldLocked(p)
	v.intake = s.relieveLocked() || v.intake
	s.movedLocked(p, v)
}

// movedLocked looks at how far the partition is ahead of its mark, and of what was
// committed.
func (s *scheduler) movedLocked(p *partition, v *verdict) {
	room := s.limits.ahead - s.limits.records
	ahead := p.tracker.ahead()
	if ahead >= room/4 {
		s.aheadLocked(p, ahead, room)
	}
	if stuck := p.tracker.gap() >= room || p.stuck && p.tracker.gap() >= room/2; stuck != p.stuck {
		p.stuck, v.fetch = stuck, true
	}
}

// forgetLocked takes a record, the first of its slot, out of flight.
func (s *scheduler) forgetLocked(it *item) {
	sl := it.slot
	s.unblockLocked(sl)
	sl.first = it.next
	it.next = nil
	sl.records--
	sl.bytes -= it.size
	sl.part.dealt--
	s.inFlight--
	s.bytes -= it.size
	if p := sl.part; sl.first == nil {
		s.freeSlotLocked(sl)
	} else {
		s.countBehind(p, -1, -sl.first.size)
		s.ready.push(sl) // It is not revoked: then nothing is left in the slot.
	}
	if s.roomLocked() > 0 {
		token(s.room)
	}
}

// tickLocked makes ready what is due and returns the records whose dead letter
// is to be tried again, and when to come back; zero: when told.
func (s *scheduler) tickLocked(now time.Time) (burials []*item, next time.Time) {
	for len(s.burials) > 0 && !s.burials[0].due.After(now) {
		it := heap.Pop(&s.burials).(*item)
		it.burial = true
		it.part.busy++
		burials = append(burials, it)
	}
	if len(s.burials) > 0 {
		next = s.burials[0].due
	}
	if s.pause != nil {
		if s.pause.probe != nil {
			return burials, earlier(next, s.awaitProbeLocked(now))
		}
		if !s.pause.next.After(now) {
			s.signalLocked()
			return burials, next
		}
		return burials, earlier(next, s.pause.next)
	}
	for len(s.waiting) > 0 && !s.waiting[0].due.After(now) {
		it := heap.Pop(&s.waiting).(*item)
		s.unblockLocked(it.slot)
		s.ready.push(it.slot)
	}
	s.wakeLocked()
	if len(s.waiting) > 0 {
		next = earlier(next, s.waiting[0].due)
	}
	return burials, next
}

func (s *scheduler) closeLocked() {
	s.closed = true
	s.work.Broadcast()
}
