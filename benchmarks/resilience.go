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
	return row{"resilience: a call through a closed breaker", "call", []contender{
		{"sdk", "", sdkBreaker},
		{"gobreaker two-step", sameWindow, func() (work, func(), error) { return gobreakerTwoStep(false) }},
		{"failsafe-go breaker", "the share of failures in 10 s", failsafeBreaker},
		{"cep21/circuit", "hystrix opener and closer", cep21Breaker},
	}, 0}
}

func resilienceOpenRow() row {
	return row{"resilience: a call that an open breaker refuses", "call", []contender{
		{"sdk", "", sdkOpenBreaker},
		{"gobreaker two-step", sameWindow, func() (work, func(), error) { return gobreakerTwoStep(true) }},
	}, 0}
}

func resiliencePipelineRow() row {
	return row{"resilience: retry, breaker and timeout, a call that succeeds", "call", []contender{
		{"sdk", "the whole of Standard: bulkhead, budget and total time limit, too", sdkPipeline},
		{"failsafe-go", "the same three policies and no more; " + sameLimits, failsafePipeline},
	}, 0}
}

func resilienceLimitRow() row {
	return row{"resilience: admission by an adaptive limit", "call", []contender{
		{"sdk", "", sdkAdaptive},
	}, 0}
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

func cep21Breaker() (work, func(), error) {
	factory := hystrix.Factory{}
	manager := circuit.Manager{DefaultCircuitProperties: []circuit.CommandPropertiesConstructor{factory.Configure}}
	breaker, err := manager.CreateCircuit("benchmark", circuit.Config{Execution: circuit.ExecutionConfig{Timeout: -1, MaxConcurrentRequests: -1}})
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
