package main

import (
	"context"
	"errors"
	"time"

	"github.com/cep21/circuit/v4"
	"github.com/cep21/circuit/v4/closers/hystrix"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/sony/gobreaker/v2"

	"github.com/backend-platform/sdk/resilience"
)

const (
	sameWindow = "with the same rolling window of 10 × 1 s"
	sameLimits = "3 attempts, 50 % of 20 calls in 10 s, 10 s an attempt, 30 s in all"
)

func resilienceRows() []row {
	return []row{resilienceRow(), resilienceOpenRow(), resiliencePipelineRow(), resilienceLimitRow()}
}

func resilienceRow() row {
	return row{name: "resilience: a call through a closed breaker", unit: "call", contenders: []contender{
		{"sdk", "", sdkBreaker},
		{"gobreaker two-step", sameWindow, func() (work, func(), error) { return gobreakerTwoStep(false) }},
		{"gobreaker Execute", sameWindow + "; a function instead of two steps, and no outcome but an error", gobreakerExecute},
		{"failsafe-go breaker", "TryAcquirePermit and RecordSuccess, the share of failures in 10 s", failsafeBreaker},
		{"cep21/circuit", "Run, with the hystrix opener and closer and without its timeout", cep21Breaker},
	}, bars: []bar{timeWithin(1.4, "gobreaker two-step"), allocsWithin(1)}}
}

func resilienceOpenRow() row {
	return row{name: "resilience: a call that an open breaker refuses", unit: "call", contenders: []contender{
		{"sdk", "", sdkOpenBreaker},
		{"gobreaker two-step", sameWindow, func() (work, func(), error) { return gobreakerTwoStep(true) }},
		{"failsafe-go breaker", "opened by hand for an hour", failsafeOpenBreaker},
		{"cep21/circuit", "opened by hand; its probe every 5 s fails", cep21OpenBreaker},
	}, bars: []bar{timeWithin(0.6, "gobreaker two-step"), allocsWithin(0)}}
}

func resiliencePipelineRow() row {
	return row{name: "resilience: retry, breaker and timeout, a call that succeeds", unit: "call", contenders: []contender{
		{"sdk", "the whole of Standard: bulkhead, budget and total time limit, too", sdkPipeline},
		{"failsafe-go", "the same three policies and no more; " + sameLimits, failsafePipeline},
	}, bars: []bar{timeWithin(0.5, "failsafe-go")}}
}

func resilienceLimitRow() row {
	return row{name: "resilience: admission by an adaptive limit", unit: "call", contenders: []contender{
		{"sdk", "", sdkAdaptive},
	}, noBar: "no peer in the table has an adaptive limit"}
}

func sdkBreaker() (work, func(), error) {
	breaker, err := resilience.NewBreaker("benchmark", resilience.BreakerConfig{})
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	return all(func(n int) error {
		for range n {
			done, err := breaker.Allow(ctx)
			if err != nil {
				return err
			}
			done(resilience.Success)
		}
		return nil
	}), nil, nil
}

// sdkOpenBreaker keeps the breaker open by failing the probes of each open period.
func sdkOpenBreaker() (work, func(), error) {
	breaker, err := resilience.NewBreaker("benchmark", resilience.BreakerConfig{})
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	return all(func(n int) error {
		for refused := 0; refused < n; {
			done, err := breaker.Allow(ctx)
			if err != nil {
				refused++
				continue
			}
			done(resilience.Failure)
		}
		return nil
	}), nil, nil
}

// gobreakerTwoStep is the breaker that gobreaker documents for callers that learn the outcome later, as a client of HTTP does.
func gobreakerTwoStep(open bool) (work, func(), error) {
	breaker := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Interval: 10 * time.Second, BucketPeriod: time.Second, Timeout: 5 * time.Second,
	})
	failed := errors.New("failed")
	return all(func(n int) error {
		for counted := 0; counted < n; {
			done, err := breaker.Allow()
			switch {
			case err != nil && open:
				counted++
			case err != nil:
				return err
			case open:
				done(failed)
			default:
				counted++
				done(nil)
			}
		}
		return nil
	}), nil, nil
}

// gobreakerExecute is what its README shows: a function that returns a value and an error.
func gobreakerExecute() (work, func(), error) {
	breaker := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{Interval: 10 * time.Second, BucketPeriod: time.Second, Timeout: 5 * time.Second})
	op := func() (int, error) { return 1, nil }
	return all(func(n int) error {
		for range n {
			if _, err := breaker.Execute(op); err != nil {
				return err
			}
		}
		return nil
	}), nil, nil
}

// failsafeBreaker is its breaker alone, as its page on circuit breakers shows under "Standalone Usage".
func failsafeBreaker() (work, func(), error) {
	breaker := circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.5, 20, 10*time.Second).Build()
	return all(func(n int) error {
		for range n {
			if !breaker.TryAcquirePermit() {
				return circuitbreaker.ErrOpen
			}
			breaker.RecordSuccess()
		}
		return nil
	}), nil, nil
}

func failsafeOpenBreaker() (work, func(), error) {
	breaker := circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.5, 20, 10*time.Second).WithDelay(time.Hour).Build()
	breaker.Open()
	return all(func(n int) error {
		for range n {
			if breaker.TryAcquirePermit() {
				return errors.New("the breaker is not open")
			}
		}
		return nil
	}), nil, nil
}

// newCircuit has the hystrix logic that its README advises. Its timeout would be the price of a context and a timer, which the
// other breakers do not pay.
func newCircuit() (*circuit.Circuit, error) {
	factory := hystrix.Factory{}
	manager := circuit.Manager{DefaultCircuitProperties: []circuit.CommandPropertiesConstructor{factory.Configure}}
	return manager.CreateCircuit("benchmark", circuit.Config{Execution: circuit.ExecutionConfig{Timeout: -1, MaxConcurrentRequests: -1}})
}

func cep21OpenBreaker() (work, func(), error) {
	breaker, err := newCircuit()
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	breaker.OpenCircuit(ctx)
	failed := errors.New("failed")
	op := func(context.Context) error { return failed }
	return all(func(n int) error {
		for range n {
			if breaker.Run(ctx, op) == nil {
				return errors.New("the breaker is not open")
			}
		}
		return nil
	}), nil, nil
}

// cep21Breaker calls Run, which its documentation names for those who have no fallback.
func cep21Breaker() (work, func(), error) {
	breaker, err := newCircuit()
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	op := func(context.Context) error { return nil }
	return all(func(n int) error {
		for range n {
			if err := breaker.Run(ctx, op); err != nil {
				return err
			}
		}
		return nil
	}), nil, nil
}

func sdkPipeline() (work, func(), error) {
	p, err := resilience.Standard("benchmark", resilience.StandardConfig{})
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	op := func(context.Context) (int, error) { return 1, nil }
	return all(func(n int) error {
		for range n {
			if _, err := resilience.Call(ctx, p, op); err != nil {
				return err
			}
		}
		return nil
	}), nil, nil
}

// failsafePipeline composes policies as the README of failsafe-go does: With takes the outermost first, an executor is made
// once, and has the context of each call.
func failsafePipeline() (work, func(), error) {
	executor := failsafe.With[int](
		timeout.New[int](30*time.Second),
		retrypolicy.NewBuilder[int]().WithMaxRetries(2).WithBackoff(100*time.Millisecond, 2*time.Second).WithJitterFactor(.9).Build(),
		circuitbreaker.NewBuilder[int]().WithFailureRateThreshold(0.5, 20, 10*time.Second).Build(),
		timeout.New[int](10*time.Second),
	)
	ctx := context.Background()
	op := func(failsafe.Execution[int]) (int, error) { return 1, nil }
	return all(func(n int) error {
		for range n {
			if _, err := executor.WithContext(ctx).GetWithExecution(op); err != nil {
				return err
			}
		}
		return nil
	}), nil, nil
}

func sdkAdaptive() (work, func(), error) {
	limit, err := resilience.NewAdaptiveLimit("benchmark", resilience.AdaptiveConfig{})
	if err != nil {
		return nil, nil, err
	}
	return all(func(n int) error {
		for range n {
			permit, ok := limit.TryAcquire()
			if !ok {
				return resilience.ErrShed
			}
			permit.Release(resilience.Success)
		}
		return nil
	}), nil, nil
}
