package kafka

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// publication is the state of one call of Publish. It has no lock: the call writes
// what a record is before the client gets it, and reads an outcome after done.
type publication struct {
	results []result
	open    atomic.Int64  // records that are not settled
	enough  atomic.Int64  // the call waits until so few are open
	changed chan struct{} // one token: that was reached, or the delivery timeout is over
	late    atomic.Bool   // the delivery timeout is over
	one     [1]result     // the results of most calls

	// Of deadlines, under its lock:
	due            time.Time
	previous, next *publication
	listed         bool
}

// result is what became of a record.
type result struct {
	sent *kgo.Record // nil: the client was not given it
	err  error       // to be read when it is done
	done atomic.Bool
}

// begin returns the state for a call that began then. It is used again for another
// call later.
func (p *Producer) begin(records int, begun time.Time) *publication {
	pub, _ := p.calls.Get().(*publication)
	if pub == nil {
		pub = &publication{changed: make(chan struct{}, 1)}
	}
	pub.results = pub.one[:]
	if records > 1 {
		pub.results = make([]result, records)
	}
	if timeout := p.cfg.DeliveryTimeout; timeout > 0 {
		p.late.add(pub, begun.Add(timeout))
	}
	return pub
}

// end keeps the state for another call, unless a record may still be settled. What
// comes late of one that was is its token, and a token too many only makes a call
// look once more.
func (p *Producer) end(pub *publication) {
	p.late.remove(pub)
	if pub.late.Load() || pub.open.Load() != 0 {
		return
	}
	first := &pub.one[0]
	first.sent, first.err = nil, nil
	first.done.Store(false)
	pub.results = nil
	p.calls.Put(pub)
}

// expire ends the wait for what is not settled.
func (p *publication) expire() {
	p.late.Store(true)
	token(p.changed)
}

// give hands record number i to the client.
func (p *publication) give(i int, s *sending) {
	p.results[i].sent = &s.record
	p.open.Add(1)
	s.call, s.number = p, i
	s.give()
}

// settle notes the outcome of record number i, which the client was given.
func (p *publication) settle(i int, err error) {
	p.results[i].settle(err)
	if p.open.Add(-1) <= p.enough.Load() {
		token(p.changed)
	}
}

func (r *result) settle(err error) {
	r.err = err
	r.done.Store(true)
}

// await waits until at most so many records are open, and reports whether that
// was reached before ctx or the delivery timeout ended.
func (p *publication) await(ctx context.Context, open int64) bool {
	// First what to wait for, then a look, while settle first counts and then looks: one
	// of the two sees the other.
	p.enough.Store(open)
	ended := ctx.Done()
	for p.open.Load() > open && !p.late.Load() {
		if ended == nil { // Waiting for one channel takes half as long as for two.
			<-p.changed
			continue
		}
		select {
		case <-p.changed:
		case <-ended:
			return false
		}
	}
	return p.open.Load() <= open
}
