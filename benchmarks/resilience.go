package main

import (
	"context"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/backend-platform/sdk/resilience"
)

func resilienceRow() row {
	return row{"resilience: a call through a closed breaker", "call", []contender{
		{"sdk", "", sdkBreaker},
		{"gobreaker two-step", "with the same rolling window of 10 × 1 s", gobreakerTwoStep},
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

func gobreakerTwoStep() (work, func(), error) {
	breaker := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{Interval: 10 * time.Second, BucketPeriod: time.Second})
	return all(func(n int) error {
		for range n {
			done, err := breaker.Allow()
			if err != nil {
				return err
			}
			done(nil)
		}
		return nil
	}), nil, nil
}
