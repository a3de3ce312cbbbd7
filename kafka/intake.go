package kafka

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// intake holds what was fetched and is not in flight yet. The client fetches
// again only when all that it fetched was taken from it: so all of it is taken at
// once, and waits here while the next fetch is under way. The partitions take
// turns.
//
// More of a partition that has records here joins them: behind them in the queue
// it would overtake them, since they take turns, and the tracker takes an offset
// that comes after a later one for one that it has seen.
//
// A record in the intake has not begun: when its partition is revoked it is
// dropped, and when the partition is to wait, it waits with it. Where that becomes
// too much, the partition's fetching is paused until half of it is gone. The intake
// belongs to the goroutine that polls; methods whose name ends in Locked read
// the state of partitions and want the scheduler's mutex to be held.
type intake struct {
	queue []*fetched
	held  map[*partition]*fetched // what is in the queue
	bytes int64
	// changed says that other partitions are to be fetched than before.
	changed bool
	// due is when the first record is that waits for its time; zero: none does.
	due time.Time
	now time.Time // of the look at it; zero before the first record that may have to wait
	// hasty says that partitions may have lanes, gathering that one is to have it soon.
	hasty, gathering bool
	// cut are the partitions to be read again.
	cut []*partition
}

// fetched are records of one partition, under one assignment, as they were fetched:
// to append one fetch to another would copy both.
type fetched struct {
	part    *partition
	fetches [][]*kgo.Record
	records int

	due   time.Time   // of the first record, where it is one of a retry topic
	dueOf *kgo.Record // the record that due was found for
}

// take returns the next records, at most n.
func (f *fetched) take(n int) []*kgo.Record {
	first := f.fetches[0]
	n = min(n, len(first))
	if f.fetches[0] = first[n:]; n == len(first) {
		f.fetches = f.fetches[1:]
	}
	f.records -= n
	return first[:n:n]
}

// itemChunk is how many records of a partition are dealt by key at a time. They share an
// allocation: so many items of 248 bytes fill one of 4 KiB, which has a header.
const itemChunk = 16

// hoard is how many records of a partition may wait in the intake for those of the
// partition in flight while the others are asked for more.
const hoard = 8192

func (in *intake) add(p *partition, records []*kgo.Record) {
	if len(records) == 0 {
		return
	}
	for _, r := range records {
		in.bytes += recordSize(r)
	}
	if f := in.held[p]; f != nil {
		f.fetches = append(f.fetches, records)
		f.records += len(records)
		return
	}
	f := &fetched{part: p, fetches: [][]*kgo.Record{records}, records: len(records)}
	in.queue = append(in.queue, f)
	if in.held == nil {
		in.held = map[*partition]*fetched{}
	}
	in.held[p] = f
}

// takeLocked returns records of the partition whose turn it is, at most room;
// none if there are none that may be handled.
func (in *intake) takeLocked(room int) (*partition, []*kgo.Record) {
	if room == 0 {
		return nil, nil
	}
	in.due, in.now, in.gathering = time.Time{}, time.Time{}, false
	for range len(in.queue) {
		f := in.queue[0]
		in.queue = in.queue[1:]
		switch {
		case f.part.revoked:
			for _, records := range f.fetches {
				in.drop(records)
			}
			delete(in.held, f.part)
		case f.part.waits():
			in.queue = append(in.queue, f)
		case in.undue(f), in.gathers(f.part):
			in.queue = append(in.queue, f)
		default:
			n := itemChunk
			if in.hasty && f.part.laned() {
				n = maxRun
			}
			run := f.take(f.dueLater(min(room, n), in.now))
			in.drop(run)
			if f.records > 0 {
				in.queue = append(in.queue, f)
			} else {
				delete(in.held, f.part)
				if f.part.cut {
					in.cut = append(in.cut, f.part)
				}
			}
			if f.part.hoards && !f.part.cut && f.records <= hoard/2 {
				f.part.hoards, in.changed = false, true
			}
			return f.part, run
		}
	}
	return nil, nil
}

// A partition whose records were dealt by key has a lane again only when none of them is
// in flight. While others come behind them that would hardly ever be, so for that it is
// kept from the workers for a moment, now and then: until gatherFor has passed in which
// none of them was done, and at most for gatherMost.
const (
	gatherFor   = time.Millisecond
	gatherMost  = 20 * time.Millisecond
	gatherEvery = 100 * time.Millisecond
)

// gathering is how long a partition is kept from the workers.
type gathering struct {
	until time.Time // zero: it is not
	most  time.Time
	dealt int       // records that were left at the last look
	next  time.Time // not again before
}

// gathers reports whether the partition is kept from the workers, and notes until when.
func (in *intake) gathers(p *partition) bool {
	g := &p.gather
	if !in.hasty || p.retry != nil || p.blocked > 0 || p.laned() {
		g.until = time.Time{}
		return false
	}
	in.look()
	switch {
	case g.until.IsZero() && in.now.Before(g.next):
		return false
	case g.until.IsZero():
		g.most = in.now.Add(gatherMost)
	case p.dealt < g.dealt && in.now.Before(g.most):
	case in.now.Before(g.until):
		in.due, in.gathering = earlier(in.due, g.until), true
		return true
	default:
		g.until, g.next = time.Time{}, in.now.Add(gatherEvery)
		return false
	}
	g.until, g.dealt = in.now.Add(gatherFor), p.dealt
	in.due, in.gathering = earlier(in.due, g.until), true
	return true
}

// crammed reports whether enough is here for the moment in which a partition gathers.
func (in *intake) crammed() bool { return in.gathering && in.bytes >= fetchMaxBytes }

// look reads the clock once for all partitions.
func (in *intake) look() {
	if in.now.IsZero() {
		in.now = time.Now()
	}
}

// readyLocked reports whether there is a record that may be handled.
func (in *intake) readyLocked() bool {
	in.now = time.Time{}
	for _, f := range in.queue {
		if !f.part.revoked && !f.part.waits() && !in.undue(f) && !in.gathers(f.part) {
			return true
		}
	}
	return false
}

// yieldingLocked reports whether there is a record that waits for those of its
// partition in flight.
func (in *intake) yieldingLocked() bool {
	return slices.ContainsFunc(in.queue, func(f *fetched) bool { return f.part.yields })
}

// hoardLocked has the fetching of the partition paused if too much of it waits.
func (in *intake) hoardLocked(p *partition) {
	if f := in.held[p]; f != nil && (p.yields || p.retry != nil) && !p.hoards && (f.records >= hoard || in.bytes >= fetchMaxBytes) {
		p.hoards, in.changed = true, true
	}
}

func (in *intake) drop(records []*kgo.Record) {
	for _, r := range records {
		in.bytes -= recordSize(r)
	}
}

func recordSize(r *kgo.Record) int64 {
	size := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return int64(size)
}

// offer takes records of a partition into flight.
func (c *Consumer) offer(p *partition, records []*kgo.Record) {
	s := c.sched
	taken := 0
	s.mu.Lock()
	if s.laneLocked(p) {
		taken = s.offerRunLocked(p, records)
	} else {
		s.mu.Unlock()
		made := c.newItems(p, records)
		s.mu.Lock()
		for _, it := range made {
			if s.offerLocked(p, it) {
				taken++
			}
		}
	}
	s.wakeLocked()
	s.mu.Unlock()
	if taken > 0 {
		c.metrics.consumed.Add(context.Background(), int64(taken), p.describe.topic...)
	}
}

// newItems copies records out of the client's batch; keys, values and header
// values still point into it. The items of a few records are one allocation, and live
// as long as the last of them.
func (c *Consumer) newItems(p *partition, records []*kgo.Record) []*item {
	items := make([]*item, 0, len(records))
	for few := range slices.Chunk(records, itemChunk) {
		made := make([]item, len(few))
		for i, r := range few {
			it := &made[i]
			it.source, it.size = r, recordSize(r)
			if it.hash = uint64(r.Offset); !c.cfg.Unordered { // Or else each has an order of its own.
				it.hash = c.sched.hash(r.Key)
			}
			it.delivery.from = c
			it.delivery.Record = p.recordOf(r)
			items = append(items, it)
		}
	}
	return items
}

// recordOf is what the handler gets of a record of the partition.
func (p *partition) recordOf(r *kgo.Record) Record {
	if p.retry != nil {
		return p.retry.original(recordOf(r))
	}
	return recordOf(r)
}

func recordOf(r *kgo.Record) Record {
	record := Record{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
		Key: r.Key, Value: r.Value, Timestamp: r.Timestamp,
	}
	if len(r.Headers) > 0 {
		record.Headers = make([]Header, len(r.Headers))
		for i, h := range r.Headers {
			record.Headers[i] = Header(h)
		}
	}
	return record
}
