package resilience_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
)

func newPipeline(t testing.TB, cfg resilience.StandardConfig) *resilience.Pipeline {
	t.Helper()
	cfg.Logger = quiet
	cfg.Retry.Backoff = exact
	cfg.Breaker.Spread = -1
	return must(resilience.Standard("inventory", cfg))(t)
}

func TestStandardRetriesUntilAnAttemptSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := newPipeline(t, resilience.StandardConfig{}).Do(t.Context(), returns(errors.Unavailable, errors.Unavailable))
		if err != nil || time.Since(start) != 300*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestStandardLimitsEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		attempts := 0
		cfg := resilience.StandardConfig{Retry: resilience.RetryConfig{Idempotent: true}}
		err := newPipeline(t, cfg).Do(t.Context(), func(ctx context.Context) error {
			if attempts++; attempts == 2 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if err != nil || time.Since(start) != 10*second+100*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestStandardLimitsTheWholeCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		cfg := resilience.StandardConfig{Retry: resilience.RetryConfig{Idempotent: true, Attempts: 9}}
		err := newPipeline(t, cfg).Do(t.Context(), untilDone(nil))
		if got := time.Since(start); got != 30*second {
			t.Errorf("ended after %v", got)
		}
		const text = "inventory: not done within 30s: inventory: after 3 attempts: context deadline exceeded"
		ended, ok := errors.AsType[*resilience.TimeoutError](err)
		if !ok || ended.Limit != 30*second || errors.CodeOf(err) != errors.DeadlineExceeded || err.Error() != text {
			t.Errorf("error: %v", err)
		}
		if !errors.Exhausted(err) {
			t.Error("not marked exhausted after three attempts")
		}
	})
}

func TestStandardShowsOperationsTheNearerDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		remaining := func(ctx context.Context, cfg resilience.StandardConfig) (got time.Duration) {
			_ = newPipeline(t, cfg).Do(ctx, func(ctx context.Context) error {
				if deadline, ok := ctx.Deadline(); ok {
					got = time.Until(deadline)
				}
				return nil
			})
			return got
		}
		near, cancel := context.WithTimeout(t.Context(), 3*second)
		defer cancel()
		far, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for name, tc := range map[string]struct {
			ctx  context.Context
			cfg  resilience.StandardConfig
			want time.Duration
		}{
			"the attempt's":                   {t.Context(), resilience.StandardConfig{}, 10 * second},
			"the caller's":                    {near, resilience.StandardConfig{}, 3 * second},
			"the attempt's again":             {far, resilience.StandardConfig{}, 10 * second},
			"the whole call's":                {t.Context(), resilience.StandardConfig{Attempt: -1}, 30 * second},
			"the whole call's, far caller":    {far, resilience.StandardConfig{Attempt: -1}, 30 * second},
			"a third of the whole call's":     {far, resilience.StandardConfig{Total: 6 * second}, 2 * second},
			"only the attempt's":              {t.Context(), resilience.StandardConfig{Total: -1}, 10 * second},
			"none":                            {t.Context(), resilience.StandardConfig{Total: -1, Attempt: -1}, 0},
			"the caller's, nothing else":      {near, resilience.StandardConfig{Total: -1, Attempt: -1}, 3 * second},
			"the caller's, no attempt's":      {near, resilience.StandardConfig{Attempt: -1}, 3 * second},
			"an attempt's longer than a wait": {far, resilience.StandardConfig{Total: time.Hour, Attempt: time.Minute}, time.Minute},
		} {
			if got := remaining(tc.ctx, tc.cfg); got != tc.want {
				t.Errorf("%s: an operation sees %v, want %v", name, got, tc.want)
			}
		}
	})
}

func TestStandardBreakerSeesEveryAttemptAndIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline(t, resilience.StandardConfig{Retry: resilience.RetryConfig{Budget: resilience.BudgetConfig{Ratio: -1}}})
		attempts := 0
		op := func(context.Context) error { attempts++; return errors.Unavailable }
		for range 7 {
			_ = p.Do(t.Context(), op)
		}
		if attempts != 20 || p.Breaker().State() != resilience.Open {
			t.Errorf("the breaker is %v after %d attempts", p.Breaker().State(), attempts)
		}
		start := time.Now()
		err := p.Do(t.Context(), op)
		if !errors.Is(err, resilience.ErrCircuitOpen) || time.Since(start) != 0 || attempts != 20 {
			t.Errorf("after %v and %d attempts: %v", time.Since(start), attempts, err)
		}
	})
}

func TestStandardHungProbesGiveTheirPlacesBackAfterTheAttemptsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline(t, resilience.StandardConfig{Attempt: 2 * second})
		open(t, p.Breaker())
		time.Sleep(5 * second)
		for range 3 {
			if _, err := p.Breaker().Allow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * second)
		if err := p.Do(t.Context(), returns()); err != nil {
			t.Errorf("error: %v", err)
		}
	})
}

func TestStandardQueueEndsWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline(t, resilience.StandardConfig{
			Total:    3 * second,
			Bulkhead: resilience.BulkheadConfig{MaxConcurrent: 1, MaxWait: time.Hour},
		})
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			_ = p.Do(t.Context(), func(context.Context) error { time.Sleep(time.Minute); return nil })
		})
		synctest.Wait()
		start := time.Now()
		err := p.Do(t.Context(), func(context.Context) error { t.Error("called"); return nil })
		if _, ok := errors.AsType[*resilience.TimeoutError](err); !ok || time.Since(start) != 3*second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestStandardEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline(t, resilience.StandardConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(second, cancel)
		start := time.Now()
		err := p.Do(ctx, untilDone(nil))
		if err != context.Canceled || time.Since(start) != second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestStandardDoesNotClaimTheCallersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := newPipeline(t, resilience.StandardConfig{Attempt: -1}).Do(ctx, func(limited context.Context) error {
			<-limited.Done()
			cancel()
			return limited.Err()
		})
		if err != context.DeadlineExceeded {
			t.Errorf("the caller's cancellation, just after the limit: %v", err)
		}
	})
}

// TestStandardDoesWhatAChainDoes runs the same calls through a pipeline and through a chain of its five
// policies, which arms a timer for each limit.
func TestStandardDoesWhatAChainDoes(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		t.Run(fmt.Sprintf("idempotent %v", idempotent), func(t *testing.T) {
			compareWithChain(t, resilience.RetryConfig{Backoff: exact, Idempotent: idempotent, Logger: quiet})
		})
	}
}

func compareWithChain(t *testing.T, retry resilience.RetryConfig) {
	breaker := resilience.BreakerConfig{Spread: -1, MinCalls: 3, ProbeTimeout: 2 * second, Logger: quiet}
	bulkhead := resilience.BulkheadConfig{MaxConcurrent: 2, MaxQueue: 1}
	policies := map[string]func(t *testing.T) resilience.Policy{
		"pipeline": func(t *testing.T) resilience.Policy {
			return must(resilience.Standard("inventory", resilience.StandardConfig{
				Total: 5 * second, Bulkhead: bulkhead, Retry: retry, Breaker: breaker, Attempt: 2 * second,
			}))(t)
		},
		"chain": func(t *testing.T) resilience.Policy {
			return resilience.Chain(
				must(resilience.NewTimeout("inventory", 5*second))(t),
				must(resilience.NewBulkhead("inventory", bulkhead))(t),
				must(resilience.NewRetry("inventory", retry))(t),
				must(resilience.NewBreaker("inventory", breaker))(t),
				must(resilience.NewTimeout("inventory", 2*second))(t),
			)
		},
	}
	compareScenarios(t, policies)
}

func compareScenarios(t *testing.T, policies map[string]func(t *testing.T) resilience.Policy) {
	scenarios := map[string][]error{ // one attempt each, in the order they are made; nil: hangs
		"success":        {},
		"fails once":     {errors.Unavailable},
		"fails for good": {errors.NotFound},
		"fails always":   repeat(errors.Unavailable, 99),
		"hangs once":     {nil},
		"hangs always":   repeat(nil, 99),
		"throttled":      repeat(errors.ResourceExhausted, 99),
		"told to wait":   {retryAfter(4 * second), retryAfter(4 * second)},
		"late, hangs":    {retryAfter(4 * second), nil, nil, nil},
		"no code":        repeat(errors.New("broken pipe"), 99),
	}
	for name, script := range scenarios {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			for kind, make := range policies {
				synctest.Test(t, func(t *testing.T) { got[kind] = runScript(t, make(t), script) })
			}
			if diff := cmp.Diff(got["chain"], got["pipeline"]); diff != "" {
				t.Errorf("the pipeline differs from the chain:\n%s", diff)
			}
		})
	}
}

// runScript makes three rounds of calls with various deadlines, and returns what came of them.
func runScript(t *testing.T, p resilience.Policy, script []error) string {
	var mu sync.Mutex // a hedge makes attempts at the same time
	next := func() (err error, hang bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(script) == 0 {
			return nil, false
		}
		err, script = script[0], script[1:]
		return err, err == nil
	}
	attempt := func(ctx context.Context) error {
		err, hang := next()
		switch {
		case hang:
			return untilDone(nil)(ctx)
		case err == nil:
			time.Sleep(10 * time.Millisecond)
		}
		return err
	}
	var log strings.Builder
	for round := range 3 {
		start := time.Now()
		for n := range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), []time.Duration{time.Minute, 3 * second, second, time.Hour}[n])
			err := p.Do(ctx, attempt)
			cancel()
			fmt.Fprintf(&log, "round %d call %d at %v: %v; code %v, exhausted %v, circuit open %v\n", round, n, time.Since(start),
				err, errors.CodeOf(err), errors.Exhausted(err), errors.Is(err, resilience.ErrCircuitOpen))
		}
		time.Sleep(5 * second)
	}
	return log.String()
}

// TestStandardWithEveryPartDoesWhatAChainDoes has the optional parts as well.
func TestStandardWithEveryPartDoesWhatAChainDoes(t *testing.T) {
	retry := resilience.RetryConfig{Backoff: exact, Idempotent: true, Logger: quiet}
	// No two of these numbers end at the same time: what then comes first is anybody's guess.
	hedge := resilience.HedgeConfig{Delay: 537 * time.Millisecond}
	rate := resilience.RateLimitConfig{PerSecond: 2.9, Burst: 3}
	throttle := resilience.ThrottleConfig{MaxRefused: 1, MinCalls: 1000}
	adaptive := resilience.AdaptiveConfig{Max: 2, Min: 1}
	breaker := resilience.BreakerConfig{Spread: -1, MinCalls: 3, ProbeTimeout: 2 * second, Logger: quiet}
	policies := map[string]func(t *testing.T) resilience.Policy{
		"pipeline": func(t *testing.T) resilience.Policy {
			return must(resilience.Standard("inventory", resilience.StandardConfig{
				Total: 5 * second, Retry: retry, Breaker: breaker, Attempt: 2 * second,
				Hedge: &hedge, RateLimit: &rate, Throttle: &throttle, Adaptive: &adaptive,
			}))(t)
		},
		"chain": func(t *testing.T) resilience.Policy {
			budget := must(resilience.NewBudget("inventory", resilience.BudgetConfig{}))(t)
			retry.SharedBudget, hedge.SharedBudget, hedge.Idempotent = budget, budget, true
			defer func() { retry.SharedBudget, hedge.SharedBudget = nil, nil }()
			return resilience.Chain(
				must(resilience.NewTimeout("inventory", 5*second))(t),
				must(resilience.NewBulkhead("inventory", resilience.BulkheadConfig{}))(t),
				must(resilience.NewRetry("inventory", retry))(t),
				must(resilience.NewHedge("inventory", hedge))(t),
				must(resilience.NewRateLimit("inventory", rate))(t),
				must(resilience.NewThrottle("inventory", throttle))(t),
				must(resilience.NewAdaptiveLimit("inventory", adaptive))(t),
				must(resilience.NewBreaker("inventory", breaker))(t),
				must(resilience.NewTimeout("inventory", 2*second))(t),
			)
		},
	}
	compareScenarios(t, policies)
}

func TestStandardOptionalPartsShareTheBudgetAndTheMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, reader := newMeter()
		p := newPipeline(t, resilience.StandardConfig{
			Retry:         resilience.RetryConfig{Idempotent: true, Budget: resilience.BudgetConfig{MinPerSecond: 0.1}},
			Hedge:         &resilience.HedgeConfig{Delay: second},
			RateLimit:     &resilience.RateLimitConfig{PerSecond: 1000},
			Throttle:      &resilience.ThrottleConfig{},
			Adaptive:      &resilience.AdaptiveConfig{},
			MeterProvider: provider,
		})
		slow := func(context.Context) error { time.Sleep(2 * second); return nil }
		for range 2 { // the budget has one
			_ = p.Do(t.Context(), slow)
		}
		if got := p.Budget().Left(); got != 0 {
			t.Errorf("%d left in the budget", got)
		}
		got := strings.Join(collect(t, reader), "\n")
		for _, want := range []string{
			"resilience.hedges{resilience.hedge.result=lost,resilience.name=inventory} 1",
			"resilience.hedges{resilience.hedge.result=refused,resilience.name=inventory} 1",
			"resilience.adaptive.limit{resilience.name=inventory} 1000",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is not in\n%s", want, got)
			}
		}
		if described := p.LogValue().String(); !strings.Contains(described, "hedge=[delay=1s max=1") || !strings.Contains(described, "throttle=[k=2") {
			t.Errorf("described as %s", described)
		}
	})
}

func TestNewStandardNamesEveryFaultOfItsOptionalParts(t *testing.T) {
	_, err := resilience.Standard("a", resilience.StandardConfig{
		Hedge:     &resilience.HedgeConfig{Delay: -1, Budget: resilience.BudgetConfig{Ratio: 0.5}},
		RateLimit: &resilience.RateLimitConfig{},
		Throttle:  &resilience.ThrottleConfig{K: 0.1},
		Adaptive:  &resilience.AdaptiveConfig{Min: 5, Max: 4},
	})
	for _, want := range []string{"Hedge: Idempotent", "Hedge: Delay: -1ns", "Hedge: Budget: is given", "RateLimit: PerSecond: 0", "Throttle: K: 0.1", "Adaptive: Min: 5"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}

func TestNewStandardNamesEveryFault(t *testing.T) {
	_, err := resilience.Standard("", resilience.StandardConfig{
		Total:   second,
		Attempt: 2 * second,
		Retry:   resilience.RetryConfig{Backoff: resilience.Backoff{Factor: 0.1, Jitter: 2}, Budget: resilience.BudgetConfig{Window: -3}},
		Breaker: resilience.BreakerConfig{OpenFor: -7, ProbeTimeout: second},
	})
	for _, want := range []string{
		"name: is empty", "Attempt: 2s is not less than Total, 1s", "Breaker.ProbeTimeout: 1s is less than Attempt, 2s",
		"Retry: Backoff: Factor: 0.1", "Retry: Backoff: Jitter: 2", "Retry: Budget: Window: -3ns", "Breaker: OpenFor: -7ns",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
	if _, err := resilience.Standard("a", resilience.StandardConfig{Attempt: time.Minute}); err == nil {
		t.Error("an attempt of a minute in a call of 30 s is accepted")
	}
}
