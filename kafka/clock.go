package kafka

import (
	"context"
	"slices"
	"time"
)

// keepTime makes ready what is due and ends the contexts of handlers that take
// too long. One timer serves them all.
func (c *Consumer) keepTime(ctx context.Context) {
	s := c.sched
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		s.mu.Lock()
		burials, next := s.tickLocked(now)
		next = earlier(next, c.expireLocked(now))
		next = earlier(next, s.lookLocked(now))
		due, arrived := s.dueLocked(now)
		next = earlier(next, due)
		s.mu.Unlock()
		if arrived {
			c.polls.cut()
		}
		for _, it := range burials {
			c.bury(it)
		}
		if next.IsZero() {
			next = now.Add(time.Hour)
		}
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-s.clock:
		case <-ctx.Done():
			return
		}
	}
}

// watchLocked makes sure that the clock looks at the deadline. All handlers have
// the same timeout, so the first deadline that is noted is the earliest.
func (c *Consumer) watchLocked(deadline time.Time) {
	if c.nextDeadline.IsZero() {
		c.nextDeadline = deadline
		token(c.sched.clock)
	}
}

// expireLocked ends the contexts whose deadline has come and returns the next
// deadline, zero if there is none.
func (c *Consumer) expireLocked(now time.Time) time.Time {
	if c.nextDeadline.IsZero() || c.nextDeadline.After(now) {
		return c.nextDeadline
	}
	c.nextDeadline = time.Time{}
	for _, w := range c.workers {
		if r := w.run; r != nil && r.current == nil {
			if first := r.delivery(0).expiry(); first.After(now) { // So are those behind it.
				c.nextDeadline = earlier(c.nextDeadline, first)
				continue
			}
			c.sched.breakUpLocked(r.part, now) // Only then is known which record is at work.
		}
		switch d, _ := w.holdsLocked(); {
		case d == nil || d.session.Err() != nil:
		case d.expiry().After(now):
			c.nextDeadline = earlier(c.nextDeadline, d.expiry())
		default:
			d.ended.Store(endedByTimeout)
			d.session.cancel(context.DeadlineExceeded)
		}
	}
	return c.nextDeadline
}

// endLocked ends the contexts of the handlers that work on the partitions.
func (c *Consumer) endLocked(lost []*partition) {
	for _, w := range c.workers {
		d, p := w.holdsLocked()
		if d != nil && slices.Contains(lost, p) && d.ended.CompareAndSwap(endedNot, endedByUs) {
			d.session.cancel(errRevoked)
		}
	}
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
