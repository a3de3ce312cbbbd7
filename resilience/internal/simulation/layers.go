package simulation

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// Layers is how many services call one another, each with retries.
const Layers = 3

// What the layers have in common.
const (
	layerRate   = 100 // calls a second into the first
	layerLength = 20 * time.Second
)

// A Defence is what keeps retries in layers from multiplying.
type Defence struct {
	Name    string
	Mark    bool // errors keep their exhausted mark on the way up
	Budgets bool
	Breaker bool
}

// Defences are those of the figures.
func Defences() []Defence {
	return []Defence{
		{Name: "neither"},
		{Name: "the exhausted mark alone", Mark: true},
		{Name: "budgets alone", Budgets: true},
		{Name: "mark and budgets", Mark: true, Budgets: true},
		{Name: "mark, budgets and breakers: the default", Mark: true, Budgets: true, Breaker: true},
	}
}

// Amplify returns how many attempts reach a dependency that always fails, below services that call one
// another, for each call into the first.
func Amplify(d Defence) (float64, error) {
	var reached atomic.Int64
	down := func(context.Context) error {
		reached.Add(1)
		return errors.Unavailable
	}
	service := down
	for range Layers {
		var err error
		if service, err = d.layer(service); err != nil {
			return 0, err
		}
	}
	calls, callers := 0, hands{jobs: make(chan func())}
	for start := time.Now(); time.Since(start) < layerLength; calls++ {
		callers.take(func() { _ = service(context.Background()) })
		time.Sleep(exponential(time.Second/layerRate, chance(0, calls, 0, 4)))
	}
	callers.wait()
	return float64(reached.Load()) / float64(calls), nil
}

// layer returns a service that calls next under a pipeline of its own.
func (d Defence) layer(next func(context.Context) error) (func(context.Context) error, error) {
	cfg := resilience.StandardConfig{
		Bulkhead: resilience.BulkheadConfig{MaxConcurrent: -1},
		Retry:    resilience.RetryConfig{Backoff: resilience.Backoff{Jitter: -1}},
		Breaker:  resilience.BreakerConfig{Spread: -1},
		Logger:   slog.New(slog.DiscardHandler),
	}
	if !d.Budgets {
		cfg.Retry.Budget.Ratio = -1
	}
	if !d.Breaker {
		cfg.Breaker.FailureRatio = -1
	}
	p, err := resilience.Standard("next", cfg)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		err := p.Do(ctx, next)
		if err != nil && !d.Mark {
			return errors.CodeOf(err) // a service that does not send the mark
		}
		return err
	}, nil
}
