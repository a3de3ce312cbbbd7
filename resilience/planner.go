package resilience

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// An Attempt is one attempt of a call, as a [Planner] has to know it.
type Attempt struct {
	// Number is 1 for the first attempt of a call.
	Number int
	// Err is what the attempt ended with; nil if it succeeded. A code is enough: errors.Unavailable.
	Err error
	// RetryAfter is how long the other side asked to wait. Zero: what errors.RetryAfter(Err) says.
	RetryAfter time.Duration
	// Exhausted says that the other side used up its own attempts. False: what errors.Exhausted(Err)
	// says.
	Exhausted bool
	// Idempotent says that a second execution does no harm. False: what [RetryConfig] says.
	Idempotent bool
	// Paid says that the budget has paid for the call, which is a hedge: no budget earns from it.
	Paid bool
	// Budget pays for the retry. Nil: the planner's own.
	Budget *Budget
}

// A Verdict is what becomes of a call after an attempt.
type Verdict uint8

const (
	// Again: wait, then make another attempt.
	Again Verdict = iota
	// StopSuccess: the attempt succeeded.
	StopSuccess
	// StopFinal: the same call would fail in the same way, or may not be made twice.
	StopFinal
	// StopCircuitOpen: a circuit breaker refused the attempt, and will refuse the next.
	StopCircuitOpen
	// StopThrottled: a throttle refused the attempt; to ask it again would count as more load.
	StopThrottled
	// StopExhausted: a layer below used up its attempts. Retries happen in one layer.
	StopExhausted
	// StopCanceled: the caller went away.
	StopCanceled
	// StopAttempts: that was the last attempt.
	StopAttempts
	// StopRetryAfter: the other side asked for a longer wait than is allowed.
	StopRetryAfter
	// StopDeadline: the wait would not end before the call's deadline.
	StopDeadline
	// StopBudget: the retry budget is empty.
	StopBudget
)

var verdicts = [...]string{
	Again:           "again",
	StopSuccess:     "success",
	StopFinal:       "final",
	StopCircuitOpen: "circuit_open",
	StopThrottled:   "throttled",
	StopExhausted:   "exhausted",
	StopCanceled:    "canceled",
	StopAttempts:    "attempts",
	StopRetryAfter:  "retry_after",
	StopDeadline:    "deadline",
	StopBudget:      "budget",
}

// String returns the verdict in snake_case, as metrics carry it: "again", "attempts", "budget"…
func (v Verdict) String() string {
	if int(v) >= len(verdicts) {
		return "unknown"
	}
	return verdicts[v]
}

// Exhausted reports whether a call that stops with v after the attempt of that number is to be marked,
// so that layers further up do not start again: it failed in a way that more attempts might have
// cured, and this layer made more than one.
func (v Verdict) Exhausted(attempt int) bool {
	switch v {
	case StopAttempts, StopRetryAfter, StopDeadline, StopBudget:
		return attempt > 1
	}
	return v == StopExhausted
}

// A Planner decides after each attempt whether there is another, and when. It makes no attempt and
// does not sleep: [Retry] does that, and so can a loop of your own. It is safe for concurrent use, and
// one serves all calls to a destination.
//
//	for n := 1; ; n++ {
//		err := try(ctx)
//		attempt := resilience.Attempt{Number: n, Err: err}
//		wait, verdict := planner.Next(ctx, attempt)
//		if verdict != resilience.Again {
//			return planner.Result(attempt, verdict)
//		}
//		select {
//		case <-time.After(wait):
//		case <-ctx.Done():
//			return planner.Interrupted(ctx, attempt)
//		}
//	}
type Planner struct {
	name      string
	cfg       RetryConfig
	budget    *Budget
	telemetry *retryTelemetry
}

// NewPlanner returns a planner. The name is that of the destination or of the operation; metrics and
// log lines carry it. The error joins every fault of cfg.
func NewPlanner(name string, cfg RetryConfig) (*Planner, error) {
	cfg, err := cfg.resolve()
	if err := fault("retry", name, err); err != nil {
		return nil, err
	}
	return newPlanner(name, cfg), nil
}

func newPlanner(name string, cfg RetryConfig) *Planner {
	p := &Planner{name: name, cfg: cfg, budget: cfg.SharedBudget, telemetry: newRetryTelemetry(name, cfg)}
	if p.budget == nil {
		p.budget = newBudget(name, cfg.Budget)
	}
	return p
}

// Next decides what follows the attempt a of a call made with ctx. Only if the verdict is [Again] is
// there another attempt, after wait; the budget has then paid for it. Call Next after every attempt,
// the successful ones too: the first attempt of a call is what the budget earns from, and every
// attempt is counted in the metrics.
//
// The rules, in their order: a success, a caller that went away, an open circuit, a throttle and
// exhausted attempts below end the call. So does an error that the table of package errors does not let be retried: one
// that is not marked retryable, is deadline_exceeded and not idempotent, or is aborted and not the
// whole operation. Then the number of attempts, the wait (a RetryAfter is never undercut, and one
// beyond MaxRetryAfter ends the call), ctx's deadline, which is never slept past, and the budget.
func (p *Planner) Next(ctx context.Context, a Attempt) (wait time.Duration, verdict Verdict) {
	budget := a.Budget
	if budget == nil {
		budget = p.budget
	}
	if a.Number <= 1 && !a.Paid {
		budget.Request()
	}
	wait, verdict = p.decide(ctx, a)
	if verdict == Again && !budget.Withdraw() {
		wait, verdict = 0, StopBudget
		p.telemetry.budgetEmpty(ctx, budget)
	}
	p.telemetry.record(ctx, a, verdict, wait)
	return wait, verdict
}

// LogValue describes the effective policy and what is left of the budget.
func (p *Planner) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("attempts", p.cfg.Attempts),
		slog.Duration("base", max(p.cfg.Backoff.Base, 0)),
		slog.Duration("max", p.cfg.Backoff.Max),
		slog.Duration("throttle_base", p.cfg.throttled().Base),
		slog.Duration("max_retry_after", p.cfg.MaxRetryAfter),
		slog.Bool("idempotent", p.cfg.Idempotent),
		slog.Attr{Key: "budget", Value: p.budget.LogValue()},
	)
}

// Result returns the error that the caller of a call gets which stopped with v after a: nil after a
// success, a.Err itself after a single attempt, and otherwise a.Err in an [*AttemptsError] with the
// count; marked by errors.MarkExhausted where [Verdict.Exhausted] says so.
func (p *Planner) Result(a Attempt, v Verdict) error {
	err := a.Err
	if err == nil || a.Number <= 1 {
		return err
	}
	err = &AttemptsError{Name: p.name, Attempts: a.Number, Err: err}
	if v.Exhausted(a.Number) {
		return errors.MarkExhausted(err)
	}
	return err
}

// Interrupted returns the error of a call whose ctx was done before the wait after a was over, and
// counts the call's end in the metrics. Its code is that of ctx's error; the error of a is found in it
// by errors.Is and errors.As. After more attempts than one it is an [*AttemptsError], as in Result.
func (p *Planner) Interrupted(ctx context.Context, a Attempt) error {
	verdict := gone(ctx)
	p.telemetry.ended(ctx, verdict)
	a.Err = &interruptedError{gone: ctx.Err(), last: a.Err}
	return p.Result(a, verdict)
}

func (p *Planner) decide(ctx context.Context, a Attempt) (time.Duration, Verdict) {
	if v := p.permit(ctx, a); v != Again {
		return 0, v
	}
	if a.Number >= p.cfg.Attempts {
		return 0, StopAttempts
	}
	after := a.RetryAfter
	if after <= 0 {
		after = errors.RetryAfter(a.Err)
	}
	if after > p.cfg.MaxRetryAfter {
		return 0, StopRetryAfter
	}
	wait := p.wait(a, after)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return 0, StopDeadline
	}
	return wait, Again
}

// permit says whether the attempt's end leaves room for another at all.
func (p *Planner) permit(ctx context.Context, a Attempt) Verdict {
	switch {
	case a.Err == nil:
		return StopSuccess
	case ctx.Err() != nil, overdue(ctx):
		return gone(ctx)
	case errors.Is(a.Err, ErrCircuitOpen):
		return StopCircuitOpen
	case errors.Is(a.Err, ErrThrottled):
		return StopThrottled
	case a.Exhausted, errors.Exhausted(a.Err):
		return StopExhausted
	}
	switch errors.RetryOf(a.Err) {
	case errors.RetryAlways:
		return Again
	case errors.RetryIdempotent:
		if a.Idempotent || p.cfg.Idempotent {
			return Again
		}
	case errors.RetryOperation:
		if p.cfg.WholeOperation {
			return Again
		}
	}
	return StopFinal
}

// gone says why there is no time for another attempt.
func gone(ctx context.Context) Verdict {
	if errors.Is(ctx.Err(), context.Canceled) {
		return StopCanceled
	}
	return StopDeadline
}

// wait never undercuts after, and spreads clients that were all told the same.
func (p *Planner) wait(a Attempt, after time.Duration) time.Duration {
	if after > 0 {
		spread := upTo(p.cfg.Backoff.randomPart(p.cfg.Backoff.bound(a.Number)))
		return min(after, math.MaxInt64-spread) + spread
	}
	if errors.CodeOf(a.Err) == errors.ResourceExhausted {
		return p.cfg.throttled().Wait(a.Number)
	}
	return p.cfg.Backoff.Wait(a.Number)
}
