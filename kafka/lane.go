package kafka

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// lane takes the records of one partition to the workers in the order of the log, many
// at a time, while handlers take next to no time: to deal each record by its key, with
// an item and a slot of its own, then costs several times what the handler takes, and
// one worker is enough for a partition. The order of the log is the order of every key.
//
// A lane holds all that is in flight of its partition, or nothing. As soon as a record
// fails, a run takes long, handlers do on average, a handler's time is over, the consumer
// pauses or the partition is revoked, it is broken up: the record at work becomes an item
// in its worker's hands, and what was not begun is dealt by key, as if there had been no
// lane. What a run has done counts when it ends or is broken up.
type lane struct {
	slot  slot   // its place in the queue of what is ready
	runs  []*run // to be handled, in their order
	hands *run   // in the hands of a worker
}

func (l *lane) active() bool { return l.hands != nil || len(l.runs) > 0 }

// run is a stretch of a partition's records that one worker handles, first to last.
type run struct {
	part    *partition
	records []*kgo.Record
	seq     int64 // of the first, in the tracker
	// progress has how many records were begun in its upper half, and how many may be in
	// its lower one. The worker raises the former without the scheduler's mutex; who
	// breaks the run up lowers the latter to it.
	progress   atomic.Uint64
	deliveries [maxRun / runChunk][]delivery // of those that were begun
	settled    int                           // records that are complete
	current    *item                         // the first that is not, which was at work when it was broken up
	looked     bool                          // the clock has seen it
}

const (
	// runChunk deliveries share an allocation, and live as long as the last of them: so many
	// of 168 bytes fill one of 4 KiB.
	runChunk = 24
	maxRun   = 3 * runChunk
)

// begin lets the worker handle record number i, unless the run was broken up.
func (r *run) begin(i int) bool {
	for {
		before := r.progress.Load()
		if uint64(i) >= before&0xffffffff {
			return false
		}
		if r.progress.CompareAndSwap(before, uint64(i+1)<<32|before&0xffffffff) {
			return true
		}
	}
}

// stop lets no more records begin, and says how many were begun.
func (r *run) stop() int {
	for {
		before := r.progress.Load()
		if r.progress.CompareAndSwap(before, before>>32<<32|before>>32) {
			return int(before >> 32)
		}
	}
}

// begun is how many records were.
func (r *run) begun() int { return int(r.progress.Load() >> 32) }

// delivery is that of record number i.
func (r *run) delivery(i int) *delivery { return &r.deliveries[i/runChunk][i%runChunk] }

// laneLocked reports whether records of the partition are to be taken into flight as a
// run.
func (s *scheduler) laneLocked(p *partition) bool { return s.hastyLocked() && p.laned() }

// hastyLocked reports whether handlers take next to no time.
func (s *scheduler) hastyLocked() bool { return s.pause == nil && s.wakes.pace < fast }

// laned reports whether the partition has a lane, or may have one.
func (p *partition) laned() bool {
	return p.retry == nil && !p.revoked && (p.lane.active() || p.dealt == 0)
}

// offerRunLocked takes records into flight, and says how many. Those that are in flight
// or done already it leaves out.
func (s *scheduler) offerRunLocked(p *partition, records []*kgo.Record) (taken int) {
	r := &run{part: p, records: records}
	for i, record := range records {
		seq, ok := p.tracker.add(record.Offset, record.LeaderEpoch)
		if !ok {
			if taken == i {
				r.records = slices.Clone(records[:i])
			}
			continue
		}
		if taken == 0 {
			r.seq = seq
		}
		if taken < i {
			r.records = append(r.records, record)
		}
		taken++
		s.countLocked(recordSize(record))
	}
	if taken == 0 {
		return 0
	}
	l := &p.lane
	l.runs = append(l.runs, r)
	s.queued += taken
	if l.hands == nil && len(l.runs) == 1 {
		p.gather = gathering{}
		l.slot = slot{part: p, lane: true}
		s.ready.push(&l.slot)
	}
	return taken
}

// pickRunLocked returns the run that is next in turn, nil if something else is.
func (s *scheduler) pickRunLocked() *run {
	if !s.ready.lane() {
		return nil
	}
	p := s.ready.pop().part
	l := &p.lane
	r := l.runs[0]
	l.runs[0] = nil // A lane keeps nothing of what it had.
	l.runs, l.hands = l.runs[1:], r
	r.progress.Store(uint64(len(r.records)))
	r.begin(0)
	p.busy++
	s.queued -= len(r.records)
	s.wakes.handling++
	s.running = append(s.running, r)
	s.watchLocked()
	return r
}

// finishRunLocked takes a run back from its worker, who handled what began and failed
// at the last of those, or did not. It returns that record where the verdict is about it.
func (s *scheduler) finishRunLocked(r *run, f failure, now time.Time) (*item, verdict) {
	if r.current == nil && f.err != nil {
		s.breakUpLocked(r.part, now)
	}
	if r.current != nil {
		return r.current, s.finishLocked(r.current, f, now)
	}
	p, l := r.part, &r.part.lane
	s.settleLocked(r, len(r.records), now)
	s.leaveRunLocked(r)
	s.wakes.handling--
	s.idlePartition(p)
	var v verdict
	s.movedLocked(p, &v)
	switch {
	case len(l.runs) == 0:
	case s.hastyLocked():
		s.ready.push(&l.slot)
	default:
		s.breakUpLocked(p, now)
	}
	if s.roomLocked() > 0 {
		token(s.room)
	}
	return nil, v
}

// leaveRunLocked takes the run off the lane.
func (s *scheduler) leaveRunLocked(r *run) {
	r.part.lane.hands = nil
	s.running = slices.DeleteFunc(s.running, func(other *run) bool { return other == r })
}

// settleLocked completes the first n records of a run.
func (s *scheduler) settleLocked(r *run, n int, now time.Time) {
	for i := range n {
		r.part.tracker.complete(r.seq + int64(i))
		size := recordSize(r.records[i])
		s.inFlight--
		s.bytes -= size
		s.handled++
		s.health.success(now)
		s.flood.record(false)
	}
	r.settled = n
}

// breakUpLocked makes items of what the partition's lane holds, and deals them by key.
func (s *scheduler) breakUpLocked(p *partition, now time.Time) {
	l := &p.lane
	if !l.active() {
		return
	}
	if r := l.hands; r != nil {
		begun := r.stop()
		s.settleLocked(r, begun-1, now)
		s.leaveRunLocked(r)
		for i, it := range s.itemsOf(r, begun-1) {
			if i == 0 {
				it.tries, it.inHands = 1, true
				r.current = it
			}
			s.dealLocked(p, it)
		}
	} else {
		s.ready.keep(func(sl *slot) bool { return sl != &l.slot })
	}
	for _, r := range l.runs {
		s.queued -= len(r.records)
		for _, it := range s.itemsOf(r, 0) {
			s.dealLocked(p, it)
		}
	}
	l.runs = nil
	// What is complete behind a record that is not, because the log has lost it, is less than
	// what may be in flight: the partition is no more stuck than before, and the verdict says nothing.
	s.movedLocked(p, new(verdict))
	if s.roomLocked() > 0 {
		token(s.room) // What is dealt behind one key leaves the others with nothing to do.
	}
}

// breakAllUpLocked leaves no lanes.
func (s *scheduler) breakAllUpLocked(now time.Time) {
	for _, p := range s.parts {
		s.breakUpLocked(p, now)
	}
}

// itemsOf makes items of a run's records from number i on.
func (s *scheduler) itemsOf(r *run, i int) []*item {
	items := s.items(r.part, r.records[i:])
	for n, it := range items {
		it.part, it.seq = r.part, r.seq+int64(i+n)
	}
	return items
}
