package kafka

import (
	"time"

	"github.com/backend-platform/sdk/errors"
)

// departure is a handler that has ended its goroutine by runtime.Goexit, as FailNow of a
// test does, instead of returning. The record fails, and another goroutine is the worker.
type departure struct {
	failure failure
	started time.Time
}

func exited() error {
	return errors.Internal.Wrap(errors.New("the handler did not return: runtime.Goexit was called"), "")
}

// leave ends the worker's goroutine.
func (w *worker) leave() {
	w.end()
	if w.left != nil {
		w.all.Go(w.loop)
	}
}

// takeOverLocked finishes what the handler has left.
func (w *worker) takeOverLocked() (*item, verdict, time.Time) {
	s, left := w.c.sched, w.left
	w.left = nil
	it, r, part := w.item, w.run, (*partition)(nil)
	if r != nil {
		part = r.part
	} else {
		part = it.part
	}
	now, took := w.attempted(part, left.failure, left.started)
	w.current, w.item, w.run = nil, nil, nil
	s.tookLocked(1, took)
	if r != nil {
		it, v := s.finishRunLocked(r, left.failure, now)
		return it, v, now
	}
	return it, s.finishLocked(it, left.failure, now), now
}
