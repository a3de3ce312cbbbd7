package resilience_test

import (
	"context"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
)

func TestChainAppliesTheFirstPolicyOutermost(t *testing.T) {
	var got []string
	trace := func(name string) resilience.Policy {
		return resilience.PolicyFunc(func(ctx context.Context, op func(context.Context) error) error {
			got = append(got, "enter "+name)
			defer func() { got = append(got, "leave "+name) }()
			return op(ctx)
		})
	}
	chain := resilience.Chain(trace("a"), nil, resilience.Chain(), trace("b"))
	err := chain.Do(t.Context(), func(context.Context) error {
		got = append(got, "op")
		return errors.NotFound
	})
	if err != error(errors.NotFound) {
		t.Errorf("error: %v", err)
	}
	if diff := cmp.Diff([]string{"enter a", "enter b", "op", "leave b", "leave a"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCallReturnsTheValueOfTheAttemptThatSucceeded(t *testing.T) {
	retry := must(resilience.NewRetry("stock", resilience.RetryConfig{Backoff: resilience.Backoff{Base: -1}}))(t)
	attempt := 0
	got, err := resilience.Call(t.Context(), retry, func(context.Context) (int, error) {
		if attempt++; attempt < 3 {
			return -1, errors.Unavailable
		}
		return 7, nil
	})
	if got != 7 || err != nil || attempt != 3 {
		t.Errorf("got %d, %v after %d attempts; want 7 after 3", got, err, attempt)
	}
}

func TestCallReturnsTheZeroValueWithAnError(t *testing.T) {
	got, err := resilience.Call(t.Context(), resilience.Chain(), func(context.Context) (string, error) {
		return "half an answer", errors.DataLoss
	})
	if got != "" || !errors.Is(err, errors.DataLoss) {
		t.Errorf("got %q, %v", got, err)
	}
}
