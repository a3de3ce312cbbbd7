package resilience

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/time/rate"
)

// RateLimitConfig configures a [RateLimit].
type RateLimitConfig struct {
	// PerSecond is how many operations may begin a second, on average. It has to be given, and positive.
	PerSecond float64
	// Burst is how many may begin at once after a quiet time. Zero: as many as in a second, at least 1.
	// Negative: 1.
	Burst int
	// MaxWait is how long an operation may wait for its turn. Zero: 1 s. Negative: it does not wait.
	MaxWait time.Duration
	// MeterProvider gets the metrics. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// resolve returns c with its defaults, and every fault of c.
func (c RateLimitConfig) resolve() (RateLimitConfig, error) {
	var faults []error
	if !(c.PerSecond > 0) || math.IsInf(c.PerSecond, 0) { // also NaN
		faults = append(faults, inField("PerSecond", fmt.Errorf("%v is not a positive number", c.PerSecond)))
	}
	c.Burst = max(orDefault(c.Burst, int(min(c.PerSecond, math.MaxInt32))), 1)
	c.MaxWait = max(orDefault(c.MaxWait, time.Second), 0)
	return c, errors.Join(faults...)
}

// A RateLimit bounds how many operations begin a second, by a token bucket (golang.org/x/time/rate). It
// is for a quota that somebody else counts; what a destination can bear is better found out by an
// [AdaptiveLimit] or a [Throttle]. It is safe for concurrent use.
type RateLimit struct {
	name      string
	cfg       RateLimitConfig
	telemetry *queueTelemetry

	mu     sync.Mutex
	bucket *rate.Limiter
}

// NewRateLimit returns a rate limit. The name is that of the destination; errors and metrics carry it.
// The error joins every fault of cfg.
func NewRateLimit(name string, cfg RateLimitConfig) (*RateLimit, error) {
	cfg, err := cfg.resolve()
	if err := fault("rate limit", name, err); err != nil {
		return nil, err
	}
	l := newRateLimit(name, cfg)
	policy.Register("rate_limit", name, l)
	return l, nil
}

func newRateLimit(name string, cfg RateLimitConfig) *RateLimit {
	return &RateLimit{
		name:      name,
		cfg:       cfg,
		bucket:    rate.NewLimiter(rate.Limit(cfg.PerSecond), cfg.Burst),
		telemetry: newQueueTelemetry("rate_limit", name, cfg.MeterProvider),
	}
}

// Do calls op when it is its turn. If that would be later than MaxWait or ctx's deadline, it returns a
// [*RateError] at once, and takes nothing from the quota. If ctx ends during the wait, the error wraps
// that of ctx.
func (l *RateLimit) Do(ctx context.Context, op func(context.Context) error) error {
	if err := l.Wait(ctx); err != nil {
		return err
	}
	return op(ctx)
}

// Wait waits until one more operation may begin. The errors are those of [RateLimit.Do].
func (l *RateLimit) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	longest := l.cfg.MaxWait
	if deadline, ok := ctx.Deadline(); ok {
		longest = min(longest, deadline.Sub(now)-1)
	}
	l.mu.Lock() // from a reservation to its return: if there is another in between, the bucket gives nothing back
	turn := l.bucket.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait > max(longest, 0) {
		turn.CancelAt(now)
	}
	l.mu.Unlock()
	switch {
	case wait == 0:
		return nil
	case wait > longest:
		l.telemetry.rejected(ctx)
		return &RateError{limit: l.name, until: now.Add(wait)}
	}
	slept := sleep(ctx, wait)
	l.telemetry.waited(ctx, time.Since(now))
	if !slept {
		turn.Cancel()
		return fmt.Errorf("wait for rate limit %q: %w", l.name, ctx.Err())
	}
	return nil
}

// LogValue describes the policy.
func (l *RateLimit) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Float64("per_second", l.cfg.PerSecond),
		slog.Int("burst", l.cfg.Burst),
		slog.Duration("max_wait", l.cfg.MaxWait),
	)
}

// A RateError is the error of an operation that a [RateLimit] refused. Its code is resource_exhausted;
// errors.Is finds [ErrRateLimited] in it.
type RateError struct {
	limit string
	until time.Time // of its turn, had it waited
}

// Error names the limit.
func (e *RateError) Error() string { return fmt.Sprintf("rate limit %q is reached", e.limit) }

// Limit returns the name of the limit.
func (e *RateError) Limit() string { return e.limit }

// Code returns resource_exhausted.
func (e *RateError) Code() errors.Code { return errors.ResourceExhausted }

// RetryAfter returns how long it is, from the moment it is called, until it would have been the
// operation's turn; 0 if that is now.
func (e *RateError) RetryAfter() time.Duration { return max(time.Until(e.until), 0) }

// Is reports whether target is [ErrRateLimited] or the code resource_exhausted.
func (e *RateError) Is(target error) bool {
	return target == ErrRateLimited || target == error(errors.ResourceExhausted)
}
