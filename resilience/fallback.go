package resilience

import (
	"context"
	"log/slog"

	"github.com/backend-platform/sdk/internal/policy"
	"go.opentelemetry.io/otel/metric"
)

// FallbackConfig configures a [Fallback].
type FallbackConfig struct {
	// When says for which errors there is a fallback. It must be safe for concurrent use. Nil: for those
	// after which nobody knows the answer: a failure, throttling, and what a policy of this package
	// refused. An answer such as not_found has none.
	When func(error) bool
	// Logger gets a line, at debug, for each fallback. Nil: slog.Default().
	Logger *slog.Logger
	// MeterProvider gets the metrics. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// A Fallback does something else where an operation has failed for good: what it answers is worse than
// the operation's answer and better than none, such as a cached value. It is safe for concurrent use.
type Fallback struct {
	name      string
	cfg       FallbackConfig
	telemetry *fallbackTelemetry
}

// NewFallback returns a fallback. The name is that of the destination or of the operation; metrics and
// log lines carry it.
func NewFallback(name string, cfg FallbackConfig) (*Fallback, error) {
	if err := fault("fallback", name, nil); err != nil {
		return nil, err
	}
	f := &Fallback{name: name, cfg: cfg, telemetry: newFallbackTelemetry(name, cfg)}
	policy.Register("fallback", name, f)
	return f, nil
}

// To returns a policy that calls alternative with the error of an operation that failed, and returns
// what alternative does. It belongs outermost: Chain(fallback.To(…), pipeline). An operation whose value
// [Call] returns is better served by [CallOr], for alternative has no value to give.
func (f *Fallback) To(alternative func(ctx context.Context, err error) error) Policy {
	return PolicyFunc(func(ctx context.Context, op func(context.Context) error) error {
		err := op(ctx)
		if err == nil || !f.applies(ctx, err) {
			return err
		}
		f.telemetry.used(ctx, err)
		return alternative(ctx, err)
	})
}

// CallOr is [Call], with what alternative returns where the call failed so that f applies. With an error
// it returns the zero T.
func CallOr[T any](
	ctx context.Context, p Policy, f *Fallback, op func(context.Context) (T, error), alternative func(ctx context.Context, err error) (T, error),
) (T, error) {
	var value, zero T
	err := f.To(func(ctx context.Context, err error) error {
		value, err = alternative(ctx, err)
		return err
	}).Do(ctx, func(ctx context.Context) error {
		var err error
		value, err = Call(ctx, p, op)
		return err
	})
	if err != nil {
		return zero, err
	}
	return value, nil
}

// LogValue describes the policy.
func (f *Fallback) LogValue() slog.Value {
	when := "failures"
	if f.cfg.When != nil {
		when = "custom"
	}
	return slog.GroupValue(slog.String("when", when))
}

// applies reports whether there is a fallback: not for a caller that has gone, or has no time left.
func (f *Fallback) applies(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if f.cfg.When != nil {
		return f.cfg.When(err)
	}
	return Classify(ctx, err) != Success
}
