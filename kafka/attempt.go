package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// attempt calls the handler and reads what its error means.
func (w *worker) attempt(d *delivery, it *item, now time.Time) failure {
	if it.part.retry != nil && it.ofAnotherGroup(w.c.group) {
		return failure{} // It is not for us, and done.
	}
	return w.handle(d, it.part.describe, now)
}

func (w *worker) handle(d *delivery, about *description, now time.Time) failure {
	ctx, span := w.c.traces.process(recordContext{d}, about, d, now)
	if span != nil {
		w.traced = ctx // A program without spans does not pay for it.
	}
	err := call(ctx, w.c.handler, &d.Record)
	if w.traced != nil {
		w.traced = nil // A worker keeps nothing of what it had.
	}
	if err == nil {
		w.c.traces.end(span, failure{})
		return failure{}
	}
	f := w.c.failed(ctx, d, err)
	w.c.traces.end(span, f)
	return f
}

// failed reads what a handler's error means.
func (c *Consumer) failed(ctx context.Context, d *delivery, err error) failure {
	f := c.classify(d, err)
	f.trace = traceParent(ctx)
	f.debug = c.log.Enabled(ctx, slog.LevelDebug)
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
