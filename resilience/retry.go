package resilience

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"go.opentelemetry.io/otel/metric"
)

// RetryConfig configures a [Retry] or a [Planner].
type RetryConfig struct {
	// Attempts is how many attempts a call has, the first included. Zero: 3; of later ones few succeed
	// (https://github.com/dotnet/extensions/issues/7686). Negative, or 1: no retries.
	Attempts int
	// Backoff says how long to wait between attempts. Zero: full jitter, from 100 ms doubling to 2 s.
	Backoff Backoff
	// ThrottleBase takes the place of Backoff.Base after resource_exhausted without a RetryAfter. Zero:
	// 1 s, or Backoff.Max if that is less. Negative: Backoff.Base.
	ThrottleBase time.Duration
	// MaxRetryAfter is the longest wait that the other side may ask for. One who asks for more gets no
	// further attempt, instead of one that comes too early. Zero: 10 s. Negative: no limit but the
	// context's deadline.
	MaxRetryAfter time.Duration
	// Idempotent says that a second execution of the operation does no harm: deadline_exceeded, after
	// which nobody knows whether the first one took effect, is then retried.
	Idempotent bool
	// WholeOperation says that the operation starts with its first read: aborted, a lost race against a
	// concurrent change, is then retried.
	WholeOperation bool
	// Budget bounds the retries of all calls together. Zero: 10 % of the calls of the last 10 s, and at
	// least 1 a second. It is not used where SharedBudget is given.
	Budget BudgetConfig
	// SharedBudget is a budget that other policies for the same destination draw on, too. Nil: one of
	// its own, from Budget.
	SharedBudget *Budget
	// Logger gets a line, at debug, for each retry. Nil: slog.Default().
	Logger *slog.Logger
	// MeterProvider gets the metrics. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// resolve returns c with its defaults, and every fault of c.
func (c RetryConfig) resolve() (RetryConfig, error) {
	var faults []error
	backoff, err := c.Backoff.resolve()
	faults = append(faults, inField("Backoff", err))
	if c.ThrottleBase > backoff.Max {
		faults = append(faults, inField("ThrottleBase", fmt.Errorf("%v is more than Backoff.Max, %v", c.ThrottleBase, backoff.Max)))
	}
	budget, err := resolveBudget(c.Budget, c.SharedBudget)
	faults = append(faults, err)
	c.Backoff, c.Budget = backoff, budget
	c.Attempts = max(orDefault(c.Attempts, 3), 1)
	c.ThrottleBase = orDefault(c.ThrottleBase, min(time.Second, backoff.Max))
	c.MaxRetryAfter = orDefault(c.MaxRetryAfter, 10*time.Second)
	if c.MaxRetryAfter < 0 {
		c.MaxRetryAfter = math.MaxInt64
	}
	return c, errors.Join(faults...)
}

// Validate returns every fault of c, joined, or nil: for who makes a policy of it later. Each begins
// with the name of its field.
func (c RetryConfig) Validate() error {
	_, err := c.resolve()
	return err
}

func (c RetryConfig) throttled() Backoff {
	b := c.Backoff
	if c.ThrottleBase > 0 && b.Base > 0 {
		b.Base = c.ThrottleBase
	}
	return b
}

// A Retry repeats what failed and may be repeated. It is safe for concurrent use.
type Retry struct {
	planner *Planner
}

// NewRetry returns a retry policy. The name is that of the destination or of the operation; metrics
// and log lines carry it. The error joins every fault of cfg.
func NewRetry(name string, cfg RetryConfig) (*Retry, error) {
	planner, err := NewPlanner(name, cfg)
	if err != nil {
		return nil, err
	}
	r := &Retry{planner: planner}
	policy.Register("retry", name, r)
	return r, nil
}

// Planner returns what decides for r, for a loop of your own that is to obey the same rules and share
// the same budget.
func (r *Retry) Planner() *Planner { return r.planner }

// Do calls op until it succeeds or the rules of [Planner.Next] end the call. After a single attempt it
// returns op's error as it is; after more it returns the last one in an [*AttemptsError], marked by
// errors.MarkExhausted if more attempts might have helped. If the caller goes away during a wait, the
// error has the code canceled, and the last attempt's error is still found in it.
func (r *Retry) Do(ctx context.Context, op func(context.Context) error) error {
	for n := 1; ; n++ {
		a := Attempt{Number: n, Err: op(ctx)}
		wait, verdict := r.planner.Next(ctx, a)
		if verdict != Again {
			return r.planner.Result(a, verdict)
		}
		if !sleep(ctx, wait) {
			return r.planner.Interrupted(ctx, a)
		}
	}
}

// LogValue describes the effective policy and what is left of the budget.
func (r *Retry) LogValue() slog.Value { return r.planner.LogValue() }

// sleep reports whether it slept all of d; if not, ctx is done.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// An AttemptsError is the last error of a call that made more than one attempt. Code, reason and the
// rest are those of the error in it.
type AttemptsError struct {
	Name     string // the planner's
	Attempts int    // how many were made, the first included
	Err      error  // what the last one ended with
}

// Error returns the count and the last error's text.
func (e *AttemptsError) Error() string {
	return fmt.Sprintf("%s: after %d attempts: %v", e.Name, e.Attempts, e.Err)
}

// Unwrap returns the last attempt's error.
func (e *AttemptsError) Unwrap() error { return e.Err }

// interruptedError is a caller that went away between two attempts. What decides about it is that the
// caller went, so Unwrap leads there; the last attempt's error is found by Is and As.
type interruptedError struct{ gone, last error }

func (e *interruptedError) Error() string {
	return fmt.Sprintf("%v before the next attempt (last error: %v)", e.gone, e.last)
}

func (e *interruptedError) Unwrap() error { return e.gone }

func (e *interruptedError) Is(target error) bool { return errors.Is(e.last, target) }

func (e *interruptedError) As(target any) bool { return errors.As(e.last, target) }
