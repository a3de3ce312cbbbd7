package kafka

import (
	"sync"
	"time"
)

// deadlines ends the calls of a producer whose delivery timeout is over: the client
// looks at its own only now and then. All have the same timeout and so end in the
// order in which they began, and one timer serves them all. A timer for each call
// would wake a thread for nearly each of them, only to tell it when to wake up.
type deadlines struct {
	mu          sync.Mutex
	first, last *publication
	timer       *time.Timer
	armed       bool
	at          time.Time // when the timer fires, if armed
}

// add ends the call at its due time.
func (d *deadlines) add(p *publication, due time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.due, p.listed = due, true
	d.link(p, d.last)
	if !d.armed || due.Before(d.at) {
		d.arm(due, time.Until(due))
	}
}

// link puts the call behind the last one that is not due after it: nearly always
// that is the last of all. One that was published again counts from its beginning.
func (d *deadlines) link(p, before *publication) {
	for before != nil && before.due.After(p.due) {
		before = before.previous
	}
	p.previous, p.next = before, d.first
	if before != nil {
		p.next, before.next = before.next, p
	} else {
		d.first = p
	}
	if p.next != nil {
		p.next.previous = p
	} else {
		d.last = p
	}
}

// remove leaves the timer as it is: the next call needs it again.
func (d *deadlines) remove(p *publication) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unlink(p)
}

func (d *deadlines) unlink(p *publication) {
	if !p.listed {
		return
	}
	if p.previous == nil {
		d.first = p.next
	} else {
		p.previous.next = p.next
	}
	if p.next == nil {
		d.last = p.previous
	} else {
		p.next.previous = p.previous
	}
	p.previous, p.next, p.listed = nil, nil, false
}

func (d *deadlines) arm(at time.Time, after time.Duration) {
	d.armed, d.at = true, at
	if d.timer == nil {
		d.timer = time.AfterFunc(after, d.expire)
		return
	}
	d.timer.Reset(after)
}

func (d *deadlines) expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for d.first != nil && !d.first.due.After(now) {
		late := d.first
		d.unlink(late)
		late.expire()
	}
	if d.armed = d.first != nil; d.armed {
		d.arm(d.first.due, d.first.due.Sub(now))
	}
}
