package resilience_test

import (
	"context"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// TestAllocations holds what the benchmarks promise. The race detector allocates, so that under it the
// paths run and are not counted.
func TestAllocations(t *testing.T) {
	ctx := context.Background()
	closed, opened := newBreaker(t, resilience.BreakerConfig{}), newBreaker(t, resilience.BreakerConfig{})
	open(t, opened)
	op := func(context.Context) error { return nil }
	retry := newRetry(t, resilience.RetryConfig{})
	bulkhead := newBulkhead(t, resilience.BulkheadConfig{})
	pipeline := newPipeline(t, resilience.StandardConfig{})
	registry := newRegistry(t, resilience.RegistryConfig{})
	limit := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{}))(t)
	reached := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Max: 1}))(t)
	reached.TryAcquire()
	rate := newRateLimit(t, resilience.RateLimitConfig{PerSecond: 1e9})
	throttle := newThrottle(t, resilience.ThrottleConfig{})
	for _, tc := range []struct {
		name string
		most float64
		run  func()
	}{
		{"breaker, closed, two steps", 1, func() {
			if done, err := closed.Allow(ctx); err == nil {
				done(resilience.Success)
			}
		}},
		{"breaker, closed, Do", 0, func() { _ = closed.Do(ctx, op) }},
		{"breaker, closed, DoOutcome", 0, func() {
			_ = closed.DoOutcome(ctx, func(context.Context) (resilience.Outcome, error) { return resilience.Success, nil })
		}},
		{"breaker, open, two steps", 0, func() { _, _ = opened.Allow(ctx) }},
		{"breaker, open, Do", 0, func() { _ = opened.Do(ctx, op) }},
		{"retry, success", 0, func() { _ = retry.Do(ctx, op) }},
		{"bulkhead", 0, func() { _ = bulkhead.Do(ctx, op) }},
		{"adaptive limit", 0, func() {
			permit, _ := limit.TryAcquire()
			permit.Release(resilience.Success)
		}},
		{"adaptive limit, Do", 0, func() { _ = limit.Do(ctx, op) }},
		{"adaptive limit, reached", 0, func() { reached.TryAcquire() }},
		{"rate limit", 0, func() { _ = rate.Do(ctx, op) }},
		{"throttle", 0, func() { _ = throttle.Do(ctx, op) }},
		{"pipeline, success", 7, func() { _ = pipeline.Do(ctx, op) }},
		{"registry, known key", 0, func() { registry.Get("a") }},
		{"classify a code", 0, func() { resilience.Classify(ctx, errors.Unavailable) }},
		{"backoff", 0, func() { resilience.Backoff{}.Wait(3) }},
	} {
		if got := testing.AllocsPerRun(500, tc.run); got > tc.most && !raceEnabled {
			t.Errorf("%s: %v allocations, want at most %v", tc.name, got, tc.most)
		}
	}
}
