package resilience_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

func newRetry(t testing.TB, cfg resilience.RetryConfig) *resilience.Retry {
	t.Helper()
	cfg.Backoff, cfg.Logger = exact, quiet
	return must(resilience.NewRetry("inventory", cfg))(t)
}

func TestRetryReturnsTheErrorOfASingleAttemptAsItIs(t *testing.T) {
	for _, want := range []error{errors.NotFound.New("No such item."), errOpen, errors.MarkExhausted(errors.Unavailable)} {
		if got := newRetry(t, resilience.RetryConfig{}).Do(t.Context(), returns(want)); got != want {
			t.Errorf("got %v (%T), want %v", got, got, want)
		}
	}
	unavailable := errors.Unavailable.New("")
	if got := newRetry(t, resilience.RetryConfig{Attempts: -1}).Do(t.Context(), returns(unavailable)); got != error(unavailable) {
		t.Errorf("retries off: got %v (%T)", got, got)
	}
}

func TestRetryReturnsTheOriginalErrorWhenTheBudgetIsEmpty(t *testing.T) {
	retry := newRetry(t, resilience.RetryConfig{Budget: resilience.BudgetConfig{MinPerSecond: -1}})
	want := errors.Unavailable.New("")
	if got := retry.Do(t.Context(), returns(want)); got != error(want) {
		t.Errorf("got %v (%T)", got, got)
	}
}

func TestRetryReturnsTheLastErrorWithTheCountAndMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := errors.Unavailable.New("Closed.").WithReason("inventory", "STOCKTAKING")
		start := time.Now()
		err := newRetry(t, resilience.RetryConfig{}).Do(t.Context(), returns(errors.Unavailable, throttled, last))
		attempts, ok := errors.AsType[*resilience.AttemptsError](err)
		if !ok || attempts.Attempts != 3 || attempts.Name != "inventory" {
			t.Errorf("count: %+v", attempts)
		}
		if got, ok := errors.AsType[*errors.Error](err); !ok || got != last || !errors.Is(err, last) {
			t.Errorf("the last error is not found in %v", err)
		}
		if !errors.Exhausted(err) || errors.CodeOf(err) != errors.Unavailable || !errors.Retryable(err) {
			t.Errorf("exhausted %v, code %v, retryable %v", errors.Exhausted(err), errors.CodeOf(err), errors.Retryable(err))
		}
		const text = "inventory: after 3 attempts: unavailable (STOCKTAKING): Closed."
		if err.Error() != text {
			t.Errorf("text: %s", err)
		}
		if got, want := time.Since(start), 100*time.Millisecond+2*second; got != want {
			t.Errorf("took %v, want %v", got, want)
		}
	})
}

func TestRetryDoesNotMarkWhatMoreAttemptsWouldNotCure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := newRetry(t, resilience.RetryConfig{}).Do(t.Context(), returns(errors.Unavailable, errors.NotFound))
		attempts, ok := errors.AsType[*resilience.AttemptsError](err)
		if !ok || attempts.Attempts != 2 || errors.Exhausted(err) || errors.CodeOf(err) != errors.NotFound {
			t.Errorf("got %v, exhausted %v", err, errors.Exhausted(err))
		}
	})
}

func TestRetryReturnsTheOutcomeInsteadOfSleepingPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := newRetry(t, resilience.RetryConfig{}).Do(ctx, returns(repeat(errors.Unavailable, 9)...))
		if got := time.Since(start); got != 100*time.Millisecond {
			t.Errorf("returned after %v, want 100 ms: the second wait does not fit", got)
		}
		if errors.CodeOf(err) != errors.Unavailable || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error: %v", err)
		}
	})
}

func TestRetryEndsAtOnceWhenTheCallerGoesAwayDuringAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(40*time.Millisecond, cancel)
		last := fmt.Errorf("ask: %w", errors.Unavailable.New(""))
		start := time.Now()
		err := newRetry(t, resilience.RetryConfig{}).Do(ctx, returns(last, last, last))
		if got := time.Since(start); got != 40*time.Millisecond {
			t.Errorf("returned after %v", got)
		}
		if errors.CodeOf(err) != errors.Canceled || !errors.Is(err, context.Canceled) || errors.Exhausted(err) {
			t.Errorf("code %v of %v", errors.CodeOf(err), err)
		}
		if _, ok := errors.AsType[*errors.Error](err); !errors.Is(err, last) || !ok {
			t.Errorf("the last attempt's error is not found in %v", err)
		}
		if errors.Retryable(err) {
			t.Errorf("%v is retryable", err)
		}
	})
}

func TestRetrySharesABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := must(resilience.NewBudget("inventory", resilience.BudgetConfig{MinPerSecond: 0.3}))(t)
		a := newRetry(t, resilience.RetryConfig{SharedBudget: budget})
		b := newRetry(t, resilience.RetryConfig{SharedBudget: budget})
		made := 0
		op := func(context.Context) error { made++; return errors.Unavailable }
		_ = a.Do(t.Context(), op) // 2 retries of the 3 that there are
		_ = b.Do(t.Context(), op) // 1
		_ = b.Do(t.Context(), op) // 0
		if made != 3+3 {
			t.Errorf("%d attempts, want 3 calls and 3 retries", made)
		}
	})
}
