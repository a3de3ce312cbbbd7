package resilience

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"go.opentelemetry.io/otel/metric"
)

// AdaptiveConfig configures an [AdaptiveLimit].
type AdaptiveConfig struct {
	// Max is the highest limit, and the one that holds until there is an overload. Zero: 1000, as in
	// [BulkheadConfig]. Negative: there is no highest one, and the limit starts at 1000.
	Max int
	// Min is the lowest limit. Zero: 10, or Max if that is less. Negative: 1.
	Min int
	// Tolerance is by how much a call may take longer than it does without a queue, as a factor; at
	// least 1.1. A lower one keeps queues shorter, and takes what only varies for a queue sooner. Zero: 2.
	// Not negative.
	Tolerance float64
	// Logger gets a line, at warn, when calls are shed, at most one a minute. Nil: slog.Default().
	Logger *slog.Logger
	// MeterProvider gets the metrics. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// resolve returns c with its defaults, and every fault of c.
func (c AdaptiveConfig) resolve() (AdaptiveConfig, error) {
	var faults []error
	c.Max = orDefault(c.Max, 1000)
	if c.Max < 0 {
		c.Max = math.MaxInt32
	}
	c.Min = max(orDefault(c.Min, min(10, c.Max)), 1)
	if c.Min > c.Max {
		faults = append(faults, inField("Min", fmt.Errorf("%d is more than Max, %d", c.Min, c.Max)))
	}
	c.Tolerance = orDefault(c.Tolerance, 2)
	if !(c.Tolerance >= 1.1) || math.IsInf(c.Tolerance, 0) { // also NaN
		faults = append(faults, inField("Tolerance", fmt.Errorf("%v is not a number of at least 1.1", c.Tolerance)))
	}
	return c, errors.Join(faults...)
}

// An AdaptiveLimit bounds how many calls run at a time by what it sees of them: where more of them only
// make each take longer, there are too many, and the next is shed at once instead of joining a queue in
// which it would time out. A server admits requests with it; a client can protect with it what it
// calls. It is safe for concurrent use.
//
// It does not shed on a guess. The limit starts at Max, and is lowered only while at least half of it
// is in use, and calls take longer than Tolerance allows or a tenth of them fail for overload. Each time
// the limit was halved, the calls must have become faster; if they have not, it was no queue that made
// them slow, the limit goes back to where it was, and their new duration is what is normal. Where calls
// that do not end, such as streams, hold so many places that no other was let in for a second, it leaves
// room for Min others beside them.
type AdaptiveLimit struct {
	name  string
	cfg   AdaptiveConfig
	epoch time.Time

	limit    atomic.Int64
	inFlight atomic.Int64
	shed     atomic.Int64
	overload atomic.Int64 // failures of this window

	// The window that is being counted. After a change of the limit it begins when calls from before it
	// have ended, or most would-be samples were those of the calls that end soonest.
	changed atomic.Int64 // when calls must have begun to count; nanoseconds from epoch
	opened  atomic.Int64 // when it began
	due     atomic.Int64 // when there is enough time in it
	peak    atomic.Int64 // most calls in flight
	samples atomic.Uint64
	took    atomic.Int64 // sum of the samples' durations

	mu      sync.Mutex
	control limitControl
	heard   uint64        // of the window's samples and failures, those that unstick knows
	heardAt time.Duration // when it heard of them
	told    int64         // of the calls shed, those that the log knows
	silent  time.Duration // until when it is not told of more
}

// sheddingTold is how often the log is told that calls are shed.
const sheddingTold = time.Minute

// NewAdaptiveLimit returns a limit that lets Max calls in. The name is that of the server or the
// destination; errors and metrics carry it. The error joins every fault of cfg.
func NewAdaptiveLimit(name string, cfg AdaptiveConfig) (*AdaptiveLimit, error) {
	cfg, err := cfg.resolve()
	if err := fault("adaptive limit", name, err); err != nil {
		return nil, err
	}
	a := newAdaptiveLimit(name, cfg)
	policy.Register("adaptive_limit", name, a)
	return a, nil
}

func newAdaptiveLimit(name string, cfg AdaptiveConfig) *AdaptiveLimit {
	a := &AdaptiveLimit{
		name:    name,
		cfg:     cfg,
		epoch:   time.Now(),
		control: newLimitControl(cfg),
	}
	a.limit.Store(int64(a.control.limit))
	a.due.Store(int64(limitWindow))
	observeLimit(a, cfg.MeterProvider)
	return a
}

// A Permit is the right to run one call under an [AdaptiveLimit]. It is a value that costs no
// allocation; it must not be copied, and not be used by two goroutines at once. The zero Permit is that
// of a call which was not let in.
type Permit struct {
	limit *AdaptiveLimit
	began time.Duration // from the limit's epoch
}

// TryAcquire lets a call in if there is room for it, and reports whether it did; it never waits. If so,
// [Permit.Release] has to be called when the call has ended.
func (a *AdaptiveLimit) TryAcquire() (Permit, bool) {
	for {
		n := a.inFlight.Load()
		if n >= a.limit.Load() {
			a.shed.Add(1)
			a.unstick()
			return Permit{}, false
		}
		if a.inFlight.CompareAndSwap(n, n+1) {
			raise(&a.peak, n+1)
			return Permit{limit: a, began: time.Since(a.epoch)}, true
		}
	}
}

// Release gives the call's place back and says how it ended. [Success]: how long it took is counted.
// [Failure]: it failed because something was overloaded, such as a timeout. [Excluded]: nothing is
// learnt from it, as from a call that was cancelled or failed for a reason of its own. Only the first
// Release of a Permit counts, and that of a zero Permit does nothing.
func (p *Permit) Release(o Outcome) {
	a := p.limit
	if a == nil {
		return
	}
	p.limit = nil
	now := time.Since(a.epoch)
	a.inFlight.Add(-1)
	if o == Excluded || int64(p.began) < a.changed.Load() || int64(now) < a.opened.Load() {
		return
	}
	if o == Success {
		a.took.Add(int64(now - p.began))
		a.samples.Add(packSample(now - p.began))
	} else {
		a.overload.Add(1)
	}
	if int64(now) >= a.due.Load() && a.mu.TryLock() { // whoever has the lock looks at the same window
		a.turn(now)
		shed := a.news(now)
		a.mu.Unlock()
		if shed > 0 {
			logger(a.cfg.Logger).LogAttrs(context.Background(), slog.LevelWarn, "adaptive limit sheds calls", slog.String("name", a.name),
				slog.Int64("shed", shed), slog.Int("limit", a.Limit()), slog.Int("in_flight", a.InFlight()))
		}
	}
}

// Do calls op if there is room for it, and returns a [*ShedError] if not. A call that ends without an
// error is a [Success]; one that ends with deadline_exceeded, unavailable or resource_exhausted is a
// [Failure], unless it was the caller that went away or another policy of this package that refused
// it; every other error is [Excluded].
func (a *AdaptiveLimit) Do(ctx context.Context, op func(context.Context) error) error {
	permit, ok := a.TryAcquire()
	if !ok {
		return &ShedError{Limit: a.name}
	}
	outcome := Excluded // if op panics
	defer func() { permit.Release(outcome) }()
	err := op(ctx)
	outcome = overloaded(ctx, err)
	return err
}

func overloaded(ctx context.Context, err error) Outcome {
	switch {
	case err == nil:
		return Success
	case errors.Is(ctx.Err(), context.Canceled), refused(err):
		return Excluded
	}
	switch errors.CodeOf(err) {
	case errors.DeadlineExceeded, errors.Unavailable, errors.ResourceExhausted:
		return Failure
	}
	return Excluded
}

// Limit returns how many calls may run at a time now.
func (a *AdaptiveLimit) Limit() int { return int(a.limit.Load()) }

// InFlight returns how many calls run now.
func (a *AdaptiveLimit) InFlight() int { return int(a.inFlight.Load()) }

// LogValue describes the policy and its state.
func (a *AdaptiveLimit) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("min", a.cfg.Min),
		slog.Int("max", a.cfg.Max),
		slog.Float64("tolerance", a.cfg.Tolerance),
		slog.Int("limit", a.Limit()),
		slog.Int("in_flight", a.InFlight()),
		slog.Int64("shed", a.shed.Load()),
	)
}

// turn ends the window if there is enough in it, and lets the control decide. It runs under mu.
func (a *AdaptiveLimit) turn(now time.Duration) {
	n, _ := unpackSamples(a.samples.Load())
	if n+a.overload.Load() < a.control.enough() || int64(now) < a.due.Load() {
		return
	}
	n, mean := unpackSamples(a.samples.Swap(0))
	inFlight := a.inFlight.Load()
	w := window{
		length:   now - time.Duration(a.opened.Load()),
		latency:  mean,
		mean:     float64(a.took.Swap(0)) / float64(max(n, 1)),
		calls:    n,
		overload: a.overload.Swap(0),
		peak:     float64(a.peak.Swap(inFlight)),
		inFlight: float64(inFlight),
		shed:     a.shed.Load(),
	}
	opens := now
	if a.control.decide(w) {
		a.changed.Store(int64(now))
		opens += time.Duration(settling * w.mean)
	}
	a.open(opens)
}

// unstick makes room if calls are shed and none of those let in has told anything for long: they may not
// end before the program does.
func (a *AdaptiveLimit) unstick() {
	now := time.Since(a.epoch)
	if int64(now) < a.due.Load() || !a.mu.TryLock() {
		return
	}
	defer a.mu.Unlock()
	if told := a.samples.Load() + uint64(a.overload.Load()); told != a.heard {
		a.heard, a.heardAt = told, now
		return
	}
	if now-max(a.heardAt, time.Duration(a.due.Load())) >= a.control.patience() {
		a.control.unstick(float64(a.inFlight.Load()))
		a.open(now)
	}
}

// open begins a window under the limit that the control has set. It runs under mu.
func (a *AdaptiveLimit) open(at time.Duration) {
	a.limit.Store(int64(a.control.limit))
	a.opened.Store(int64(at))
	a.due.Store(int64(at + limitWindow))
}

// news returns how many calls were shed since the log was told, if it is to be told. It runs under mu.
func (a *AdaptiveLimit) news(now time.Duration) int64 {
	shed := a.shed.Load()
	more := shed - a.told
	if more == 0 || now < a.silent {
		return 0
	}
	a.told, a.silent = shed, now+sheddingTold
	return more
}

// raise makes v at least n.
func raise(v *atomic.Int64, n int64) {
	for {
		old := v.Load()
		if n <= old || v.CompareAndSwap(old, n) {
			return
		}
	}
}

// The number of samples and the sum of the logarithms of their durations are one word, so that they
// are added to and taken together: 24 bits and 40 bits, which hold 16 million logarithms in steps of a
// 256th of a doubling.
const (
	sampleCountShift = 40
	logSteps         = 256
)

func packSample(d time.Duration) uint64 {
	return 1<<sampleCountShift + uint64(math.Log2(float64(max(d, 1)))*logSteps+0.5)
}

// unpackSamples returns how many there are and the mean of their logarithms to the base 2.
func unpackSamples(word uint64) (n int64, mean float64) {
	n = int64(word >> sampleCountShift)
	if n == 0 {
		return 0, 0
	}
	return n, float64(word&(1<<sampleCountShift-1)) / logSteps / float64(n)
}

// A ShedError is the error of a call that an [AdaptiveLimit] did not let in. Its code is unavailable;
// errors.Is finds [ErrShed] in it.
type ShedError struct {
	Limit string // its name
}

// Error names the limit.
func (e *ShedError) Error() string {
	return fmt.Sprintf("adaptive limit %q is reached: the call was shed", e.Limit)
}

// Code returns unavailable.
func (e *ShedError) Code() errors.Code { return errors.Unavailable }

// Is reports whether target is [ErrShed] or the code unavailable.
func (e *ShedError) Is(target error) bool {
	return target == ErrShed || target == error(errors.Unavailable)
}
