package kafka

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/logctx"
	"github.com/backend-platform/sdk/resilience"
)

// delivery is one attempt at a record: the record itself, and the context of
// the handler, in one allocation. It ends with a context of the worker's, which
// serves many deliveries: context.WithTimeout alone costs four allocations.
type delivery struct {
	Record
	from     *Consumer
	base     context.Context
	deadline time.Duration // since the consumer was made; 0: none
	ended    atomic.Uint32
}

// Why a delivery's context ended.
const (
	endedNot uint32 = iota
	endedByTimeout
	endedByUs // the partition is given up
)

// recordContext is the context that a handler gets.
type recordContext struct{ *delivery }

// Deadline implements context.Context.
func (c recordContext) Deadline() (time.Time, bool) {
	if c.deadline == 0 {
		return time.Time{}, false
	}
	return c.from.made.Add(c.deadline), true
}

// Done implements context.Context.
func (c recordContext) Done() <-chan struct{} { return c.base.Done() }

// Err implements context.Context.
func (c recordContext) Err() error {
	if c.base.Err() == nil {
		return nil
	}
	if c.ended.Load() == endedByTimeout {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Value implements context.Context, and logctx's key: the record's attributes
// are made when a line is written, which most records never see.
func (c recordContext) Value(key any) any {
	if key == (logctx.Key{}) {
		return c
	}
	return c.base.Value(key)
}

// AppendAttrs implements logctx.Source.
func (c recordContext) AppendAttrs(dst []slog.Attr) []slog.Attr {
	return c.appendAttrs(logctx.Append(c.base, dst))
}

func (d *delivery) appendAttrs(dst []slog.Attr) []slog.Attr {
	dst = append(dst,
		slog.String(attrTopic, d.Topic),
		slog.Int(attrPartition, int(d.Partition)),
		slog.Int64(attrOffset, d.Offset),
		slog.String(attrGroup, d.from.group),
		slog.Int(attrAttempt, int(d.attempt)),
	)
	if d.Key != nil {
		// A key may be somebody's address: its hash is enough to find a key's lines.
		h := fnv.New64a()
		_, _ = h.Write(d.Key)
		dst = append(dst, slog.String(attrKeyHash, strconv.FormatUint(h.Sum64(), 16)))
	}
	return dst
}

var errEnded = errors.New("kafka: the handler's context ended")

// worker handles one record after the other.
type worker struct {
	c      *Consumer
	base   context.Context
	ctx    context.Context
	cancel context.CancelCauseFunc
	uses   int

	// Guarded by the scheduler's mutex.
	current  *delivery
	part     *partition
	deadline time.Time
}

// maxUses is how many deliveries share one cancellable context. A context that
// a handler derived and never cancelled is held until then.
const maxUses = 64

// begin prepares the context of the next delivery.
func (w *worker) begin(d *delivery) {
	if w.cancel == nil || w.uses >= maxUses || w.ctx.Err() != nil {
		w.end()
		w.ctx, w.cancel = context.WithCancelCause(w.base)
		w.uses = 0
	}
	w.uses++
	d.base = w.ctx
}

// end releases what handlers derived from the worker's context.
func (w *worker) end() {
	if w.cancel != nil {
		w.cancel(errEnded)
	}
}

// run is the worker's loop. It reads the clock once for each record: the end of
// one is the start of the next, unless the worker had to wait.
func (w *worker) run() {
	s := w.c.sched
	defer w.end()
	now := w.c.now()
	s.mu.Lock()
	it, waited := s.nextLocked()
	for it != nil {
		started := now
		if waited {
			started = w.c.now()
		}
		d := w.takeLocked(it, started)
		s.mu.Unlock()
		f := w.attempt(d, it, started)
		now = w.c.now()
		took := now.Sub(started)
		if f.err != nil {
			now = time.Now() // It will be written on a dead letter.
		}
		w.c.metrics.processed(it.part.describe, took, f.code)
		s.mu.Lock()
		w.current, w.part = nil, nil
		s.tookLocked(took)
		v := s.finishLocked(it, f, now)
		if v.action != actDone || v.resumed != nil || v.fetch || v.intake {
			s.wakeLocked()
			s.mu.Unlock()
			w.c.act(it, v)
			now = w.c.now()
			s.mu.Lock()
		}
		it, waited = s.nextLocked()
	}
	s.mu.Unlock()
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
	w.begin(d)
	w.current, w.part = d, it.part
	if timeout := w.c.cfg.HandlerTimeout; timeout > 0 {
		w.deadline = now.Add(timeout)
		d.deadline = w.deadline.Sub(w.c.made)
		w.c.watchLocked(w.deadline)
	}
	return d
}

// attempt calls the handler and reads what its error means.
func (w *worker) attempt(d *delivery, it *item, now time.Time) failure {
	if it.part.retry != nil && it.ofAnotherGroup(w.c.group) {
		return failure{} // It is not for us, and done.
	}
	ctx, span := w.c.traces.process(recordContext{d}, it.part.describe, d, now)
	err := call(ctx, w.c.handler, &d.Record)
	f := failure{err: err}
	if err != nil {
		f = w.c.classify(d, err)
		f.trace = traceParent(ctx)
	}
	w.c.traces.end(span, f)
	return f
}

// call calls the handler and turns a panic into an error.
func call(ctx context.Context, handler Handler, r *Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return handler(ctx, r)
}

// PanicError is the cause of the error that a handler's panic becomes, which
// has the code internal.
type PanicError struct {
	// Value is what was passed to panic.
	Value any
	// Stack is the stack of the goroutine that panicked, as runtime/debug gives it.
	Stack []byte
}

// Error returns the text of the value.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func panicked(value any) error {
	return errors.Internal.Wrap(&PanicError{Value: value, Stack: debug.Stack()}, "")
}

// classify reads what a handler's error means to the consumer. A code that
// another service sent is not ours, unless the handler passes it on.
func (c *Consumer) classify(d *delivery, err error) failure {
	ended := d.ended.Load()
	if ended == endedByTimeout {
		err = timedOut(err, c.cfg.HandlerTimeout)
	}
	local := errors.Local(err)
	code := errors.CodeOf(local)
	return failure{
		err: local, code: code, redelivery: code.Redelivery(),
		circuit:    errors.Is(err, resilience.ErrCircuitOpen),
		retryAfter: min(errors.RetryAfter(err), maxRetryAfter),
		ours:       ended == endedByUs,
	}
}

// timedOut gives an error that says no more than that the context ended the code
// of why it ended.
func timedOut(err error, timeout time.Duration) error {
	if code := errors.CodeOf(err); code != errors.Canceled && code != errors.Unknown && code != errors.DeadlineExceeded {
		return err
	}
	return errors.DeadlineExceeded.Wrap(fmt.Errorf("handler timeout of %v is over: %w", timeout, err), "")
}

// maxRetryAfter bounds what an error may ask a key to wait.
const maxRetryAfter = 5 * time.Minute
