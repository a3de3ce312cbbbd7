package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// publication is the state of one call of Publish.
type publication struct {
	mu      sync.Mutex
	results []result
	open    int
	changed chan struct{} // one token: a record was acknowledged or has failed
	late    bool          // the delivery timeout is over
	one     [1]result     // the results of most calls

	// Of deadlines, under its lock:
	due            time.Time
	previous, next *publication
	listed         bool
}

// begin returns the state for a call that waits so long. It is used again for
// another call later.
func (p *Producer) begin(records int, timeout time.Duration) *publication {
	pub, _ := p.calls.Get().(*publication)
	if pub == nil {
		pub = &publication{changed: make(chan struct{}, 1)}
	}
	pub.results = pub.one[:]
	if records > 1 {
		pub.results = make([]result, records)
	}
	p.late.add(pub)
	return pub
}

// end keeps the state for another call, unless a record may still be settled. What
// comes late of one that was is its token, and a token too many only makes a call
// look once more.
func (p *Producer) end(pub *publication) {
	p.late.remove(pub)
	if pub.late || pub.underWay() != 0 {
		return
	}
	pub.results, pub.one[0] = nil, result{}
	p.calls.Put(pub)
}

// expire ends the wait for what is not settled.
func (p *publication) expire() {
	p.mu.Lock()
	p.late = true
	p.mu.Unlock()
	token(p.changed)
}

type result struct {
	sent *kgo.Record
	done bool
	err  error
}

func (p *publication) begin(i int, sent *kgo.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.results[i].sent = sent
	p.open++
}

func (p *publication) settle(i int, err error) {
	p.mu.Lock()
	p.results[i].done, p.results[i].err = true, err
	p.open--
	p.mu.Unlock()
	token(p.changed)
}

// underWay counts the records that are not settled.
func (p *publication) underWay() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// await waits until at most so many records are open, and reports whether that
// was reached before ctx or the delivery timeout ended. The outcome of a record may be here before its
// begin: then open is below zero for a moment.
func (p *publication) await(ctx context.Context, open int) bool {
	for {
		p.mu.Lock()
		reached, late := p.open <= open, p.late
		p.mu.Unlock()
		if reached || late {
			return reached
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
			return false
		}
	}
}
