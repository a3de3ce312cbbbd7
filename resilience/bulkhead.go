package resilience

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"go.opentelemetry.io/otel/metric"
)

// BulkheadConfig configures a [Bulkhead].
type BulkheadConfig struct {
	// MaxConcurrent is how many operations may run at a time. Zero: 1000, as in .NET's standard
	// resilience handler; it keeps a slow destination from taking all memory and sockets. Negative: no
	// bound.
	MaxConcurrent int
	// MaxQueue is how many more may wait for a place. Zero: 100. Negative: none.
	MaxQueue int
	// MaxWait is how long one may wait. Zero: 1 s. Negative: as long as its context lasts.
	MaxWait time.Duration
	// MeterProvider gets the metrics. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// resolve returns c with its defaults, and every fault of c: there is no number that it cannot mean.
func (c BulkheadConfig) resolve() (BulkheadConfig, error) {
	c.MaxConcurrent = orDefault(c.MaxConcurrent, 1000)
	c.MaxQueue = max(orDefault(c.MaxQueue, 100), 0)
	c.MaxWait = orDefault(c.MaxWait, time.Second)
	if c.MaxWait < 0 {
		c.MaxWait = math.MaxInt64
	}
	return c, nil
}

// A Bulkhead bounds how many operations run at a time, and how many more wait for a place and how
// long, so that one slow destination does not take what all the others need. Whoever waits longest is
// next. It is safe for concurrent use.
type Bulkhead struct {
	name      string
	cfg       BulkheadConfig
	places    chan struct{} // nil: no bound. A channel serves its senders in their order.
	queued    atomic.Int64
	tickets   ticketBook
	telemetry *queueTelemetry
}

// NewBulkhead returns a bulkhead. The name is that of the destination; errors and metrics carry it.
// The error joins every fault of cfg.
func NewBulkhead(name string, cfg BulkheadConfig) (*Bulkhead, error) {
	cfg, err := cfg.resolve()
	if err := fault("bulkhead", name, err); err != nil {
		return nil, err
	}
	b := newBulkhead(name, cfg)
	policy.Register("bulkhead", name, b)
	return b, nil
}

func newBulkhead(name string, cfg BulkheadConfig) *Bulkhead {
	b := &Bulkhead{name: name, cfg: cfg, telemetry: newQueueTelemetry("bulkhead", name, cfg.MeterProvider)}
	if cfg.MaxConcurrent > 0 {
		b.places = make(chan struct{}, cfg.MaxConcurrent)
	}
	return b
}

// Acquire waits for a place. If it gets one, release must be called to give it back; only the first
// call of it counts, and it may come from any goroutine. Otherwise err is a [*FullError], because the
// queue was full or the wait too long, or wraps the error of ctx.
func (b *Bulkhead) Acquire(ctx context.Context) (release func(), err error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	ticket := b.tickets.next()
	return func() {
		if ticket.raise() {
			b.leave()
		}
	}, nil
}

// Do calls op as soon as there is a place for it. The errors are those of [Bulkhead.Acquire].
func (b *Bulkhead) Do(ctx context.Context, op func(context.Context) error) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	return op(ctx)
}

// Running returns how many operations have a place now.
func (b *Bulkhead) Running() int { return len(b.places) }

// Queued returns how many operations wait for a place now.
func (b *Bulkhead) Queued() int { return int(b.queued.Load()) }

// LogValue describes the policy and how full it is.
func (b *Bulkhead) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("max_concurrent", b.cfg.MaxConcurrent),
		slog.Int("max_queue", b.cfg.MaxQueue),
		slog.Duration("max_wait", b.cfg.MaxWait),
		slog.Int("running", b.Running()),
		slog.Int("queued", b.Queued()),
	)
}

func (b *Bulkhead) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return b.interrupted(err)
	}
	if b.places == nil {
		return nil
	}
	select {
	case b.places <- struct{}{}:
		return nil
	default:
		return b.wait(ctx)
	}
}

func (b *Bulkhead) leave() {
	if b.places != nil {
		<-b.places
	}
}

// wait heeds the deadline of ctx besides its end, for a [Pipeline] bounds its calls by a deadline that
// no timer enforces.
func (b *Bulkhead) wait(ctx context.Context) error {
	defer b.queued.Add(-1)
	if b.queued.Add(1) > int64(b.cfg.MaxQueue) {
		b.telemetry.rejected(ctx)
		return &FullError{Bulkhead: b.name}
	}
	limit, late := b.cfg.MaxWait, false
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < limit {
		limit, late = time.Until(deadline), true
	}
	start := time.Now()
	defer func() { b.telemetry.waited(ctx, time.Since(start)) }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case b.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return b.interrupted(ctx.Err())
	case <-timer.C:
		if late {
			return b.interrupted(context.DeadlineExceeded)
		}
		b.telemetry.rejected(ctx)
		return &FullError{Bulkhead: b.name, Waited: limit}
	}
}

func (b *Bulkhead) interrupted(err error) error {
	return fmt.Errorf("wait for a place in bulkhead %q: %w", b.name, err)
}

// A FullError is the error of an operation that a [Bulkhead] refused. Its code is unavailable;
// errors.Is finds [ErrBulkheadFull] in it.
type FullError struct {
	Bulkhead string        // its name
	Waited   time.Duration // zero: the queue was full
}

// Error says which bulkhead is full, and how.
func (e *FullError) Error() string {
	if e.Waited == 0 {
		return fmt.Sprintf("bulkhead %q is full, and so is its queue", e.Bulkhead)
	}
	return fmt.Sprintf("bulkhead %q is full: no place within %v", e.Bulkhead, e.Waited)
}

// Code returns unavailable.
func (e *FullError) Code() errors.Code { return errors.Unavailable }

// Is reports whether target is [ErrBulkheadFull] or the code unavailable.
func (e *FullError) Is(target error) bool {
	return target == ErrBulkheadFull || target == error(errors.Unavailable)
}
