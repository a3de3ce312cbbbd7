package resilience

import (
	"context"
	"sync"
)

// A Policy runs an operation and decides how often, when and for how long. What this package makes
// ([Retry], [Hedge], [RateLimit], [Throttle], [AdaptiveLimit], [Breaker], [Timeout], [Bulkhead],
// [Pipeline], [Chain], [Fallback.To]) are policies, and so is any type with this method.
//
// Do calls op with ctx or with a context derived from it, and returns what op returned or why op was
// not called. Calls of op that it began have ended when it returns. Only a [Hedge] calls op more than
// once at a time. An implementation is safe for concurrent use.
type Policy interface {
	Do(ctx context.Context, op func(context.Context) error) error
}

// A PolicyFunc is a function that is a [Policy].
type PolicyFunc func(ctx context.Context, op func(context.Context) error) error

// Do calls f.
func (f PolicyFunc) Do(ctx context.Context, op func(context.Context) error) error {
	return f(ctx, op)
}

// Chain returns the policy that applies policies one inside the other, outermost first. The order
// matters: Chain(retry, breaker) asks the breaker before each attempt, Chain(breaker, retry) counts
// all attempts of a call as one. [Standard] has the order that most calls want. A nil policy is left
// out, and a chain of none calls the operation and nothing else.
func Chain(policies ...Policy) Policy {
	links := make(chain, 0, len(policies))
	for _, p := range policies {
		if p != nil {
			links = append(links, p)
		}
	}
	return links
}

type chain []Policy

func (c chain) Do(ctx context.Context, op func(context.Context) error) error {
	if len(c) == 0 {
		return op(ctx)
	}
	return c[0].Do(ctx, func(ctx context.Context) error { return c[1:].Do(ctx, op) })
}

// Call runs op under p and returns the value of the attempt that succeeded; of two that succeeded at the
// same time, under a [Hedge], the first one's. With an error it returns the zero T: what a failed
// attempt returned beside its error is dropped.
func Call[T any](ctx context.Context, p Policy, op func(context.Context) (T, error)) (T, error) {
	var got result[T]
	err := p.Do(ctx, func(ctx context.Context) error {
		value, err := op(ctx)
		if err == nil {
			got.set(value)
		}
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return got.value, nil
}

// result is the value of the first attempt that succeeded.
type result[T any] struct {
	mu    sync.Mutex
	there bool
	value T
}

func (r *result[T]) set(value T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.there {
		r.there, r.value = true, value
	}
}
