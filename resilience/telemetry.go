package resilience

import (
	"context"
)

type retryTelemetry struct{}

func newRetryTelemetry(name string, cfg RetryConfig) (*retryTelemetry, error) {
	return &retryTelemetry{}, nil
}

func (t *retryTelemetry) record(ctx context.Context, a Attempt, v Verdict) {}

type breakerTelemetry struct{}
