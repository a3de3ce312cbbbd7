package resilience

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/metric"
)

// BreakerConfig configures a [Breaker].
type BreakerConfig struct {
	// FailureRatio is the share of failures, among the counted calls in Window, from which the breaker
	// opens. Zero: 0.5; a lower one turns a dependency that still answers most calls into a full outage
	// (https://github.com/dotnet/extensions/issues/7686). Negative: the breaker never opens.
	FailureRatio float64
	// MinCalls is how many calls must be counted in Window before the ratio means anything. Calls in
	// flight and excluded ones do not count. Zero: 20. Negative: 1.
	MinCalls int
	// Window is how far back calls count; it rolls in tenths. Zero: 10 s. Not negative.
	Window time.Duration
	// OpenFor is how long an open breaker refuses every call. Zero: 5 s. Not negative.
	OpenFor time.Duration
	// Spread is the part of OpenFor by which each breaker's own open period is longer or shorter, drawn
	// once, so that a fleet does not probe in step. From 0 to 1. Zero: 0.2. Negative: none.
	Spread float64
	// Probes is how many calls a half-open breaker lets out at a time, and how many must succeed for it
	// to close. Zero: 3. Negative: 1.
	Probes int
	// ProbeTimeout is how long a probe may take before its place is given to another. It should not be
	// less than the time limit of one attempt. Zero: 10 s. Negative: a probe keeps its place until it
	// ends.
	ProbeTimeout time.Duration
	// OnStateChange is called after each change, one at a time and in order, outside the breaker's
	// locks: it may use the breaker. It runs on the goroutine of the call that caused the change, so it
	// should be quick. Nil: nothing is called.
	OnStateChange func(Transition)
	// Logger gets a line for each change: warn for opening, info otherwise. Nil: slog.Default().
	Logger *slog.Logger
	// MeterProvider gets the metrics. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// resolve returns c with its defaults, and every fault of c.
func (c BreakerConfig) resolve() (BreakerConfig, error) {
	var faults []error
	if c.FailureRatio > 1 || math.IsNaN(c.FailureRatio) {
		faults = append(faults, inField("FailureRatio", fmt.Errorf("%v is not a share from 0 to 1", c.FailureRatio)))
	}
	if c.Window < 0 || c.Window > 0 && c.Window < windowBuckets {
		faults = append(faults, inField("Window", fmt.Errorf("%v is no length of time to count over", c.Window)))
	}
	if c.OpenFor < 0 {
		faults = append(faults, inField("OpenFor", fmt.Errorf("%v is negative; a breaker is turned off by a negative FailureRatio", c.OpenFor)))
	}
	if c.Spread > 1 || math.IsNaN(c.Spread) {
		faults = append(faults, inField("Spread", fmt.Errorf("%v is not a part from 0 to 1", c.Spread)))
	}
	c.FailureRatio = orDefault(c.FailureRatio, 0.5)
	c.MinCalls = max(orDefault(c.MinCalls, 20), 1)
	c.Window = orDefault(c.Window, 10*time.Second)
	c.OpenFor = orDefault(c.OpenFor, 5*time.Second)
	c.Spread = max(orDefault(c.Spread, 0.2), 0)
	c.Probes = max(orDefault(c.Probes, 3), 1)
	if c.Probes > math.MaxInt32 {
		faults = append(faults, inField("Probes", fmt.Errorf("%d is more than %d", c.Probes, math.MaxInt32)))
	}
	c.ProbeTimeout = orDefault(c.ProbeTimeout, 10*time.Second)
	return c, errors.Join(faults...)
}

// Validate returns every fault of c, joined, or nil: for who makes a policy of it later. Each begins
// with the name of its field.
func (c BreakerConfig) Validate() error {
	_, err := c.resolve()
	return err
}

// A Breaker stops calls to a destination that fails: it opens when too many calls of the last seconds
// were failures, refuses calls for a while, then lets a few out as probes and closes when they
// succeed. It is safe for concurrent use.
//
// What counts and when it opens is gobreaker's state machine. Each call is reported to it when it ends,
// in one step, because what gobreaker counts at a call's start goes wrong: it books the result to the
// second in which the call began, so that calls that take as long as the window, such as those of a
// dependency that hangs, never count; its Requests include calls in flight and excluded ones; and a
// probe that never ends keeps its place for ever. Who may go out is therefore decided here.
type Breaker struct {
	name    string
	cfg     BreakerConfig
	openFor time.Duration // cfg.OpenFor, spread

	// phase is the generation, which every change of state raises, and the state in the two lowest
	// bits. It is written under mu; a closed breaker's calls go out on a look at it and no lock.
	phase    atomic.Uint64
	refusal  atomic.Pointer[OpenError] // that of the latest open period
	rejected atomic.Int64
	tickets  ticketBook

	telemetry *breakerTelemetry

	mu      sync.Mutex
	core    *gobreaker.CircuitBreaker[struct{}] // only used under mu
	tripped gobreaker.Counts                    // what the core opened on
	probes  []*probe                            // out and not overdue, oldest first
	passed  int                                 // probes of this half-open phase that succeeded
	news    []Transition                        // not announced yet
	telling bool                                // a goroutine is announcing
}

// permit is the right to make one call; it is settled once.
type permit struct {
	phase uint64
	probe *probe // nil: the breaker was closed
}

func pack(generation uint64, s State) uint64 { return generation<<2 | uint64(s) }

func stateOf(phase uint64) State { return State(phase & 3) }

// NewBreaker returns a closed breaker. The name is that of the destination; errors, metrics and log
// lines carry it. The error joins every fault of cfg.
func NewBreaker(name string, cfg BreakerConfig) (*Breaker, error) {
	cfg, err := cfg.resolve()
	if err := fault("circuit breaker", name, err); err != nil {
		return nil, err
	}
	b := newBreaker(name, cfg, newBreakerTelemetry(cfg, attrName.String(name)))
	policy.Register("breaker", name, b)
	observeBreakers(cfg.MeterProvider, b, func(b *Breaker, report func(*Breaker)) { report(b) })
	return b, nil
}

func newBreaker(name string, cfg BreakerConfig, telemetry *breakerTelemetry) *Breaker {
	b := &Breaker{
		name:      name,
		cfg:       cfg,
		openFor:   spread(cfg.OpenFor, cfg.Spread),
		telemetry: telemetry,
	}
	b.core = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          name,
		MaxRequests:   uint32(cfg.Probes),
		Interval:      cfg.Window,
		BucketPeriod:  cfg.Window / windowBuckets,
		Timeout:       max(b.openFor-1, 1), // the core opens strictly after its timeout, not at it
		ReadyToTrip:   b.trips,
		OnStateChange: b.moved,
	})
	return b
}

func spread(d time.Duration, part float64) time.Duration {
	return max(time.Duration(float64(d)*(1+part*(2*rand.Float64()-1))), 1)
}

// Name returns the name.
func (b *Breaker) Name() string { return b.name }

// State returns what the next call finds: an open breaker whose time is up is half-open, although no
// call has been there to make it so.
func (b *Breaker) State() State {
	state := stateOf(b.phase.Load())
	if state == Open && b.refusal.Load().RetryAfter() == 0 {
		return HalfOpen
	}
	return state
}

// LogValue describes the effective policy and the state.
func (b *Breaker) LogValue() slog.Value {
	return slog.GroupValue(append(b.cfg.describe(), slog.String("state", b.State().String()))...)
}

func (c BreakerConfig) describe() []slog.Attr {
	if c.FailureRatio < 0 {
		return []slog.Attr{slog.String("failure_ratio", "off")}
	}
	return []slog.Attr{
		slog.Float64("failure_ratio", c.FailureRatio),
		slog.Int("min_calls", c.MinCalls),
		slog.Duration("window", c.Window),
		slog.Duration("open_for", c.OpenFor),
		slog.Int("probes", c.Probes),
		slog.Duration("probe_timeout", c.ProbeTimeout),
	}
}

// Allow asks for one call. If it may go out, err is nil, and done must be called with its outcome when
// it has ended; only the first call of done counts, and it may come from any goroutine. If the call is
// refused, done is nil and err is an [*OpenError]. A ctx that is done already gives ctx.Err().
//
// A call that is never reported is not counted; if it was a probe, its place is given to another after
// ProbeTimeout. What is reported after the breaker has changed its state is not counted either.
func (b *Breaker) Allow(ctx context.Context) (done func(Outcome), err error) {
	p, err := b.acquire(ctx)
	if err != nil {
		return nil, err
	}
	ticket := b.tickets.next()
	return func(o Outcome) {
		if ticket.raise() {
			b.settle(p, o)
		}
	}, nil
}

// Do calls op if the breaker lets it out, and counts what [Classify] says of its error; a panic is a
// failure. If the breaker does not, Do returns an [*OpenError].
func (b *Breaker) Do(ctx context.Context, op func(context.Context) error) error {
	return b.DoOutcome(ctx, func(ctx context.Context) (Outcome, error) {
		err := op(ctx)
		return Classify(ctx, err), err
	})
}

// DoOutcome is [Breaker.Do] for an op that knows its outcome by itself, such as one whose answers say it in
// another way than by an error. What else op has to say, its error included, goes to the caller alone.
func (b *Breaker) DoOutcome(ctx context.Context, op func(context.Context) (Outcome, error)) error {
	p, err := b.acquire(ctx)
	if err != nil {
		return err
	}
	outcome := Failure // if op panics
	defer func() { b.settle(p, outcome) }()
	outcome, err = op(ctx)
	return err
}

func (b *Breaker) acquire(ctx context.Context) (permit, error) {
	if err := ctx.Err(); err != nil {
		return permit{}, err
	}
	phase := b.phase.Load()
	switch stateOf(phase) {
	case Closed:
		return permit{phase: phase}, nil
	case Open:
		if refusal := b.refusal.Load(); time.Until(refusal.until) > 0 {
			b.rejected.Add(1)
			return permit{}, refusal
		}
	}
	return b.acquireProbe()
}

func (b *Breaker) settle(p permit, o Outcome) {
	if p.probe == nil && o == Excluded || b.phase.Load() != p.phase {
		return
	}
	b.mu.Lock()
	if b.phase.Load() == p.phase && b.returned(p.probe) && o != Excluded {
		b.record(o)
	}
	unheard := len(b.news) > 0
	b.mu.Unlock()
	if unheard {
		b.announce()
	}
}

var errFailure = errors.New("failure")

func succeed() (struct{}, error) { return struct{}{}, nil }

func fail() (struct{}, error) { return struct{}{}, errFailure }

// record tells the core of a call that has ended, as if it had begun just now.
func (b *Breaker) record(o Outcome) {
	if o == Failure {
		_, _ = b.core.Execute(fail)
		return
	}
	if stateOf(b.phase.Load()) == HalfOpen {
		b.passed++
	}
	_, _ = b.core.Execute(succeed)
}

// trips is the core's question, after each failure of a closed breaker, whether to open.
func (b *Breaker) trips(c gobreaker.Counts) bool {
	counted := c.TotalSuccesses + c.TotalFailures
	b.tripped = c
	return b.cfg.FailureRatio > 0 && int(counted) >= b.cfg.MinCalls &&
		float64(c.TotalFailures) >= b.cfg.FailureRatio*float64(counted)
}

// moved is the core's message that its state has changed. It comes under the core's lock and ours, so
// it only takes notes.
func (b *Breaker) moved(_ string, from, to gobreaker.State) {
	t := Transition{Breaker: b.name, From: stateFrom(from), To: stateFrom(to)}
	if t.To == Open {
		t.OpenFor = b.openFor
		b.refusal.Store(&OpenError{breaker: b.name, state: Open, until: time.Now().Add(b.openFor)})
		if t.From == Closed {
			t.Failures = int(b.tripped.TotalFailures)
			t.Calls = t.Failures + int(b.tripped.TotalSuccesses)
		}
	}
	b.probes, b.passed = nil, 0
	b.phase.Store(pack(b.phase.Load()>>2+1, t.To))
	b.news = append(b.news, t)
}

// announce tells of what happened, in order and without a lock. One goroutine does it at a time; what
// comes up meanwhile, even from a listener that uses the breaker, is told by the same one.
func (b *Breaker) announce() {
	for {
		t, ok := b.nextNews()
		if !ok {
			return
		}
		b.tell(t)
	}
}

func (b *Breaker) nextNews() (Transition, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.telling || len(b.news) == 0 {
		return Transition{}, false
	}
	t := b.news[0]
	b.news = slices.Delete(b.news, 0, 1)
	b.telling = true
	return t, true
}

func (b *Breaker) tell(t Transition) {
	defer func() { // also if a listener panics
		b.mu.Lock()
		b.telling = false
		b.mu.Unlock()
	}()
	b.telemetry.changed(t)
	if b.cfg.OnStateChange != nil {
		b.cfg.OnStateChange(t)
	}
}
