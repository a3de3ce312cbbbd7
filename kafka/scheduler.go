package kafka

import (
	"container/heap"
	"hash/maphash"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
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
	seed   maphash.Seed

	parts    map[topicPartition]*partition
	free     []*slot
	ready    slotQueue // slots whose first record may be handled
	waiting  retryHeap // records that wait for their next attempt, or are held by a pause
	burials  retryHeap // records whose dead letter could not be written
	inFlight int
	bytes    int64
	// blocked are the records in flight that cannot be handled now: those that
	// wait and those of the same key behind them.
	blocked      int
	blockedBytes int64
	gated        int // partitions that wait for a commit before more is fetched
	wakes        wakes
	closed       bool
	size         int64 // moving average of a record's size

	handled uint64 // records that were handled with success
	buried  uint64 // records that were written to the dead letters
	health  health
	flood   flood
	pause   *pause

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
}

type topicPartition struct {
	topic     string
	partition int32
}

// partition is one assignment of a partition. Another assignment of the same
// partition is another value.
type partition struct {
	topicPartition
	tracker tracker
	slots   map[uint64]*slot

	busy    int           // records in the hands of workers, or being written to the dead letters
	idle    chan struct{} // closed when busy is 0; nil before the revoke
	revoked bool          // nothing is handed out any more
	fenced  bool          // nothing counts any more

	blocked      int
	blockedBytes int64
	gated        bool
	refused      bool // the broker refuses its offsets, and too many are not committed
	stuck        bool // too many complete records wait for an incomplete one
	crowded      bool // too many records wait behind blocked ones
	burying      int  // records whose dead letter cannot be written

	highWatermark int64
	describe      *description
}

// stopped reports whether no more records of the partition are to be taken into
// flight for now.
func (p *partition) stopped() bool { return p.stuck || p.refused || p.crowded || p.burying > 0 }

// slot is what has an order of its own: a key of a partition. Its first record
// is in a worker's hands, waits, or makes the slot ready.
type slot struct {
	part        *partition
	hash        uint64
	first, last *item
	records     int
	bytes       int64
	blocked     bool
}

// item is a record in flight. What only a record in trouble needs is apart: most
// records never fail, and each of them pays for every byte.
type item struct {
	delivery delivery // of the first attempt; its record is the handler's
	source   *kgo.Record
	part     *partition
	slot     *slot
	next     *item
	seq      int64
	size     int64
	hash     uint64 // of its key
	attempts int    // that count, since what was given back
	tries    int    // all, of this stay
	inHands  bool   // a worker handles it
	burial   bool   // its dead letter is being written
	*trouble        // nil before the first failure
}

// record is the record as it was written, whatever a handler made of its own.
func (it *item) record() Record {
	if it.source == nil {
		return it.delivery.Record
	}
	return recordOf(it.source)
}

// trouble is the state of a record that failed.
type trouble struct {
	failure      failure
	due          time.Time
	firstFailure time.Time
	lastTried    time.Time
	since        time.Time // of the failures that count; zero after an outage
	handledThen  uint64    // scheduler.handled at that time
	refuted      int       // outages that another record's success ended
	held         bool      // by a pause
	unburied     bool      // its dead letter could not be written so far
	burials      int       // attempts at writing the dead letter that failed
	heapIndex    int
}

// failure is what a failed attempt said.
type failure struct {
	err        error
	code       errors.Code
	redelivery errors.Redelivery
	circuit    bool // a circuit breaker refused the call
	retryAfter time.Duration
	ours       bool // we ended the handler's context to give the partition up
	trace      string
}

// maxRefuted is how many outages another record's success may end before a
// record's failures are taken for its own: otherwise one tenant whose dependency
// is down would make all others wait again and again on a quiet topic.
const maxRefuted = 3

// verdict is what becomes of a record after an attempt, for those who log,
// count and act outside the lock.
type verdict struct {
	action  action
	wait    time.Duration
	paused  *pause // the consumer paused because of it
	resumed *pause // the consumer goes on because of it
	fetch   bool   // which partitions are fetched has changed
}

type action uint8

const (
	actDone action = iota
	actRetry
	actHold
	actBury
	actForget
)

// pause is the state of a consumer that waits for something to work again.
type pause struct {
	reason   PauseReason
	since    time.Time
	until    time.Time // when it was over
	err      error     // what led to it
	interval time.Duration
	next     time.Time // of the next probe
	probe    *item     // in a worker's hands
	fresh    bool      // the next probe is to be a record that was not tried yet
	probes   int
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
	s.fenceLocked(s.revokeLocked([]topicPartition{tp}))
	s.parts[tp] = &partition{topicPartition: tp, tracker: newTracker(), slots: map[uint64]*slot{}, describe: d}
}

// offerLocked takes a record into flight. It reports false for one of a partition
// that is not assigned any more, and for one that is in flight or done already.
func (s *scheduler) offerLocked(p *partition, it *item) bool {
	if p == nil || p.revoked {
		return false
	}
	seq, ok := p.tracker.add(it.delivery.Offset, it.delivery.LeaderEpoch)
	if !ok {
		return false
	}
	it.part, it.seq = p, seq
	s.inFlight++
	s.bytes += it.size
	s.size += (it.size - s.size) / 16
	sl := p.slots[it.hash]
	if sl == nil {
		sl = s.newSlotLocked()
		sl.part, sl.hash = p, it.hash
		p.slots[it.hash] = sl
	}
	it.slot = sl
	sl.records++
	sl.bytes += it.size
	if sl.blocked {
		s.countBlocked(p, 1, it.size)
	}
	if sl.last == nil {
		sl.first, sl.last = it, it
		s.ready.push(sl)
		return true
	}
	sl.last.next = it
	sl.last = it
	return true
}

// newSlotLocked reuses slots: most hold one record, and live as long as it.
func (s *scheduler) newSlotLocked() *slot {
	if len(s.free) == 0 {
		return new(slot)
	}
	sl := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return sl
}

func (s *scheduler) freeSlotLocked(sl *slot) {
	delete(sl.part.slots, sl.hash)
	*sl = slot{}
	s.free = append(s.free, sl) // At most limits.records slots exist at a time.
}

// hash maps a key to its slot. Two keys with one hash wait for each other, which
// is harmless. Records without a key share one slot: their order is the
// partition's.
func (s *scheduler) hash(key []byte) uint64 {
	if key == nil {
		return 0
	}
	return max(maphash.Bytes(s.seed, key), 1)
}

// nextLocked hands out a record to a worker. It waits for one, says whether it
// did, and returns nil when the scheduler is closed.
func (s *scheduler) nextLocked() (it *item, waited bool) {
	for !s.closed {
		if it := s.pickLocked(time.Time{}); it != nil {
			s.wakeLocked()
			return it, waited
		}
		waited = true
		s.waitForWorkLocked()
	}
	return nil, waited
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
	probe := s.pause != nil && s.pause.probe == it
	if probe {
		s.pause.probe = nil
		token(s.clock)
	}
	switch {
	case p.fenced:
		s.forgetLocked(it)
		return verdict{action: actForget}
	case f.err == nil:
		v := verdict{action: actDone}
		if s.pause == nil || probe {
			s.health.success(now)
		}
		s.handled++
		s.flood.record(false)
		if probe {
			v.resumed = s.resumeLocked(it, true, now)
		}
		v.fetch = s.completeLocked(it)
		return v
	case f.ours || p.revoked:
		s.forgetLocked(it)
		return verdict{action: actForget}
	}
	return s.failedLocked(it, f, probe, now)
}

// idlePartition notes that a record is in nobody's hands any more.
func (s *scheduler) idlePartition(p *partition) {
	p.busy--
	if p.busy == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// completeLocked marks the record's offset and lets the next of its key go. It
// reports whether the partition's fetching has to be paused or resumed.
func (s *scheduler) completeLocked(it *item) (fetch bool) {
	p := it.part
	p.tracker.complete(it.seq)
	s.forgetLocked(it)
	fetch = s.crowdLocked(p)
	room := s.limits.ahead - s.limits.records
	ahead := p.tracker.ahead()
	if ahead >= room/4 {
		s.aheadLocked(p, ahead, room)
	}
	if stuck := p.tracker.gap() >= room || p.stuck && p.tracker.gap() >= room/2; stuck != p.stuck {
		p.stuck, fetch = stuck, true
	}
	return fetch
}

// aheadLocked asks for a commit before its time, and lets no more records in
// while a partition has too many complete records that are not committed.
func (s *scheduler) aheadLocked(p *partition, ahead, room int) {
	if _, _, ok := p.tracker.uncommitted(); !ok {
		return
	}
	token(s.kick)
	if ahead >= room && !p.gated && !p.refused {
		p.gated = true
		s.gated++
	}
}

// committedLocked notes what the broker has. A partition of which everything is
// committed that can be waits for a record and not for a commit: it is stuck,
// and the others are not to wait with it. It reports whether the partition's
// fetching has to be resumed.
func (s *scheduler) committedLocked(p *partition, offset int64) (fetch bool) {
	p.tracker.commit(offset)
	fetch = p.refused
	p.refused = false
	_, _, more := p.tracker.uncommitted()
	if p.gated && (!more || p.tracker.ahead() < s.limits.ahead-s.limits.records) {
		s.openLocked([]*partition{p})
	}
	return fetch
}

// openLocked opens the gate that partitions keep closed.
func (s *scheduler) openLocked(parts []*partition) {
	for _, p := range parts {
		if p.gated {
			p.gated = false
			s.gated--
		}
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
	s.inFlight--
	s.bytes -= it.size
	if sl.first == nil {
		s.freeSlotLocked(sl)
	} else if !sl.part.revoked {
		s.ready.push(sl)
	}
	if s.roomLocked() > 0 {
		token(s.room)
	}
}

// blockLocked counts the slot's records as unable to go on.
func (s *scheduler) blockLocked(sl *slot) {
	if !sl.blocked {
		sl.blocked = true
		s.countBlocked(sl.part, sl.records, sl.bytes)
	}
}

func (s *scheduler) unblockLocked(sl *slot) {
	if sl.blocked {
		sl.blocked = false
		s.countBlocked(sl.part, -sl.records, -sl.bytes)
	}
}

func (s *scheduler) countBlocked(p *partition, records int, bytes int64) {
	s.blocked += records
	s.blockedBytes += bytes
	p.blocked += records
	p.blockedBytes += bytes
}

// crowdLocked decides whether a partition has so many records behind blocked
// ones that it must leave the rest of the room to the others, and reports
// whether that changed. A partition may take as much as is left over: with one
// such partition half of the room stays free, with two a quarter, and never
// none (dynamic thresholds, Choudhury and Hahne 1998). A partition without such
// records is never crowded: nothing of it would happen that could end it.
func (s *scheduler) crowdLocked(p *partition) (changed bool) {
	crowded := p.blocked >= s.limits.records-s.blocked || p.blockedBytes >= s.limits.bytes-s.blockedBytes
	if p.crowded && !crowded {
		crowded = 2*p.blocked >= s.limits.records-s.blocked || 2*p.blockedBytes >= s.limits.bytes-s.blockedBytes
	}
	crowded = crowded && p.blocked > 0
	if crowded == p.crowded {
		return false
	}
	p.crowded = crowded
	return true
}

// roomLocked says how many records may be fetched now.
func (s *scheduler) roomLocked() int {
	free := s.limits.records - s.inFlight
	freeBytes := s.limits.bytes - s.bytes
	if s.closed || s.gated > 0 || free <= 0 || freeBytes <= 0 {
		return 0
	}
	if s.pause != nil {
		// One record that was not tried yet, for a probe that is not the record
		// which fails.
		if s.ready.size == 0 && s.pause.probe == nil {
			return 1
		}
		return 0
	}
	// A poll has its price: not for a few records while the workers have plenty.
	if runnable := s.inFlight - s.blocked; runnable > s.limits.records/4 && free < s.limits.records/2 {
		return 0
	}
	return int(min(int64(free), freeBytes/max(s.size, 1)+1))
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
			return burials, next // The next probe is due when this one has ended, not before.
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
	s.buried++
	v.fetch = s.completeLocked(it) || v.fetch
	s.wakeLocked()
	return v
}

func (s *scheduler) closeLocked() {
	s.closed = true
	s.work.Broadcast()
}

// token puts a token into a channel with room for one.
func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// earlier returns the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
