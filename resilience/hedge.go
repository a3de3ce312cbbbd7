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
)

// HedgeConfig configures a [Hedge].
type HedgeConfig struct {
	// Idempotent says that it does no harm if the operation is executed twice, even at the same time. It
	// has to be true.
	Idempotent bool
	// Delay is how long an attempt may take before a second one is made beside it. Zero: as long as
	// Percentile of the latest calls took; there are no hedges until 100 calls were seen. Not negative:
	// what needs no hedge has no Hedge.
	Delay time.Duration
	// Percentile of the calls are not hedged where Delay is zero, as a share from 0.5 to 1, 1 excluded.
	// Zero: 0.95, as in "The Tail at Scale" (https://research.google/pubs/the-tail-at-scale/): a twentieth
	// more load for a much shorter tail. Not negative.
	Percentile float64
	// Max is how many attempts are made beside the first, each a Delay after the one before. Zero: 1.
	// Not negative.
	Max int
	// Budget bounds the hedges of all calls together. Zero: 10 % of the calls of the last 10 s, and at
	// least 1 a second. It is not used where SharedBudget is given.
	Budget BudgetConfig
	// SharedBudget is the budget of a [Retry] around the hedge, which counts the calls; the hedge only
	// draws on it. Nil: one of its own, from Budget.
	SharedBudget *Budget
	// MeterProvider gets the metrics. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// resolve returns c with its defaults, and every fault of c.
func (c HedgeConfig) resolve() (HedgeConfig, error) {
	var faults []error
	if !c.Idempotent {
		faults = append(faults, inField("Idempotent", errors.New("is false, but a hedge executes the operation twice")))
	}
	if c.Delay < 0 {
		faults = append(faults, inField("Delay", fmt.Errorf("%v is negative", c.Delay)))
	}
	c.Percentile = orDefault(c.Percentile, 0.95)
	if !(c.Percentile >= 0.5 && c.Percentile < 1) { // also NaN
		faults = append(faults, inField("Percentile", fmt.Errorf("%v is not a share from 0.5 to 1", c.Percentile)))
	}
	if c.Max < 0 {
		faults = append(faults, inField("Max", fmt.Errorf("%d is negative", c.Max)))
	}
	c.Max = orDefault(c.Max, 1)
	budget, err := resolveBudget(c.Budget, c.SharedBudget)
	c.Budget = budget
	return c, errors.Join(append(faults, err)...)
}

// A Hedge makes a second attempt beside one that takes long, and takes what comes first: it cuts the
// tail off the latency of operations that are slow at random. It does not help against a destination
// that is slow as a whole, and its budget keeps it from making that worse. It is safe for concurrent
// use.
type Hedge struct {
	name      string
	cfg       HedgeConfig
	budget    *Budget
	latencies latencies
	telemetry *hedgeTelemetry
}

// NewHedge returns a hedge. The name is that of the destination or of the operation; metrics carry it.
// The error joins every fault of cfg.
func NewHedge(name string, cfg HedgeConfig) (*Hedge, error) {
	cfg, err := cfg.resolve()
	if err := fault("hedge", name, err); err != nil {
		return nil, err
	}
	h := newHedge(name, cfg)
	policy.Register("hedge", name, h)
	return h, nil
}

func newHedge(name string, cfg HedgeConfig) *Hedge {
	h := &Hedge{name: name, cfg: cfg, budget: cfg.SharedBudget, telemetry: newHedgeTelemetry(name, cfg.MeterProvider)}
	if h.budget == nil {
		h.budget = newBudget(name, cfg.Budget)
	}
	h.latencies.percentile = cfg.Percentile
	return h
}

// Do calls op, and calls it again at the same time if it takes longer than the delay and the budget has
// something left. What ends the call is the first answer: a success, or an error that [Classify] takes
// for one. A failure waits for the other attempts, and the first attempt's failure is returned if all
// fail; one that comes before the delay is not hedged, for that is what a [Retry] is for.
//
// The attempts that lost are cancelled, and Do waits for them: nothing runs on when it has returned.
// They have a context of their own, which ends with Do. The first attempt runs on the calling
// goroutine, the others on their own; if one panics, Do does.
func (h *Hedge) Do(ctx context.Context, op func(context.Context) error) error {
	if h.cfg.SharedBudget == nil {
		h.budget.Request()
	}
	begin := time.Now()
	delay := h.delay()
	if delay == 0 {
		err := op(ctx)
		h.saw(ctx, err, time.Since(begin))
		return err
	}
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &race{hedge: h, ctx: limited, cancel: cancel, op: op, running: 1}
	r.start(delay)
	defer r.stop() // also if op panics
	err := op(limited)
	h.saw(ctx, err, time.Since(begin))
	return r.wait(err)
}

// LogValue describes the policy and the delay that is in force, 0 if it is not known yet.
func (h *Hedge) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Duration("delay", h.delay()),
		slog.Int("max", h.cfg.Max),
		slog.Attr{Key: "budget", Value: h.budget.LogValue()},
	)
}

func (h *Hedge) delay() time.Duration {
	if h.cfg.Delay > 0 {
		return h.cfg.Delay
	}
	return h.latencies.quantile()
}

// saw remembers how long a first attempt took. One that was cancelled for a hedge would have taken
// longer still: to leave it out would shorten the delay with every hedge.
func (h *Hedge) saw(ctx context.Context, err error, took time.Duration) {
	if h.cfg.Delay == 0 && ctx.Err() == nil && (err == nil || answered(ctx, err) || errors.Is(err, context.Canceled)) {
		h.latencies.add(took)
	}
}

// answered reports whether the other side answered.
func answered(ctx context.Context, err error) bool { return Classify(ctx, err) == Success }

// A race is one call with its attempts.
type race struct {
	hedge  *Hedge
	ctx    context.Context // of all attempts
	cancel context.CancelFunc
	op     func(context.Context) error
	delay  time.Duration
	timer  *time.Timer
	hedges sync.WaitGroup

	mu      sync.Mutex
	running int
	made    int  // hedges
	over    bool // there is an answer, or nothing runs any more
	won     bool // by a hedge, with err
	err     error
	panics  any // of a hedge
}

func (r *race) start(delay time.Duration) {
	r.mu.Lock() // a short delay may be over before the timer is known
	defer r.mu.Unlock()
	r.delay = delay
	r.timer = time.AfterFunc(delay, r.join)
}

// join is what the timer calls, on a goroutine of its own.
func (r *race) join() {
	if !r.enter() {
		return
	}
	defer r.hedges.Done()
	err := errHedgeExited // if op ends its goroutine
	defer func() { r.leave(err, recover()) }()
	err = r.op(r.ctx)
}

var errHedgeExited = errors.New("the operation ended its goroutine")

// enter reports whether there is to be another attempt.
func (r *race) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.ctx.Err() != nil || overdue(r.ctx) {
		return false
	}
	if !r.hedge.budget.Withdraw() {
		r.hedge.telemetry.made(r.ctx, hedgeRefused)
		return false
	}
	r.running++
	r.made++
	r.hedges.Add(1)
	if r.made < r.hedge.cfg.Max {
		r.timer.Reset(r.delay)
	}
	return true
}

// leave is the end of a hedge.
func (r *race) leave(err error, panicked any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	result := hedgeLost
	switch {
	case panicked != nil:
		r.panics = panicked
		r.end()
	case !r.over && (err == nil || answered(r.ctx, err)):
		r.won, r.err, result = true, err, hedgeWon
		r.end()
	}
	if r.running == 0 {
		r.end()
	}
	r.hedge.telemetry.made(r.ctx, result)
}

// end is called under the lock.
func (r *race) end() {
	r.over = true
	r.timer.Stop()
	r.cancel()
}

// stop ends the race whatever became of the first attempt, and waits for the others.
func (r *race) stop() {
	r.mu.Lock()
	r.end()
	r.mu.Unlock()
	r.hedges.Wait()
}

// wait returns the call's error after the first attempt ended with err.
func (r *race) wait(err error) error {
	r.mu.Lock()
	r.running--
	if r.running == 0 || !r.over && (err == nil || answered(r.ctx, err)) {
		r.end()
	}
	r.mu.Unlock()
	r.hedges.Wait()
	if r.panics != nil {
		panic(r.panics)
	}
	if r.won {
		return r.err
	}
	return err
}

// latencies knows a percentile of the latest calls. They are counted in buckets that grow by a
// sixteenth of a doubling, and the percentile is that of the last hundred calls at the least, over the
// last second at the least.
type latencies struct {
	percentile float64

	mu      sync.Mutex
	since   time.Time
	count   int
	buckets [latencyBuckets]int32
	current time.Duration
}

const (
	latencySteps   = 16      // of a doubling
	latencyBuckets = 16 * 40 // to 2^40 ns, 18 minutes
	latencySamples = 100
	latencyPeriod  = time.Second
)

// quantile returns the percentile, 0 if it is not known yet.
func (l *latencies) quantile() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

func (l *latencies) add(d time.Duration) {
	bucket := int(math.Log2(float64(max(d, 1))) * latencySteps)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 && l.since.IsZero() {
		l.since = now
	}
	l.buckets[min(bucket, latencyBuckets-1)]++
	l.count++
	if l.count >= latencySamples && now.Sub(l.since) >= latencyPeriod {
		l.current = l.find()
		l.since, l.count, l.buckets = now, 0, [latencyBuckets]int32{}
	}
}

// find returns the upper end of the bucket that the percentile is in.
func (l *latencies) find() time.Duration {
	rank := int32(math.Ceil(l.percentile * float64(l.count)))
	for i, n := range l.buckets {
		if rank -= n; rank <= 0 {
			return time.Duration(math.Exp2(float64(i+1) / latencySteps))
		}
	}
	return time.Duration(math.Exp2(latencyBuckets / latencySteps))
}
