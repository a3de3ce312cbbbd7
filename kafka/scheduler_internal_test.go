package kafka

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kgo"
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
	runs   []*modelRun
	graves []*item // whose dead letter is being written
}

// modelRun is a run in the hands of a worker, who is at record n.
type modelRun struct {
	*run
	n int
}

func (r *modelRun) atWork() *kgo.Record { return r.records[r.n] }

// modelPartition is the reference: what a broker and a patient reader know.
type modelPartition struct {
	tp        topicPartition
	log       []modelRecord // all records, by offset with gaps
	epoch     int32         // of the newest leader
	committed int64
	fetched   int // index of the next record to offer
	current   *partition
	draining  *partition
	done      map[int64]bool   // by offset, ever
	lastDone  map[string]int64 // by key, of this assignment
}

type modelRecord struct {
	offset int64
	epoch  int32
	key    string
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_000_000, 0)}
	records := 40
	if m.commitsFail() {
		records = 10 // The gate of what is not committed shuts soon.
	}
	m.s = newScheduler(limits{
		attempts: 3, retryFor: time.Hour, backoff: func(int) time.Duration { return time.Duration(m.rng.IntN(2000)) * time.Millisecond },
		records: records, bytes: 1000, ahead: 3 * records, probeFirst: time.Second, probeMax: 30 * time.Second, probeLate: 31 * time.Second,
	}, []float64{0.5, -1}[seed%2], []float64{0.5, -1}[seed/2%2])
	m.s.items = func(_ *partition, records []*kgo.Record) (items []*item) {
		for _, r := range records {
			items = append(items, m.item(r))
		}
		return items
	}
	for i := range 3 {
		p := &modelPartition{tp: topicPartition{"t", int32(i)}, done: map[int64]bool{}}
		offset := m.rng.Int64N(100)
		for range 200 {
			offset += 1 + m.rng.Int64N(3)
			p.log = append(p.log, modelRecord{offset, 0, fmt.Sprint(m.rng.IntN(6))})
		}
		p.committed = p.log[0].offset
		m.parts = append(m.parts, p)
		m.assign(p)
	}
	return m
}

// commitsFail is whether the model is one where most commits are not answered.
func (m *model) commitsFail() bool { return m.seed%3 == 0 }

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
		if m.rng.IntN(50) == 0 {
			m.now = m.now.Add(time.Minute) // A probe is late.
		}
		switch m.rng.IntN(16) {
		case 12:
			m.s.wakes.pace = []time.Duration{0, patience}[m.rng.IntN(2)]
		case 13, 14:
			m.work()
		case 15:
			m.s.lookLocked(m.now)
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
			switch m.rng.IntN(7) {
			case 6:
				m.elect(p)
			case 0:
				m.revoke(p)
			case 1, 2:
				m.fence(p)
			default:
				if !m.commitsFail() || m.rng.IntN(20) == 0 {
					m.commit(p)
				}
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
		if left == 0 && m.s.inFlight == 0 && len(m.hands)+len(m.runs) == 0 && len(m.graves) == 0 {
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
		for len(m.runs) > 0 {
			m.goOn(0, failure{})
		}
		for len(m.graves) > 0 {
			m.bury(0, nil)
		}
		m.check()
	}
	for _, p := range m.parts {
		if p.current.busy != 0 {
			m.fatalf("%d records of %v are busy", p.current.busy, p.tp)
		}
	}
	if m.s.bytes != 0 || m.s.blocked != 0 || m.s.blockedBytes != 0 || m.s.gated != 0 || m.s.wakes.handling != 0 {
		m.fatalf("left over: %d bytes, %d blocked, %d blocked bytes, %d gated, %d at work", m.s.bytes, m.s.blocked, m.s.blockedBytes, m.s.gated, m.s.wakes.handling)
	}
}

func (m *model) fetch() {
	room := m.s.roomLocked()
	for _, i := range m.rng.Perm(len(m.parts)) {
		p := m.parts[i]
		if p.current == nil || p.current.stuck || p.current.crowded || p.current.yields {
			continue
		}
		if m.s.laneLocked(p.current) {
			room -= m.fetchRun(p, min(room, 1+m.rng.IntN(maxRun)))
			continue
		}
		for ; room > 0 && p.fetched < len(p.log); room-- {
			r := p.log[p.fetched]
			it := m.item(p.record(r))
			if !m.s.offerLocked(m.s.parts[p.tp], it) && p.draining == nil {
				m.fatalf("offset %d of %v was refused", r.offset, p.tp)
			}
			if m.s.offerLocked(m.s.parts[p.tp], m.item(it.source)) {
				m.fatalf("offset %d of %v was taken twice", r.offset, p.tp)
			}
			p.fetched++
		}
	}
	select { // The poll looks again, and waits for a token if there is no room.
	case <-m.s.room:
	default:
	}
	m.s.full = m.s.roomLocked() == 0
}

// fetchRun offers a run, in which some records come twice.
func (m *model) fetchRun(p *modelPartition, n int) (taken int) {
	var records []*kgo.Record
	for ; taken < n && p.fetched < len(p.log); taken++ {
		records = append(records, p.record(p.log[p.fetched]))
		if m.rng.IntN(20) == 0 {
			records = append(records, records[m.rng.IntN(len(records))])
		}
		p.fetched++
	}
	if got := m.s.offerRunLocked(p.current, records); got != taken {
		m.fatalf("%d records of a run of %d were taken", got, taken)
	}
	return taken
}

func (p *modelPartition) record(r modelRecord) *kgo.Record {
	return &kgo.Record{Topic: p.tp.topic, Partition: p.tp.partition, Offset: r.offset, LeaderEpoch: r.epoch, Key: []byte(r.key), Value: make([]byte, 10-len(r.key))}
}

func (m *model) item(r *kgo.Record) *item {
	it := &item{source: r, size: 10, hash: m.s.hash(r.Key)}
	it.delivery.Record = recordOf(r)
	return it
}

func (m *model) hand() bool {
	defer m.s.hungerLocked()
	if r := m.s.pickRunLocked(); r != nil {
		m.begins(r.part, r.records[0])
		m.runs = append(m.runs, &modelRun{run: r})
		return true
	}
	it := m.s.pickLocked(m.now)
	if it == nil {
		return false
	}
	it.tries++
	m.begins(it.part, it.source)
	m.hands = append(m.hands, it)
	return true
}

// begins checks that the record may be handled now.
func (m *model) begins(p *partition, r *kgo.Record) {
	for _, other := range append(m.hands, m.graves...) {
		if other.part == p && string(other.delivery.Key) == string(r.Key) {
			m.fatalf("key %s of %v is handed out twice at a time", r.Key, p.topicPartition)
		}
	}
	for _, other := range m.runs {
		if other.part == p && (string(other.atWork().Key) == string(r.Key) || other.current == nil) {
			m.fatalf("offset %d of %v is handed out beside %d of a run", r.Offset, p.topicPartition, other.atWork().Offset)
		}
	}
	if p.revoked {
		m.fatalf("a record of the revoked %v is handed out", p.topicPartition)
	}
	if last, ok := m.parts[p.partition].lastDone[string(r.Key)]; ok && r.Offset <= last {
		m.fatalf("offset %d of key %s is handed out after %d", r.Offset, r.Key, last)
	}
}

// work lets a worker go on with its run.
func (m *model) work() {
	if len(m.runs) > 0 {
		m.goOn(m.rng.IntN(len(m.runs)), m.outcome())
	}
}

func (m *model) goOn(i int, f failure) {
	r := m.runs[i]
	p, record := m.parts[r.part.partition], r.atWork()
	if f.err == nil && r.n+1 < len(r.records) && r.begin(r.n+1) {
		m.done(p, r.part, record)
		m.runs = append(m.runs[:i:i], m.runs[i+1:]...)
		m.begins(r.part, r.records[r.n+1])
		r.n++
		m.runs = append(m.runs, r)
		return
	}
	m.runs = append(m.runs[:i:i], m.runs[i+1:]...)
	fenced := r.part.fenced
	it, v := m.s.finishRunLocked(r.run, f, m.now)
	if it != nil && it.source != record {
		m.fatalf("offset %d was at work, and %d is taken back", record.Offset, it.source.Offset)
	}
	m.judge(v, r.part, record, it, f, fenced)
}

func (m *model) finish() {
	if len(m.hands) == 0 {
		return
	}
	m.give(m.rng.IntN(len(m.hands)), m.outcome())
}

func (m *model) outcome() (f failure) {
	switch m.rng.IntN(8) {
	case 0:
		f = failure{err: errors.InvalidArgument, redelivery: errors.RedeliverNever}
	case 1:
		f = failure{err: errors.Aborted, redelivery: errors.RedeliverLimited}
	case 2, 3:
		f = failure{err: errors.Unavailable, redelivery: errors.RedeliverOutage}
	}
	return f
}

func (m *model) give(i int, f failure) {
	it := m.hands[i]
	m.hands = append(m.hands[:i:i], m.hands[i+1:]...)
	fenced := it.part.fenced
	m.judge(m.s.finishLocked(it, f, m.now), it.part, it.source, it, f, fenced)
}

// judge checks what became of a record, and what is to be done with it.
func (m *model) judge(v verdict, p *partition, r *kgo.Record, it *item, f failure, fenced bool) {
	switch v.action {
	case actDone:
		if f.err != nil || fenced {
			m.fatalf("a record is done that is not")
		}
		m.done(m.parts[p.partition], p, r)
	case actBury:
		m.graves = append(m.graves, it)
	case actForget:
		if !p.revoked {
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
		m.done(m.parts[it.part.partition], it.part, it.source)
	}
}

// elect cuts the log off somewhere behind what is done: a new leader has other records
// there, some of them of other keys, and the first of them comes at once: until then nobody
// here could know.
func (m *model) elect(p *modelPartition) {
	if p.current == nil || p.fetched == 0 || m.s.roomLocked() == 0 {
		return
	}
	p.epoch++
	from := m.rng.IntN(p.fetched)
	for i := from; i < len(p.log); i++ {
		r := &p.log[i]
		r.epoch, r.key = p.epoch, fmt.Sprint(m.rng.IntN(6))
		delete(p.done, r.offset)
	}
	at := p.log[from].offset
	p.committed, p.fetched = min(p.committed, at), from+1
	taken := false
	if first := p.record(p.log[from]); m.s.laneLocked(p.current) {
		taken = m.s.offerRunLocked(p.current, []*kgo.Record{first}) == 1
	} else {
		taken = m.s.offerLocked(p.current, m.item(first))
	}
	if !taken {
		m.fatalf("offset %d of a new leader of %v was refused", at, p.tp)
	}
	for key, last := range p.lastDone {
		p.lastDone[key] = min(last, at-1)
	}
}

// done notes a record, unless the log has another one in its place by now.
func (m *model) done(p *modelPartition, of *partition, r *kgo.Record) {
	if i := slices.IndexFunc(p.log, func(now modelRecord) bool { return now.offset == r.Offset }); p.log[i].epoch != r.LeaderEpoch {
		return
	}
	p.done[r.Offset] = true
	if p.current == of {
		p.lastDone[string(r.Key)] = r.Offset
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
	if m.s.roomLocked() > 0 {
		token(m.s.room)
	}
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
	dealt := map[*partition]int{}
	for sl := range m.s.slots.all {
		n := 0
		for it := sl.first; it != nil; it = it.next {
			n++
		}
		if n != sl.records {
			m.fatalf("slot holds %d records, counts %d", n, sl.records)
		}
		records += n
		dealt[sl.part] += n
		behind += n - 1
		if sl.blocked {
			blocked += n
		}
	}
	records += m.checkLanes(dealt)
	if records != m.s.inFlight || blocked != m.s.blocked || m.s.inFlight > m.s.limits.records {
		m.fatalf("%d records in slots, %d in flight; %d blocked, counted %d", records, m.s.inFlight, blocked, m.s.blocked)
	}
	m.checkYielding()
	if m.s.full && m.s.roomLocked() > 0 && len(m.s.room) == 0 {
		m.fatalf("there is room for %d, and nobody wakes the poll: %d in flight, %d ready", m.s.roomLocked(), m.s.inFlight, m.s.ready.size)
	}
	gated := 0
	for _, p := range m.s.parts {
		if p.gated {
			gated++
		}
	}
	if gated != m.s.gated {
		m.fatalf("%d partitions wait for a commit, counted %d", gated, m.s.gated)
	}
	if behind != m.s.behind || behind*10 != int(m.s.behindBytes) {
		m.fatalf("%d records behind another, counted %d, %d bytes", behind, m.s.behind, m.s.behindBytes)
	}
}

// checkLanes counts the records of runs.
func (m *model) checkLanes(dealt map[*partition]int) (records int) {
	queued, running := 0, 0
	for _, mp := range m.parts {
		for _, p := range []*partition{mp.current, mp.draining} {
			if p == nil {
				continue
			}
			for _, r := range p.lane.runs {
				queued += len(r.records)
			}
			if r := p.lane.hands; r != nil {
				running++
				records += len(r.records)
			}
			if p.dealt != dealt[p] {
				m.fatalf("%v: %d records dealt, counted %d", p.topicPartition, dealt[p], p.dealt)
			}
			if p.lane.active() && (p.dealt > 0 || p.revoked || m.s.pause != nil) {
				m.fatalf("%v has a lane: %d dealt, revoked %v, pause %v", p.topicPartition, p.dealt, p.revoked, m.s.pause)
			}
		}
	}
	if queued != m.s.queued || running != len(m.s.running) {
		m.fatalf("%d records queued in runs, counted %d; %d runs at work, counted %d", queued, m.s.queued, running, len(m.s.running))
	}
	return records + queued
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
