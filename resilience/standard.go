package resilience

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"go.opentelemetry.io/otel/metric"
)

// StandardConfig configures a [Pipeline].
type StandardConfig struct {
	// Total limits a call with all its attempts and waits. Zero: 30 s. Negative: no limit but the
	// context's.
	Total time.Duration
	// Bulkhead bounds how many calls run at a time. Zero: 1000, and 100 in a queue.
	Bulkhead BulkheadConfig
	// Retry says how often and when a call is tried again. Zero: 3 attempts in all.
	Retry RetryConfig
	// Hedge makes a second attempt beside one that takes long. It shares the budget of Retry, and needs
	// no Idempotent where Retry has it. Nil: no hedges.
	Hedge *HedgeConfig
	// RateLimit bounds how many attempts begin a second. Nil: no limit.
	RateLimit *RateLimitConfig
	// Throttle refuses calls while the destination is overloaded. Nil: none are refused.
	Throttle *ThrottleConfig
	// Adaptive bounds how many attempts run at a time by how long they take. Nil: Bulkhead alone does.
	Adaptive *AdaptiveConfig
	// Breaker says when to stop calling. Zero: at 50 % failures of at least 20 calls in 10 s. A zero
	// ProbeTimeout is Attempt's value.
	Breaker BreakerConfig
	// Attempt limits one attempt. Zero: a third of Total, at most 10 s. Negative: no limit of its own.
	Attempt time.Duration
	// Logger is that of all parts that have none. Nil: slog.Default().
	Logger *slog.Logger
	// MeterProvider is that of all parts that have none. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// resolve returns c with its defaults, and every fault of c.
func (c StandardConfig) resolve() (StandardConfig, error) {
	c.inherit()
	c.Total = max(orDefault(c.Total, 30*time.Second), 0)
	if c.Attempt == 0 {
		c.Attempt = 10 * time.Second
		if c.Total > 0 {
			c.Attempt = min(c.Attempt, c.Total/3)
		}
	}
	c.Attempt = max(c.Attempt, 0)
	var faults []error
	if c.Total > 0 && c.Attempt >= c.Total {
		faults = append(faults, inField("Attempt", fmt.Errorf("%v is not less than Total, %v", c.Attempt, c.Total)))
	}
	if c.Breaker.ProbeTimeout > 0 && c.Breaker.ProbeTimeout < c.Attempt {
		faults = append(faults, inField("Breaker.ProbeTimeout", fmt.Errorf("%v is less than Attempt, %v", c.Breaker.ProbeTimeout, c.Attempt)))
	}
	c.Breaker.ProbeTimeout = orDefault(c.Breaker.ProbeTimeout, c.Attempt)
	var err [3]error
	c.Bulkhead, err[0] = c.Bulkhead.resolve()
	c.Retry, err[1] = c.Retry.resolve()
	c.Breaker, err[2] = c.Breaker.resolve()
	faults = append(faults, inField("Bulkhead", err[0]), inField("Retry", err[1]), inField("Breaker", err[2]))
	return c, errors.Join(append(faults, c.resolveOptional())...)
}

// resolveOptional resolves those parts that need not be there, in copies.
func (c *StandardConfig) resolveOptional() error {
	var err [4]error
	if c.Hedge != nil {
		c.Hedge, err[0] = c.resolveHedge(*c.Hedge)
	}
	if c.RateLimit != nil {
		limit, fault := c.RateLimit.resolve()
		limit.MeterProvider = orDefault(limit.MeterProvider, c.MeterProvider)
		c.RateLimit, err[1] = &limit, inField("RateLimit", fault)
	}
	if c.Throttle != nil {
		throttle, fault := c.Throttle.resolve()
		throttle.MeterProvider = orDefault(throttle.MeterProvider, c.MeterProvider)
		c.Throttle, err[2] = &throttle, inField("Throttle", fault)
	}
	if c.Adaptive != nil {
		adaptive, fault := c.Adaptive.resolve()
		adaptive.Logger = orDefault(adaptive.Logger, c.Logger)
		adaptive.MeterProvider = orDefault(adaptive.MeterProvider, c.MeterProvider)
		c.Adaptive, err[3] = &adaptive, inField("Adaptive", fault)
	}
	return errors.Join(err[:]...)
}

func (c *StandardConfig) resolveHedge(hedge HedgeConfig) (*HedgeConfig, error) {
	var shared error
	if hedge.SharedBudget != nil || hedge.Budget != (BudgetConfig{}) {
		shared = errors.New("Hedge: Budget: is given, but hedges draw on the budget of Retry")
	}
	hedge.Budget = BudgetConfig{}
	hedge.Idempotent = hedge.Idempotent || c.Retry.Idempotent
	hedge, err := hedge.resolve()
	hedge.MeterProvider = orDefault(hedge.MeterProvider, c.MeterProvider)
	return &hedge, errors.Join(shared, inField("Hedge", err))
}

func (c *StandardConfig) inherit() {
	c.Retry.Logger = orDefault(c.Retry.Logger, c.Logger)
	c.Breaker.Logger = orDefault(c.Breaker.Logger, c.Logger)
	c.Bulkhead.MeterProvider = orDefault(c.Bulkhead.MeterProvider, c.MeterProvider)
	c.Retry.MeterProvider = orDefault(c.Retry.MeterProvider, c.MeterProvider)
	c.Breaker.MeterProvider = orDefault(c.Breaker.MeterProvider, c.MeterProvider)
}

// A Pipeline is the policies that a call to another service needs, in the one order that is right;
// see [Standard]. It is safe for concurrent use.
type Pipeline struct {
	name     string
	total    *Timeout // nil: none
	bulkhead *Bulkhead
	retry    *Retry
	around   Policy // what there is of hedge, rate limit, throttle and adaptive limit; nil: nothing
	optional []optionalPart
	breaker  *Breaker
	attempt  *Timeout // nil: none
}

// Standard returns the pipeline for calls to the destination called name, one for all of them. From
// the outside in:
//
//  1. the total time limit, so that whatever happens inside, a caller knows when it ends;
//  2. the bulkhead, which a call holds from its first attempt to its last;
//  3. the retries, which wait outside of the breaker: it would count a wait as a slow call;
//  4. where they are given, the hedge, the rate limit, the throttle and the adaptive limit, which see
//     every attempt, of the retries as of the hedge;
//  5. the breaker, which sees every attempt that they let out;
//  6. the time limit of one attempt.
//
// It does what Chain of these does, with one timer at a time instead of two. The error joins every
// fault of cfg.
func Standard(name string, cfg StandardConfig) (*Pipeline, error) {
	cfg, err := cfg.resolve()
	if err := fault("pipeline", name, err); err != nil {
		return nil, err
	}
	p := &Pipeline{
		name:     name,
		bulkhead: newBulkhead(name, cfg.Bulkhead),
		retry:    &Retry{planner: newPlanner(name, cfg.Retry)},
		breaker:  newBreaker(name, cfg.Breaker, newBreakerTelemetry(cfg.Breaker, attrName.String(name))),
	}
	if cfg.Total > 0 {
		p.total = &Timeout{name: name, limit: cfg.Total}
	}
	if cfg.Attempt > 0 {
		p.attempt = &Timeout{name: name, limit: cfg.Attempt}
	}
	p.addOptional(cfg)
	policy.Register("pipeline", name, p)
	observeBreakers(cfg.Breaker.MeterProvider, p.breaker, func(b *Breaker, report func(*Breaker)) { report(b) })
	return p, nil
}

// optionalPart is one that there may be, for the description.
type optionalPart struct {
	key  string
	part slog.LogValuer
}

func (p *Pipeline) addOptional(cfg StandardConfig) {
	var around chain
	add := func(key string, part interface {
		Policy
		slog.LogValuer
	}) {
		around = append(around, part)
		p.optional = append(p.optional, optionalPart{key, part})
	}
	if cfg.Hedge != nil {
		cfg.Hedge.SharedBudget = p.Budget()
		add("hedge", newHedge(p.name, *cfg.Hedge))
	}
	if cfg.RateLimit != nil {
		add("rate_limit", newRateLimit(p.name, *cfg.RateLimit))
	}
	if cfg.Throttle != nil {
		add("throttle", newThrottle(p.name, *cfg.Throttle))
	}
	if cfg.Adaptive != nil {
		add("adaptive", newAdaptiveLimit(p.name, *cfg.Adaptive))
	}
	if len(around) > 0 {
		p.around = around
	}
}

// Do calls op under the pipeline. The errors are those of the policies: [*TimeoutError] and
// [*AttemptsError], in which what op returned is found; [*FullError], [*OpenError], and those of the
// optional parts.
func (p *Pipeline) Do(ctx context.Context, op func(context.Context) error) error {
	bounded := p.bound(ctx)
	if err := p.bulkhead.enter(bounded); err != nil {
		return p.explain(ctx, bounded, err)
	}
	defer p.bulkhead.leave()
	timer := bounded != ctx // is needed to end the call in time
	err := p.retry.Do(bounded, func(context.Context) error {
		if p.around == nil {
			return p.try(ctx, bounded, timer, op)
		}
		return p.around.Do(bounded, func(inner context.Context) error { return p.try(inner, inner, timer, op) })
	})
	return p.explain(ctx, bounded, err)
}

// Breaker returns the pipeline's breaker, for its state.
func (p *Pipeline) Breaker() *Breaker { return p.breaker }

// Budget returns the pipeline's retry budget, for another policy that calls the same destination.
func (p *Pipeline) Budget() *Budget { return p.retry.planner.budget }

// LogValue describes the effective policy and its state.
func (p *Pipeline) LogValue() slog.Value {
	attrs := []slog.Attr{
		{Key: "total", Value: p.total.LogValue()},
		{Key: "bulkhead", Value: p.bulkhead.LogValue()},
		{Key: "retry", Value: p.retry.LogValue()},
	}
	for _, o := range p.optional {
		attrs = append(attrs, slog.Attr{Key: o.key, Value: o.part.LogValue()})
	}
	return slog.GroupValue(append(attrs,
		slog.Attr{Key: "breaker", Value: p.breaker.LogValue()},
		slog.Attr{Key: "attempt", Value: p.attempt.LogValue()},
	)...)
}

// try makes one attempt.
func (p *Pipeline) try(ctx, bounded context.Context, timer bool, op func(context.Context) error) error {
	permit, err := p.breaker.acquire(bounded)
	if err != nil {
		return err
	}
	outcome := Failure // if op panics
	defer func() { p.breaker.settle(permit, outcome) }()
	err = p.run(ctx, bounded, timer, op)
	outcome = Classify(bounded, err)
	return err
}

// run calls op with a context that ends at the attempt's limit or at the call's deadline, whichever
// comes first: one timer serves both. Where the caller's own deadline comes first, there is none.
func (p *Pipeline) run(ctx, bounded context.Context, timer bool, op func(context.Context) error) error {
	end, own := p.attemptEnd(bounded)
	if !own && !timer {
		return op(ctx)
	}
	limited, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	err := op(limited)
	if own && err != nil && limited.Err() == context.DeadlineExceeded && ctx.Err() == nil {
		return p.attempt.explain(err)
	}
	return err
}

// attemptEnd returns when an attempt that starts now must end; own if that is for its own limit.
func (p *Pipeline) attemptEnd(bounded context.Context) (end time.Time, own bool) {
	end, limited := bounded.Deadline()
	if p.attempt == nil {
		return end, false
	}
	if limit := time.Now().Add(p.attempt.limit); !limited || limit.Before(end) {
		return limit, true
	}
	return end, false
}

// bound returns ctx with the deadline of the whole call, or ctx itself if it ends sooner.
func (p *Pipeline) bound(ctx context.Context) context.Context {
	if p.total == nil {
		return ctx
	}
	end := time.Now().Add(p.total.limit)
	if deadline, ok := ctx.Deadline(); ok && !deadline.After(end) {
		return ctx
	}
	return &boundContext{Context: ctx, end: end}
}

// explain says so if it was the limit of the whole call that ended it.
func (p *Pipeline) explain(ctx, bounded context.Context, err error) error {
	if err == nil || bounded == ctx || ctx.Err() != nil || !overdue(bounded) {
		return err
	}
	return p.total.explain(err)
}

// A boundContext has a deadline that nothing enforces, so it costs no timer. What waits under it inside
// this package looks at the deadline; operations never see it.
type boundContext struct {
	context.Context
	end time.Time
}

func (c *boundContext) Deadline() (time.Time, bool) { return c.end, true }

func overdue(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= 0
}
