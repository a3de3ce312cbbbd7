package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// worker handles one record after the other.
type worker struct {
	c       *Consumer
	all     *sync.WaitGroup // of the consumer's goroutines
	base    context.Context
	session *session
	uses    int

	// Guarded by the scheduler's mutex: a record with its delivery, or a run.
	current *delivery
	item    *item
	run     *run

	traced context.Context // of the handler that is called; nil where it has no span
	left   *departure      // of the handler that ended the goroutine; nil: none did
}

// holdsLocked returns what record the worker has; nil: none, or one of a run that goes on.
func (w *worker) holdsLocked() (*delivery, *partition) {
	if r := w.run; r != nil && r.current != nil {
		return r.delivery(r.settled), r.part
	}
	if w.item == nil {
		return nil, nil
	}
	return w.current, w.item.part
}

// maxUses is how many deliveries share one cancellable context. A context that
// a handler derived and never cancelled is held until then.
const maxUses = 64

// begin prepares the context of the next delivery, which starts now.
func (w *worker) begin(d *delivery, now time.Time) {
	if w.session == nil || w.uses >= maxUses || w.session.Err() != nil {
		w.end()
		ctx, cancel := context.WithCancelCause(w.base)
		w.session, w.uses = &session{ctx, cancel}, 0
	}
	w.uses++
	d.session = w.session
	if timeout := w.c.cfg.HandlerTimeout; timeout > 0 {
		d.deadline = now.Add(timeout).Sub(w.c.made)
	}
}

// end releases what handlers derived from the worker's context.
func (w *worker) end() {
	if w.session != nil {
		w.session.cancel(errEnded)
	}
}

// loop handles what the scheduler hands out. It reads the clock once for each record:
// the end of one is the start of the next, unless the worker had to wait.
func (w *worker) loop() {
	s := w.c.sched
	defer w.leave()
	now := w.c.now()
	s.mu.Lock()
	if w.left != nil {
		it, v, ended := w.takeOverLocked()
		now = w.actLocked(it, v, ended)
	}
	it, r, waited := s.nextLocked()
	for it != nil || r != nil {
		if waited {
			now = w.c.now()
		}
		var v verdict
		if r != nil {
			it, v, now = w.runLocked(r, now)
		} else {
			v, now = w.oneLocked(it, now)
		}
		now = w.actLocked(it, v, now)
		it, r, waited = s.nextLocked()
	}
	s.mu.Unlock()
}

// actLocked does what a verdict asks for, without the mutex, and returns when that was over.
func (w *worker) actLocked(it *item, v verdict, now time.Time) time.Time {
	if v.action == actDone && v.resumed == nil && !v.fetch && !v.intake {
		return now
	}
	s := w.c.sched
	if v.action == actRetry || v.action == actHold {
		v.line = w.c.debugLineLocked(it) // Another worker may have it next.
	}
	s.wakeLocked()
	s.mu.Unlock()
	w.c.act(it, v)
	now = w.c.now()
	s.mu.Lock()
	return now
}

// oneLocked handles a record, without the mutex, and returns when that was over.
func (w *worker) oneLocked(it *item, started time.Time) (verdict, time.Time) {
	s := w.c.sched
	d := w.takeLocked(it, started)
	s.mu.Unlock()
	f := w.attempt(d, it, started)
	now, took := w.attempted(it.part, f, started)
	s.mu.Lock()
	w.current, w.item = nil, nil
	s.tookLocked(1, took)
	return s.finishLocked(it, f, now), now
}

// runLocked handles a run in the same way. The verdict is about the record that it returns;
// nil: the run went through.
func (w *worker) runLocked(r *run, started time.Time) (*item, verdict, time.Time) {
	s := w.c.sched
	w.run = r
	w.deliver(r, 0, started)
	if timeout := w.c.cfg.HandlerTimeout; timeout > 0 {
		w.c.watchLocked(started.Add(timeout))
	}
	s.mu.Unlock()
	n, f, now := w.handleRun(r, started)
	s.mu.Lock()
	w.run = nil
	s.tookLocked(n, now.Sub(started))
	it, v := s.finishRunLocked(r, f, now)
	return it, v, now
}

// handleRun handles the records of a run, until it was broken up or one fails.
func (w *worker) handleRun(r *run, now time.Time) (n int, f failure, _ time.Time) {
	for {
		f = w.handle(r.delivery(n), r.part.describe, now)
		now, _ = w.attempted(r.part, f, now)
		n++
		if f.err != nil || n == len(r.records) {
			return n, f, now
		}
		w.deliver(r, n, now)
		if !r.begin(n) {
			return n, f, now
		}
	}
}

// deliver makes the delivery of a run's record. It is complete before the record begins.
func (w *worker) deliver(r *run, i int, now time.Time) {
	if i%runChunk == 0 {
		r.deliveries[i/runChunk] = make([]delivery, min(runChunk, len(r.records)-i))
	}
	d := r.delivery(i)
	d.from, d.Record, d.attempt = w.c, recordOf(r.records[i]), 1
	w.begin(d, now)
}

// attempted measures an attempt, and returns when it was over.
func (w *worker) attempted(p *partition, f failure, started time.Time) (now time.Time, took time.Duration) {
	now = w.c.now()
	took = now.Sub(started)
	if f.err != nil {
		now = time.Now() // It will be written on a dead letter.
	}
	w.c.metrics.processed(p.describe, took, f.code)
	return now, took
}

// now is the time of the clock that only goes forward, for which a worker need not
// ask twice: time.Now reads the one of the wall besides.
func (c *Consumer) now() time.Time { return c.made.Add(time.Since(c.made)) }

// takeLocked makes the delivery of the record's next attempt the worker's.
func (w *worker) takeLocked(it *item, now time.Time) *delivery {
	d := &it.delivery
	if it.tries > 0 {
		// A handler may have kept the record of an earlier attempt, or changed it.
		d = &delivery{Record: it.record(), from: w.c}
	}
	it.tries++
	d.attempt = int32(min(it.earlier()+it.attempts+1, maxAttempts))
	w.begin(d, now)
	w.current, w.item = d, it
	if d.deadline > 0 {
		w.c.watchLocked(d.expiry())
	}
	return d
}

var errEnded = errors.New("kafka: the handler's context ended")
