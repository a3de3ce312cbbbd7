package resilience_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// quiet keeps expected warnings out of the tests' output.
var quiet = slog.New(slog.DiscardHandler)

// exact is the default backoff without chance: 100 ms, 200 ms, 400 ms…
var exact = resilience.Backoff{Jitter: -1}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// returns is an operation that ends with the given errors, one an attempt, then with nil.
func returns(errs ...error) func(context.Context) error {
	return func(context.Context) error {
		if len(errs) == 0 {
			return nil
		}
		err := errs[0]
		errs = errs[1:]
		return err
	}
}

// repeat is n times err.
func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func newBreaker(t testing.TB, cfg resilience.BreakerConfig) *resilience.Breaker {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet
	}
	return must(resilience.NewBreaker("inventory", cfg))(t)
}

// call makes one call of the given outcome and reports whether it was let out.
func call(t testing.TB, b *resilience.Breaker, o resilience.Outcome) bool {
	t.Helper()
	done, err := b.Allow(t.Context())
	if err != nil {
		if !errors.Is(err, resilience.ErrCircuitOpen) {
			t.Fatalf("Allow: %v", err)
		}
		return false
	}
	done(o)
	return true
}

// open makes a default breaker open.
func open(t testing.TB, b *resilience.Breaker) {
	t.Helper()
	for range 20 {
		call(t, b, resilience.Failure)
	}
	if got := b.State(); got != resilience.Open {
		t.Fatalf("after 20 failures the breaker is %v", got)
	}
}

const second = time.Second
