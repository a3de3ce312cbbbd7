package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

// An account knows what became of each span, or each log record, of one exporter. The SDK's batch
// processors keep none: with a collector that is down, their Shutdown loses everything and returns nil
// (measured with v1.47.0).
//
// Every item is pending from its end until the exporter has had it, and is then delivered or failed. A
// batch processor's own queue never overflows, because admit refuses what would be too much.
type account struct {
	name   string // of the exporter
	signal string
	limit  int64 // of what is pending
	log    failureLog

	stop     chan struct{}
	stopOnce sync.Once

	ended     atomic.Int64
	pending   atomic.Int64 // ended, not yet delivered, failed or dropped
	delivered atomic.Int64
	failed    atomic.Int64
	dropped   atomic.Int64
	lastErr   atomic.Pointer[error]
}

func newAccount(signal, name string, limit int, logger *slog.Logger) *account {
	return &account{
		name:   name,
		signal: signal,
		limit:  int64(limit),
		log:    failureLog{logger: logger, about: []slog.Attr{slog.String("signal", signal), slog.String("exporter", name)}},
		stop:   make(chan struct{}),
	}
}

// admit takes an item in, or drops it where the queue is full: a service never waits for its telemetry.
func (a *account) admit() bool {
	a.ended.Add(1)
	if a.pending.Add(1) > a.limit {
		a.pending.Add(-1)
		a.dropped.Add(1)
		return false
	}
	return true
}

// export sends a batch of n items and books what became of them. It returns nothing: the SDK would pass
// an error on to the global error handler, which writes it to standard error.
func (a *account) export(ctx context.Context, n int, send func(context.Context) error) {
	ctx, receipt := withReceipt(ctx)
	err := a.send(ctx, send)
	lost := 0
	if err != nil {
		lost = receipt.lost(n)
	}
	a.pending.Add(-int64(n))
	a.failed.Add(int64(lost))
	a.delivered.Add(int64(n - lost))
	if err != nil {
		a.lastErr.Store(&err)
		a.log.failed(err, lost)
		return
	}
	a.log.succeeded()
}

// send does not begin after abort, so that an exporter that ignores its context holds up nothing more
// than the one export it is in. A panic, which would end the service on this goroutine, is an error.
func (a *account) send(ctx context.Context, send func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	select {
	case <-a.stop:
		return errStopped
	default:
	}
	ctx, cancel := a.withStop(ctx)
	defer cancel()
	return send(ctx)
}

// abort ends the export in flight and every later one, so that the batch processor's goroutine ends.
func (a *account) abort() { a.stopOnce.Do(func() { close(a.stop) }) }

// withStop returns a context that abort ends as well.
func (a *account) withStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-a.stop:
			cancel(errStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

var errStopped = errors.New("the time for the shutdown was up")

// lost returns how many items are lost once the pipeline is shut down. It is right also while an export
// that was aborted is on its way out. Of metrics it is the failed exports.
func (a *account) lost() int64 {
	if a.signal == "metrics" {
		return a.failed.Load()
	}
	delivered := a.delivered.Load() // first: it only grows, and never beyond what ended
	return a.ended.Load() - delivered
}

func (a *account) err() error {
	if err := a.lastErr.Load(); err != nil {
		return fmt.Errorf("export of %s by %s: %w", a.signal, a.name, *err)
	}
	return nil
}
