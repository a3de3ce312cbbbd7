package kafka

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// TestSchedulerModel drives a scheduler at random, with workers, failures, dead
// letters, rebalances and late completions, and checks after every step what it
// promises: order per key, no record lost, none twice at a time, no offset beyond
// an incomplete one, no mark moved by a former assignment, bounds kept.
func TestSchedulerModel(t *testing.T) {
	for seed := range uint64(400) {
		newModel(t, seed).run(600)
	}
}

type model struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	s      *scheduler
	now    time.Time
	parts  []*modelPartition
	hands  []*item // in the hands of workers
	graves []*item // whose dead letter is being written
}

// modelPartition is the reference: what a broker and a patient reader know.
type modelPartition struct {
	tp        topicPartition
	log       []modelRecord // all records, by offset with gaps
	committed int64
	fetched   int // index of the next record to offer
	current   *partition
	draining  *partition
	done      map[int64]bool   // by offset, ever
	lastDone  map[string]int64 // by key, of this assignment
}

type modelRecord struct {
	offset int64
	key    string
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_000_000, 0)}
	m.s = newScheduler(limits{
		attempts: 3, retryFor: time.Hour, backoff: func(int) time.Duration { return time.Duration(m.rng.IntN(2000)) * time.Millisecond },
		records: 40, bytes: 1000, ahead: 120, probeFirst: time.Second, probeMax: 30 * time.Second,
	}, []float64{0.5, -1}[seed%2], []float64{0.5, -1}[seed/2%2])
	for i := range 3 {
		p := &modelPartition{tp: topicPartition{"t", int32(i)}, done: map[int64]bool{}}
		offset := m.rng.Int64N(100)
		for range 200 {
			offset += 1 + m.rng.Int64N(3)
			p.log = append(p.log, modelRecord{offset, fmt.Sprint(m.rng.IntN(6))})
		}
		p.committed = p.log[0].offset
		m.parts = append(m.parts, p)
		m.assign(p)
	}
	return m
}

func (m *model) fatalf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("seed %d: "+format, append([]any{m.seed}, args...)...)
}

func (m *model) assign(p *modelPartition) {
	m.s.assign(p.tp, nil)
	p.current, p.lastDone = m.s.parts[p.tp], map[string]int64{}
	p.fetched = 0
	for p.fetched < len(p.log) && p.log[p.fetched].offset < p.committed {
		p.fetched++
	}
}

func (m *model) run(steps int) {
	for range steps {
		m.now = m.now.Add(time.Duration(m.rng.IntN(300)) * time.Millisecond)
		switch m.rng.IntN(12) {
		case 0, 1, 2:
			m.fetch()
		case 3, 4, 5:
			m.hand()
		case 6, 7, 8:
			m.finish()
		case 9:
			m.write()
		case 10:
			m.tick()
		case 11:
			p := m.parts[m.rng.IntN(len(m.parts))]
			switch m.rng.IntN(6) {
			case 0:
				m.revoke(p)
			case 1, 2:
				m.fence(p)
			default:
				m.commit(p)
			}
		}
		m.check()
	}
	m.drain()
}

// drain lets everything succeed, and wants every record done.
func (m *model) drain() {
	for round := 0; ; round++ {
		left := 0
		for _, p := range m.parts {
			m.fence(p)
			m.commit(p)
			for _, r := range p.log {
				if !p.done[r.offset] {
					left++
				}
			}
		}
		if left == 0 && m.s.inFlight == 0 && len(m.hands) == 0 && len(m.graves) == 0 {
			break
		}
		if round > 5000 {
			m.fatalf("%d records are left, %d in flight, %d blocked, pause %+v", left, m.s.inFlight, m.s.blocked, m.s.pause)
		}
		m.now = m.now.Add(time.Second)
		m.tick()
		m.fetch()
		for m.hand() {
		}
		for len(m.hands) > 0 {
			m.give(0, failure{})
		}
		for len(m.graves) > 0 {
			m.bury(0, nil)
		}
		m.check()
	}
	if m.s.bytes != 0 || m.s.blocked != 0 || m.s.blockedBytes != 0 || m.s.gated != 0 {
		m.fatalf("left over: %d bytes, %d blocked, %d blocked bytes, %d gated", m.s.bytes, m.s.blocked, m.s.blockedBytes, m.s.gated)
	}
}

func (m *model) fetch() {
	room := m.s.roomLocked()
	for _, i := range m.rng.Perm(len(m.parts)) {
		p := m.parts[i]
		if p.current == nil || p.current.stuck || p.current.crowded || p.current.yields {
			continue
		}
		for ; room > 0 && p.fetched < len(p.log); room-- {
			r := p.log[p.fetched]
			it := &item{size: 10, hash: m.s.hash([]byte(r.key))}
			it.delivery.Record = Record{Topic: p.tp.topic, Partition: p.tp.partition, Offset: r.offset, Key: []byte(r.key)}
			if !m.s.offerLocked(m.s.parts[p.tp], it) && p.draining == nil {
				m.fatalf("offset %d of %v was refused", r.offset, p.tp)
			}
			if m.s.offerLocked(m.s.parts[p.tp], &item{size: 10, hash: it.hash, delivery: delivery{Record: it.delivery.Record}}) {
				m.fatalf("offset %d of %v was taken twice", r.offset, p.tp)
			}
			p.fetched++
		}
	}
}

func (m *model) hand() bool {
	it := m.s.pickLocked(m.now)
	if it == nil {
		return false
	}
	it.tries++
	for _, other := range append(m.hands, m.graves...) {
		if other.part == it.part && string(other.delivery.Key) == string(it.delivery.Key) {
			m.fatalf("key %s of %v is handed out twice at a time", it.delivery.Key, it.part.topicPartition)
		}
	}
	if it.part.revoked {
		m.fatalf("a record of the revoked %v is handed out", it.part.topicPartition)
	}
	p := m.parts[it.part.partition]
	if last, ok := p.lastDone[string(it.delivery.Key)]; ok && it.delivery.Offset <= last {
		m.fatalf("offset %d of key %s is handed out after %d", it.delivery.Offset, it.delivery.Key, last)
	}
	m.hands = append(m.hands, it)
	return true
}

func (m *model) finish() {
	if len(m.hands) == 0 {
		return
	}
	f := failure{}
	switch m.rng.IntN(8) {
	case 0:
		f = failure{err: errors.InvalidArgument, redelivery: errors.RedeliverNever}
	case 1:
		f = failure{err: errors.Aborted, redelivery: errors.RedeliverLimited}
	case 2, 3:
		f = failure{err: errors.Unavailable, redelivery: errors.RedeliverOutage}
	}
	m.give(m.rng.IntN(len(m.hands)), f)
}

func (m *model) give(i int, f failure) {
	it := m.hands[i]
	m.hands = append(m.hands[:i:i], m.hands[i+1:]...)
	fenced, p := it.part.fenced, m.parts[it.part.partition]
	v := m.s.finishLocked(it, f, m.now)
	switch v.action {
	case actDone:
		if f.err != nil || fenced {
			m.fatalf("a record is done that is not")
		}
		m.done(p, it)
	case actBury:
		m.graves = append(m.graves, it)
	case actForget:
		if !it.part.revoked {
			m.fatalf("a record is forgotten that was not revoked")
		}
	}
}

func (m *model) write() {
	if len(m.graves) == 0 {
		return
	}
	var err error
	if m.rng.IntN(4) == 0 {
		err = errors.Unavailable
	}
	m.bury(m.rng.IntN(len(m.graves)), err)
}

func (m *model) bury(i int, err error) {
	it := m.graves[i]
	m.graves = append(m.graves[:i:i], m.graves[i+1:]...)
	v := m.s.buriedLocked(it, err, time.Second, m.now)
	if err == nil && v.action == actDone && !it.part.fenced {
		m.done(m.parts[it.part.partition], it)
	}
}

func (m *model) done(p *modelPartition, it *item) {
	p.done[it.delivery.Offset] = true
	if p.current == it.part {
		p.lastDone[string(it.delivery.Key)] = it.delivery.Offset
	}
}

func (m *model) tick() {
	burials, _ := m.s.tickLocked(m.now)
	m.graves = append(m.graves, burials...)
}

func (m *model) revoke(p *modelPartition) {
	if p.draining != nil {
		return
	}
	lost := m.s.revokeLocked([]topicPartition{p.tp})
	if len(lost) != 1 {
		m.fatalf("%d partitions revoked", len(lost))
	}
	p.draining, p.current = lost[0], nil
}

// fence ends a revoke, and the partition comes back at what was committed.
func (m *model) fence(p *modelPartition) {
	if p.draining == nil {
		return
	}
	if offset, _, ok := p.draining.tracker.uncommitted(); ok {
		p.committed = offset
	}
	m.s.fenceLocked([]*partition{p.draining})
	p.draining = nil
	m.assign(p)
}

func (m *model) commit(p *modelPartition) {
	if p.current == nil {
		return
	}
	offset, _, ok := p.current.tracker.uncommitted()
	if !ok {
		return
	}
	if offset < p.committed {
		m.fatalf("%v is set back from %d to %d", p.tp, p.committed, offset)
	}
	p.committed = offset
	m.s.committedLocked(p.current, offset)
}

func (m *model) check() {
	for _, p := range m.parts {
		for _, r := range p.log {
			if r.offset < p.committed && !p.done[r.offset] {
				m.fatalf("%v: %d is committed, offset %d is not done", p.tp, p.committed, r.offset)
			}
		}
		if p.current != nil && p.current.tracker.ahead() > m.s.limits.ahead {
			m.fatalf("%v: %d records ahead", p.tp, p.current.tracker.ahead())
		}
	}
	records, blocked, behind := 0, 0, 0
	for sl := range m.s.slots.all {
		n := 0
		for it := sl.first; it != nil; it = it.next {
			n++
		}
		if n != sl.records {
			m.fatalf("slot holds %d records, counts %d", n, sl.records)
		}
		records += n
		behind += n - 1
		if sl.blocked {
			blocked += n
		}
	}
	if records != m.s.inFlight || blocked != m.s.blocked || m.s.inFlight > m.s.limits.records {
		m.fatalf("%d records in slots, %d in flight; %d blocked, counted %d", records, m.s.inFlight, blocked, m.s.blocked)
	}
	m.checkYielding()
	if behind != m.s.behind || behind*10 != int(m.s.behindBytes) {
		m.fatalf("%d records behind another, counted %d, %d bytes", behind, m.s.behind, m.s.behindBytes)
	}
}

// checkYielding wants exactly those partitions to yield that have to.
func (m *model) checkYielding() {
	listed := map[*partition]bool{}
	for _, p := range m.s.yielding.parts {
		if listed[p] || !p.yields {
			m.fatalf("%v is listed as yielding %d times, yields: %v", p.topicPartition, len(m.s.yielding.parts), p.yields)
		}
		listed[p] = true
	}
	for _, mp := range m.parts {
		for _, p := range []*partition{mp.current, mp.draining} {
			if p == nil {
				continue
			}
			if p.yields != listed[p] {
				m.fatalf("%v yields: %v, listed: %v", p.topicPartition, p.yields, listed[p])
			}
			room, bytes := m.s.limits.records-m.s.behind, m.s.limits.bytes-m.s.behindBytes
			if p.yields && 2*p.behind < room && 2*p.behindBytes < bytes {
				m.fatalf("%v yields with %d records behind others of %d", p.topicPartition, p.behind, m.s.behind)
			}
		}
	}
}
