package resilience_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// planCase is one decision. The same table runs through Planner.Next and through Retry.Do.
type planCase struct {
	name     string
	cfg      resilience.RetryConfig // Backoff is exact
	deadline time.Duration          // of the context; 0: none
	attempt  resilience.Attempt     // Number 0 is 1
	wait     time.Duration
	verdict  resilience.Verdict
}

var (
	throttled = errors.ResourceExhausted
	errOpen   = fmt.Errorf("ask: %w", resilience.ErrCircuitOpen)
)

func retryAfter(d time.Duration) error { return errors.Unavailable.New("").WithRetryAfter(d) }

var planCases = []planCase{
	{name: "a success ends the call", attempt: resilience.Attempt{}, verdict: resilience.StopSuccess},
	{name: "unavailable is tried again", attempt: resilience.Attempt{Err: errors.Unavailable}, wait: 100 * time.Millisecond},
	{name: "the second wait is longer", attempt: resilience.Attempt{Number: 2, Err: errors.Unavailable}, wait: 200 * time.Millisecond},
	{name: "the third attempt is the last", attempt: resilience.Attempt{Number: 3, Err: errors.Unavailable}, verdict: resilience.StopAttempts},
	{
		name: "five attempts if told so", cfg: resilience.RetryConfig{Attempts: 5},
		attempt: resilience.Attempt{Number: 4, Err: errors.Unavailable}, wait: 800 * time.Millisecond,
	},
	{
		name: "no retries if turned off", cfg: resilience.RetryConfig{Attempts: -1},
		attempt: resilience.Attempt{Err: errors.Unavailable}, verdict: resilience.StopAttempts,
	},
	{name: "an error without a code is final", attempt: resilience.Attempt{Err: errors.New("no")}, verdict: resilience.StopFinal},
	{name: "a mark allows it", attempt: resilience.Attempt{Err: errors.MarkRetryable(errors.New("no"), true)}, wait: 100 * time.Millisecond},
	{name: "a mark forbids it", attempt: resilience.Attempt{Err: errors.MarkRetryable(errors.Unavailable, false)}, verdict: resilience.StopFinal},
	{name: "a deadline may have been too late", attempt: resilience.Attempt{Err: errors.DeadlineExceeded}, verdict: resilience.StopFinal},
	{
		name: "a deadline of an idempotent operation", cfg: resilience.RetryConfig{Idempotent: true},
		attempt: resilience.Attempt{Err: context.DeadlineExceeded}, wait: 100 * time.Millisecond,
	},
	{name: "a deadline of an idempotent attempt", attempt: resilience.Attempt{Err: errors.DeadlineExceeded, Idempotent: true}, wait: 100 * time.Millisecond},
	{name: "aborted is for who reads again", attempt: resilience.Attempt{Err: errors.Aborted, Idempotent: true}, verdict: resilience.StopFinal},
	{
		name: "aborted, and the operation reads again", cfg: resilience.RetryConfig{WholeOperation: true},
		attempt: resilience.Attempt{Err: errors.Aborted}, wait: 100 * time.Millisecond,
	},
	{name: "throttling waits longer", attempt: resilience.Attempt{Err: throttled}, wait: second},
	{name: "throttling doubles as well", attempt: resilience.Attempt{Number: 2, Err: throttled}, wait: 2 * second},
	{
		name: "throttling as anything else if turned off", cfg: resilience.RetryConfig{ThrottleBase: -1},
		attempt: resilience.Attempt{Err: throttled}, wait: 100 * time.Millisecond,
	},
	{name: "what the other side asks for is honoured", attempt: resilience.Attempt{Err: retryAfter(3 * second)}, wait: 3 * second},
	{name: "also where it is short", attempt: resilience.Attempt{Number: 2, Err: retryAfter(time.Millisecond)}, wait: time.Millisecond},
	{name: "and after throttling", attempt: resilience.Attempt{Err: throttled.New("").WithRetryAfter(5 * second)}, wait: 5 * second},
	{name: "the longest wait that is honoured", attempt: resilience.Attempt{Err: retryAfter(10 * second)}, wait: 10 * second},
	{name: "a longer one is not shortened", attempt: resilience.Attempt{Err: retryAfter(10*second + 1)}, verdict: resilience.StopRetryAfter},
	{name: "nor does the longest of all overflow", attempt: resilience.Attempt{Err: retryAfter(math.MaxInt64)}, verdict: resilience.StopRetryAfter},
	{
		name: "the longest of all, and nobody minds", cfg: resilience.RetryConfig{MaxRetryAfter: -1},
		attempt: resilience.Attempt{Err: retryAfter(math.MaxInt64)}, deadline: time.Hour, verdict: resilience.StopDeadline,
	},
	{
		name:     "a wait that would end at the deadline is not begun",
		deadline: 100 * time.Millisecond, attempt: resilience.Attempt{Err: errors.Unavailable}, verdict: resilience.StopDeadline,
	},
	{
		name:     "one that ends before it is",
		deadline: 101 * time.Millisecond, attempt: resilience.Attempt{Err: errors.Unavailable}, wait: 100 * time.Millisecond,
	},
	{name: "a wait asked for that does not fit", deadline: 2 * second, attempt: resilience.Attempt{Err: retryAfter(3 * second)}, verdict: resilience.StopDeadline},
	{name: "no time is left", deadline: -1, attempt: resilience.Attempt{Err: errors.Unavailable}, verdict: resilience.StopDeadline},
	{name: "an open circuit will be open", attempt: resilience.Attempt{Err: errOpen}, verdict: resilience.StopCircuitOpen},
	{name: "a layer below has tried", attempt: resilience.Attempt{Err: errors.MarkExhausted(errors.Unavailable)}, verdict: resilience.StopExhausted},
	{name: "a mark above it does not undo that", attempt: resilience.Attempt{Err: errors.MarkRetryable(errors.MarkExhausted(errors.Unavailable), true)}, verdict: resilience.StopExhausted},
	{
		name: "no budget at all", cfg: resilience.RetryConfig{Budget: resilience.BudgetConfig{MinPerSecond: -1}},
		attempt: resilience.Attempt{Err: errors.Unavailable}, verdict: resilience.StopBudget,
	},
	{
		name: "a budget that is off", cfg: resilience.RetryConfig{Budget: resilience.BudgetConfig{Ratio: -1, MinPerSecond: -1}},
		attempt: resilience.Attempt{Err: errors.Unavailable}, wait: 100 * time.Millisecond,
	},
}

func (tc planCase) retry(t *testing.T) *resilience.Retry {
	tc.cfg.Backoff, tc.cfg.Logger = exact, quiet
	return must(resilience.NewRetry("inventory", tc.cfg))(t)
}

func (tc planCase) context(t *testing.T) (context.Context, context.CancelFunc) {
	if tc.deadline == 0 {
		return context.WithCancel(t.Context())
	}
	return context.WithTimeout(t.Context(), tc.deadline)
}

func TestPlannerDecides(t *testing.T) {
	for _, tc := range planCases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tc.context(t)
				defer cancel()
				tc.attempt.Number = max(tc.attempt.Number, 1)
				wait, verdict := tc.retry(t).Planner().Next(ctx, tc.attempt)
				if wait != tc.wait || verdict != tc.verdict {
					t.Errorf("got %v after %v, want %v after %v", verdict, wait, tc.verdict, tc.wait)
				}
			})
		})
	}
}

// TestRetryObeysThePlanner runs the planner's table through the loop: n attempts fail, and the next
// follows after the wait, or does not follow.
func TestRetryObeysThePlanner(t *testing.T) {
	for _, tc := range planCases {
		if tc.attempt.Idempotent {
			continue // said of an attempt, which Retry does not do
		}
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tc.context(t)
				defer cancel()
				failing := max(tc.attempt.Number, 1)
				quick := errors.MarkRetryable(retryAfter(1), true)
				made, ended, waited := 0, time.Time{}, time.Duration(-1)
				err := tc.retry(t).Do(ctx, func(context.Context) error {
					if made++; made > failing {
						waited = time.Since(ended)
						return nil
					}
					ended = time.Now()
					if made < failing {
						return quick
					}
					return tc.attempt.Err
				})
				again := waited >= 0
				if again != (tc.verdict == resilience.Again) || again && waited != tc.wait {
					t.Errorf("waited %v and made %d attempts (%v), want %v after %v", waited, made, err, tc.verdict, tc.wait)
				}
				if got := errors.Exhausted(err); err != nil && got != tc.verdict.Exhausted(made) {
					t.Errorf("%v is marked exhausted: %v", err, got)
				}
			})
		})
	}
}

func TestPlannerFollowsTheTableOfCodes(t *testing.T) {
	for _, code := range errors.Codes() {
		for _, cfg := range []resilience.RetryConfig{{}, {Idempotent: true}, {WholeOperation: true}} {
			want := resilience.StopFinal
			switch r := code.Retry(); {
			case r == errors.RetryAlways, r == errors.RetryIdempotent && cfg.Idempotent, r == errors.RetryOperation && cfg.WholeOperation:
				want = resilience.Again
			}
			planner := must(resilience.NewPlanner("inventory", cfg))(t)
			_, got := planner.Next(t.Context(), resilience.Attempt{Number: 1, Err: code})
			if got != want {
				t.Errorf("%v, idempotent %v, whole operation %v: %v, want %v", code, cfg.Idempotent, cfg.WholeOperation, got, want)
			}
		}
	}
}

func TestPlannerTakesHintsThatAreNotInTheError(t *testing.T) {
	planner := must(resilience.NewPlanner("inventory", resilience.RetryConfig{Backoff: exact}))(t)
	wait, verdict := planner.Next(t.Context(), resilience.Attempt{Number: 1, Err: errors.Unavailable, RetryAfter: 4 * second})
	if wait != 4*second || verdict != resilience.Again {
		t.Errorf("RetryAfter: %v after %v", verdict, wait)
	}
	_, verdict = planner.Next(t.Context(), resilience.Attempt{Number: 1, Err: errors.Unavailable, Exhausted: true})
	if verdict != resilience.StopExhausted {
		t.Errorf("Exhausted: %v", verdict)
	}
}

func TestPlannerSpreadsClientsThatWereToldTheSameButIsNeverEarly(t *testing.T) {
	planner := must(resilience.NewPlanner("inventory", resilience.RetryConfig{
		Budget: resilience.BudgetConfig{Ratio: -1},
	}))(t)
	waits := map[time.Duration]bool{}
	for range 100 {
		wait, _ := planner.Next(t.Context(), resilience.Attempt{Number: 1, Err: retryAfter(second)})
		if wait < second || wait > 1100*time.Millisecond {
			t.Fatalf("told to wait 1 s, waits %v", wait)
		}
		waits[wait] = true
	}
	if len(waits) < 50 {
		t.Errorf("100 clients wait %d different times", len(waits))
	}
}

func TestPlannerWaitsDoNotOverflow(t *testing.T) {
	planner := must(resilience.NewPlanner("inventory", resilience.RetryConfig{
		MaxRetryAfter: -1,
		Budget:        resilience.BudgetConfig{Ratio: -1},
	}))(t)
	for range 100 {
		wait, verdict := planner.Next(t.Context(), resilience.Attempt{Number: 1, Err: retryAfter(math.MaxInt64)})
		if verdict != resilience.Again || wait < math.MaxInt64-second {
			t.Fatalf("told to wait for ever: %v after %v", verdict, wait)
		}
	}
}

func TestPlannerDrawsOnTheBudgetOfTheAttempt(t *testing.T) {
	planner := must(resilience.NewPlanner("inventory", resilience.RetryConfig{Backoff: exact, Logger: quiet}))(t)
	empty := must(resilience.NewBudget("a", resilience.BudgetConfig{MinPerSecond: -1}))(t)
	a := resilience.Attempt{Number: 1, Err: errors.Unavailable, Budget: empty}
	if _, verdict := planner.Next(t.Context(), a); verdict != resilience.StopBudget {
		t.Errorf("verdict: %v", verdict)
	}
}

func TestPlannerCountsEachCallOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := must(resilience.NewBudget("inventory", resilience.BudgetConfig{Ratio: 0.5, MinPerSecond: -1}))(t)
		planner := must(resilience.NewPlanner("inventory", resilience.RetryConfig{SharedBudget: budget, Logger: quiet}))(t)
		for range 8 {
			planner.Next(t.Context(), resilience.Attempt{Number: 1})
		}
		for n := range 10 {
			planner.Next(t.Context(), resilience.Attempt{Number: n + 2})
		}
		if got := budget.Left(); got != 4 {
			t.Errorf("half of 8 calls may be retried, the budget says %d", got)
		}
	})
}

// A loop of somebody's own reports an interrupted wait in the same words as Retry.
func TestPlannerInterruptedIsWhatARetryReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := resilience.RetryConfig{Logger: quiet}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		want := must(resilience.NewRetry("inventory", cfg))(t).Do(ctx, returns(errors.Unavailable))
		planner := must(resilience.NewPlanner("inventory", cfg))(t)
		for number := 1; number <= 2; number++ {
			got := planner.Interrupted(ctx, resilience.Attempt{Number: number, Err: errors.Unavailable})
			if errors.CodeOf(got) != errors.Canceled || !errors.Is(got, errors.Unavailable) || errors.Exhausted(got) || errors.Retryable(got) {
				t.Errorf("attempt %d: %v", number, got)
			}
			attempts, ok := errors.AsType[*resilience.AttemptsError](got)
			if ok != (number > 1) || ok && attempts.Attempts != number || !ok && got.Error() != want.Error() {
				t.Errorf("attempt %d: %v, want %v", number, got, want)
			}
		}
	})
}

func TestVerdictTextsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for v := resilience.Again; v <= resilience.StopBudget; v++ {
		if text := v.String(); text == "" || text == "unknown" || seen[text] {
			t.Errorf("verdict %d is called %q", v, text)
		} else {
			seen[text] = true
		}
	}
	if got := resilience.Verdict(200).String(); got != "unknown" {
		t.Errorf("a verdict that does not exist is called %q", got)
	}
}

func TestNewRetryNamesEveryFault(t *testing.T) {
	shared := must(resilience.NewBudget("shared", resilience.BudgetConfig{}))(t)
	_, err := resilience.NewRetry("", resilience.RetryConfig{
		Backoff:      resilience.Backoff{Base: time.Minute, Max: time.Second, Jitter: 3},
		ThrottleBase: time.Hour,
		Budget:       resilience.BudgetConfig{Ratio: 7, Window: -1},
		SharedBudget: shared,
	})
	for _, want := range []string{"name: is empty", "Base: 1m0s", "Jitter: 3", "ThrottleBase: 1h0m0s", "Ratio: 7", "Window: -1ns", "SharedBudget"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}

// A client that makes a planner and a registry of one config names each fault once, by the name that the
// field has in the client's own config.
func TestConfigsValidateByTheNamesOfTheirFields(t *testing.T) {
	err := resilience.RetryConfig{Budget: resilience.BudgetConfig{Ratio: 7}, ThrottleBase: time.Hour}.Validate()
	if want := "ThrottleBase: 1h0m0s is more than Backoff.Max, 2s\nBudget: Ratio: 7 is not a share from 0 to 1"; err == nil || err.Error() != want {
		t.Errorf("error: %v", err)
	}
	err = resilience.BreakerConfig{OpenFor: -1, Spread: 2}.Validate()
	if want := "OpenFor: -1ns is negative; a breaker is turned off by a negative FailureRatio\nSpread: 2 is not a part from 0 to 1"; err == nil || err.Error() != want {
		t.Errorf("error: %v", err)
	}
	for _, err := range []error{resilience.RetryConfig{}.Validate(), resilience.BreakerConfig{}.Validate()} {
		if err != nil {
			t.Error(err)
		}
	}
}
