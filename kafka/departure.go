package kafka

import (
	"time"

	"github.com/backend-platform/sdk/errors"
	"go.opentelemetry.io/otel/trace"
)

// departure is a handler that has ended its goroutine by runtime.Goexit, as FailNow of a
// test does, instead of returning. Its record fails, and another goroutine is the worker.
type departure struct {
	failure failure
	ended   time.Time
	took    time.Duration
}

func exited() error {
	return errors.Internal.Wrap(errors.New("the handler did not return: runtime.Goexit was called"), "")
}

// leave ends the worker's goroutine, which has nothing in its hands unless a handler ended it.
func (w *worker) leave() {
	d, p := w.atWork()
	if d == nil {
		w.end()
		return
	}
	ctx, span := w.traced, trace.Span(nil)
	w.traced = nil
	if ctx != nil {
		span = trace.SpanFromContext(ctx)
	} else {
		ctx = recordContext{d}
	}
	f := w.c.failed(ctx, d, exited())
	w.c.traces.end(span, f)
	started := w.c.now() // Without a timeout nobody has noted when it began.
	if d.deadline > 0 {
		started = d.expiry().Add(-w.c.cfg.HandlerTimeout)
	}
	now, took := w.attempted(p, f, started)
	w.left = &departure{failure: f, ended: now, took: took}
	w.end()
	w.all.Go(w.loop)
}

// atWork returns what the handler has that was called last; nil: it has returned.
func (w *worker) atWork() (*delivery, *partition) {
	switch {
	case w.run != nil:
		return w.run.delivery(w.run.begun() - 1), w.run.part
	case w.item != nil:
		return w.current, w.item.part
	}
	return nil, nil
}

// takeOverLocked finishes what the handler has left.
func (w *worker) takeOverLocked() (*item, verdict, time.Time) {
	s, left, it, r := w.c.sched, w.left, w.item, w.run
	w.left, w.current, w.item, w.run = nil, nil, nil, nil
	s.tookLocked(1, left.took)
	if r != nil {
		it, v := s.finishRunLocked(r, left.failure, left.ended)
		return it, v, left.ended
	}
	return it, s.finishLocked(it, left.failure, left.ended), left.ended
}
