package httpclient

import (
	"context"
	"sync"
	"time"
)

// A watchdog ends a call that takes too long. One timer serves the end of the whole call, the timeout
// of each attempt and the idle timeout of the response's body: nested contexts with deadlines of
// their own cost fifteen allocations a call.
//
// The timer is lazy: a limit that moves further away leaves it alone, and when it goes off too early
// it sets itself to what is next. So a read of the body costs no timer operation.
type watchdog struct {
	mu      sync.Mutex
	timer   *time.Timer
	fires   time.Time // when the timer goes off; zero: it is not set
	total   time.Time // the end of the whole call; zero: none
	budget  time.Duration
	limit   time.Time // the end of the current phase; zero: none
	phase   Phase
	allowed time.Duration
	cancel  context.CancelCauseFunc // ends the attempt in flight; nil: there is none
	expired *TimeoutError           // why the attempt in flight was ended; nil: it was not
	stopped bool
}

// begin watches an attempt: cancel ends it. A limit of zero or less is none.
func (w *watchdog) begin(cancel context.CancelCauseFunc, limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel, w.expired = cancel, nil
	w.setLimit(PhaseAttempt, limit)
	w.arm()
}

// enter starts a phase of the attempt in flight with a limit of its own; zero or less is none.
func (w *watchdog) enter(phase Phase, limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setLimit(phase, limit)
	w.arm()
}

// leave ends the phase: until the next one, only the end of the whole call counts. It returns why the
// watchdog ended the attempt, or nil.
func (w *watchdog) leave() *TimeoutError {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = time.Time{}
	return w.expired
}

// stop ends the watch for good. It may be called more than once.
func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped, w.cancel = true, nil
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w *watchdog) setLimit(phase Phase, limit time.Duration) {
	w.phase, w.allowed, w.limit = phase, limit, time.Time{}
	if limit > 0 {
		w.limit = time.Now().Add(limit)
	}
}

// arm sees to it that the timer goes off no later than the next limit.
func (w *watchdog) arm() {
	next := earlier(w.limit, w.total)
	if w.stopped || next.IsZero() || (!w.fires.IsZero() && !next.Before(w.fires)) {
		return
	}
	w.fires = next
	if w.timer == nil {
		w.timer = time.AfterFunc(time.Until(next), w.fire)
		return
	}
	w.timer.Reset(time.Until(next))
}

// fire runs in the timer's own goroutine.
func (w *watchdog) fire() {
	w.mu.Lock()
	cancel, expired := w.judge(time.Now())
	w.mu.Unlock()
	if cancel != nil {
		cancel(expired) // outside the lock: it runs the functions of others
	}
}

func (w *watchdog) judge(now time.Time) (context.CancelCauseFunc, *TimeoutError) {
	w.fires = time.Time{}
	if w.stopped || w.cancel == nil {
		return nil, nil // nothing is in flight; begin sets the timer again
	}
	switch {
	case !w.total.IsZero() && !now.Before(w.total):
		w.expired = &TimeoutError{Phase: PhaseTotal, Limit: w.budget}
	case !w.limit.IsZero() && !now.Before(w.limit):
		w.expired = &TimeoutError{Phase: w.phase, Limit: w.allowed}
	default:
		w.arm()
		return nil, nil
	}
	cancel := w.cancel
	w.cancel = nil
	return cancel, w.expired
}

// earlier returns the earlier of two times, of which a zero one means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
