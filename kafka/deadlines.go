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
	timeout time.Duration // negative: none

	mu          sync.Mutex
	first, last *publication
	timer       *time.Timer
	armed       bool
}

func (d *deadlines) add(p *publication) {
	if d.timeout <= 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p.due, p.listed = time.Now().Add(d.timeout), true
	if p.previous = d.last; d.last == nil {
		d.first = p
	} else {
		d.last.next = p
	}
	d.last = p
	if !d.armed {
		d.arm(d.timeout)
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

func (d *deadlines) arm(after time.Duration) {
	d.armed = true
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
		d.arm(d.first.due.Sub(now))
	}
}
