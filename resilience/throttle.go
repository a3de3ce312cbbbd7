package resilience

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"go.opentelemetry.io/otel/metric"
)

// ThrottleConfig configures a [Throttle].
type ThrottleConfig struct {
	// K is how many calls go out for each one that is accepted. A lower one takes more load off the
	// destination, and notices later that it is well again. Zero: 2, as in
	// https://sre.google/sre-book/handling-overload/. At least 1. Not negative.
	K float64
	// Window is how far back calls count; it rolls in tenths. Zero: 10 s. The book counts for two
	// minutes; a recovery is noticed after about twice the window. Not negative.
	Window time.Duration
	// MinCalls is how many calls must be counted in Window before any is refused. Zero: 20. Negative: 1.
	MinCalls int
	// MaxRefused is the largest share of calls that is refused, so that enough of them go out to notice
	// a recovery. Zero: 0.9. From 0 to 1. Not negative.
	MaxRefused float64
	// MeterProvider gets the metrics. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// resolve returns c with its defaults, and every fault of c.
func (c ThrottleConfig) resolve() (ThrottleConfig, error) {
	var faults []error
	c.K = orDefault(c.K, 2)
	if !(c.K >= 1) || math.IsInf(c.K, 0) { // also NaN
		faults = append(faults, inField("K", fmt.Errorf("%v is not a number of at least 1", c.K)))
	}
	if c.Window < 0 || c.Window > 0 && c.Window < windowBuckets {
		faults = append(faults, inField("Window", fmt.Errorf("%v is no length of time to count over", c.Window)))
	}
	c.MaxRefused = orDefault(c.MaxRefused, 0.9)
	if !(c.MaxRefused >= 0 && c.MaxRefused <= 1) {
		faults = append(faults, inField("MaxRefused", fmt.Errorf("%v is not a share from 0 to 1", c.MaxRefused)))
	}
	c.Window = orDefault(c.Window, 10*time.Second)
	c.MinCalls = max(orDefault(c.MinCalls, 20), 1)
	return c, errors.Join(faults...)
}

// A Throttle refuses calls to a destination that is overloaded, at random and as many as needed: with
// the probability max(0, (calls - K·accepted) / (calls + 1)) of the calls of the last seconds, its own
// refusals among them (https://sre.google/sre-book/handling-overload/). A breaker is for a destination
// that is down, and takes all or nothing; a throttle is for one that can still do part of the work, and
// says so with resource_exhausted. It is safe for concurrent use.
type Throttle struct {
	name      string
	cfg       ThrottleConfig
	telemetry *refusalTelemetry

	mu     sync.Mutex
	window rollingWindow
}

// NewThrottle returns a throttle. The name is that of the destination; errors and metrics carry it. The
// error joins every fault of cfg.
func NewThrottle(name string, cfg ThrottleConfig) (*Throttle, error) {
	cfg, err := cfg.resolve()
	if err := fault("throttle", name, err); err != nil {
		return nil, err
	}
	t := newThrottle(name, cfg)
	policy.Register("throttle", name, t)
	return t, nil
}

func newThrottle(name string, cfg ThrottleConfig) *Throttle {
	return &Throttle{
		name:      name,
		cfg:       cfg,
		window:    newRollingWindow(cfg.Window),
		telemetry: newRefusalTelemetry("throttle", name, cfg.MeterProvider),
	}
}

// Do calls op, or returns a [*ThrottledError]. The call counts when it has ended: as not accepted if it
// failed with resource_exhausted, unavailable or deadline_exceeded, and not at all if the caller went
// away or another policy of this package refused it.
func (t *Throttle) Do(ctx context.Context, op func(context.Context) error) error {
	if t.refuses() {
		t.telemetry.rejected(ctx)
		return &ThrottledError{Throttle: t.name}
	}
	counted, accepted := true, false // if op panics
	defer func() {
		if counted {
			t.count(accepted)
		}
	}()
	err := op(ctx)
	counted = !errors.Is(ctx.Err(), context.Canceled) && !refused(err)
	accepted = overloaded(ctx, err) != Failure
	return err
}

// Refusing returns the share of calls that are refused now.
func (t *Throttle) Refusing() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window.roll()
	return t.share()
}

// LogValue describes the policy and the share of calls that are refused now.
func (t *Throttle) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Float64("k", t.cfg.K),
		slog.Duration("window", t.cfg.Window),
		slog.Int("min_calls", t.cfg.MinCalls),
		slog.Float64("max_refused", t.cfg.MaxRefused),
		slog.Float64("refusing", t.Refusing()),
	)
}

// refuses decides about one call, and counts it if it is refused.
func (t *Throttle) refuses() bool {
	chance := rand.Float64()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window.roll()
	if chance >= t.share() {
		return false
	}
	t.window.add(1, 0)
	return true
}

func (t *Throttle) count(accepted bool) {
	var one int64
	if accepted {
		one = 1
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window.roll()
	t.window.add(1, one)
}

func (t *Throttle) share() float64 {
	calls, accepted := float64(t.window.sum[0]), float64(t.window.sum[1])
	if calls < float64(t.cfg.MinCalls) {
		return 0
	}
	return min(max(0, (calls-t.cfg.K*accepted)/(calls+1)), t.cfg.MaxRefused)
}

// A ThrottledError is the error of a call that a [Throttle] refused. Its code is resource_exhausted;
// errors.Is finds [ErrThrottled] in it. A [Retry] does not try it again: that would only be counted as
// more load.
type ThrottledError struct {
	Throttle string // its name
}

// Error names the throttle.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("throttle %q: the destination is overloaded, and the call was not made", e.Throttle)
}

// Code returns resource_exhausted.
func (e *ThrottledError) Code() errors.Code { return errors.ResourceExhausted }

// Is reports whether target is [ErrThrottled] or the code resource_exhausted.
func (e *ThrottledError) Is(target error) bool {
	return target == ErrThrottled || target == error(errors.ResourceExhausted)
}
