package resilience_test

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

func newRateLimit(t testing.TB, cfg resilience.RateLimitConfig) *resilience.RateLimit {
	t.Helper()
	return must(resilience.NewRateLimit("vendor", cfg))(t)
}

func TestRateLimitLetsABurstBeginAndThenTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, resilience.RateLimitConfig{PerSecond: 10, Burst: 3})
		start := time.Now()
		for n, want := range []time.Duration{0, 0, 0, 100 * time.Millisecond, 200 * time.Millisecond} {
			if err := l.Do(t.Context(), returns()); err != nil || time.Since(start) != want {
				t.Errorf("operation %d after %v, want %v: %v", n, time.Since(start), want, err)
			}
		}
	})
}

func TestRateLimitRefusesAtOnceWhatWouldWaitTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, resilience.RateLimitConfig{PerSecond: 0.5})
		_ = l.Do(t.Context(), returns())
		for range 3 { // a refused one takes nothing
			start := time.Now()
			err := l.Do(t.Context(), func(context.Context) error { t.Error("called"); return nil })
			refused, ok := errors.AsType[*resilience.RateError](err)
			if !ok || refused.Limit() != "vendor" || time.Since(start) != 0 || errors.RetryAfter(err) != 2*second {
				t.Errorf("after %v: %v, retry after %v", time.Since(start), err, errors.RetryAfter(err))
			}
			if errors.CodeOf(err) != errors.ResourceExhausted || !errors.Is(err, resilience.ErrRateLimited) || !errors.Is(err, errors.ResourceExhausted) {
				t.Errorf("code %v of %v", errors.CodeOf(err), err)
			}
		}
		time.Sleep(2 * second)
		if err := l.Do(t.Context(), returns()); err != nil {
			t.Error(err)
		}
	})
}

func TestRateLimitDoesNotWaitPastADeadlineNorIfToldNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, resilience.RateLimitConfig{PerSecond: 2, Burst: 1})
		_ = l.Wait(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := l.Wait(ctx); !errors.Is(err, resilience.ErrRateLimited) || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		l = newRateLimit(t, resilience.RateLimitConfig{PerSecond: 100, Burst: -1, MaxWait: -1})
		_ = l.Wait(t.Context())
		if err := l.Wait(t.Context()); !errors.Is(err, resilience.ErrRateLimited) {
			t.Errorf("told not to wait: %v", err)
		}
	})
}

func TestRateLimitGivesATurnBackWhoseCallerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, resilience.RateLimitConfig{PerSecond: 2, Burst: 1, MaxWait: time.Minute})
		_ = l.Wait(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if err := l.Wait(ctx); errors.CodeOf(err) != errors.Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("error: %v", err)
		}
		start := time.Now()
		if err := l.Wait(t.Context()); err != nil || time.Since(start) != 400*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if err := l.Wait(ctx); err != context.Canceled {
			t.Errorf("a caller that is gone already: %v", err)
		}
	})
}

func TestRateLimitHoldsOverALongTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, resilience.RateLimitConfig{PerSecond: 7})
		begun := 0
		for range 100 * 60 { // a hundred a second for a minute
			if l.Do(t.Context(), func(context.Context) error { begun++; return nil }) != nil {
				time.Sleep(10 * time.Millisecond)
			}
			if begun >= 427 {
				break
			}
		}
		if begun != 427 {
			t.Errorf("%d begun", begun)
		}
	})
}

func TestNewRateLimitNamesEveryFault(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		_, err := resilience.NewRateLimit("", resilience.RateLimitConfig{PerSecond: rate})
		for _, want := range []string{"name: is empty", "PerSecond: "} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error does not mention %q: %v", want, err)
			}
		}
	}
}

// A reservation of golang.org/x/time/rate that is cancelled gives nothing back if another was made after it.
func TestRateLimitTakesNothingForWhatItRefusesAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, resilience.RateLimitConfig{PerSecond: 1, MaxWait: -1})
		if err := l.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		for range 16 {
			callers.Go(func() {
				for range 2000 {
					if l.Wait(t.Context()) == nil {
						t.Error("two in a second")
					}
				}
			})
		}
		callers.Wait()
		time.Sleep(time.Second)
		if err := l.Wait(t.Context()); err != nil {
			t.Errorf("a second after the first, and many that were refused: %v", err)
		}
	})
}
