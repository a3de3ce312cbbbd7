package resilience_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

func newFallback(t testing.TB, cfg resilience.FallbackConfig) *resilience.Fallback {
	t.Helper()
	return must(resilience.NewFallback("inventory", cfg))(t)
}

func TestFallbackIsForCallsWithoutAnAnswer(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken")
	for _, tc := range []struct {
		name string
		ctx  context.Context
		cfg  resilience.FallbackConfig
		err  error
		used bool
	}{
		{"a success", t.Context(), resilience.FallbackConfig{}, nil, false},
		{"unavailable", t.Context(), resilience.FallbackConfig{}, errors.Unavailable, true},
		{"a timeout", t.Context(), resilience.FallbackConfig{}, context.DeadlineExceeded, true},
		{"throttling", t.Context(), resilience.FallbackConfig{}, errors.ResourceExhausted, true},
		{"an open circuit", t.Context(), resilience.FallbackConfig{}, errOpen, true},
		{"no code", t.Context(), resilience.FallbackConfig{}, broken, true},
		{"an answer", t.Context(), resilience.FallbackConfig{}, errors.NotFound, false},
		{"a caller that left", gone, resilience.FallbackConfig{}, errors.Unavailable, false},
		{"what was asked for", t.Context(), resilience.FallbackConfig{When: func(err error) bool { return err == broken }}, broken, true},
		{"what was not asked for", t.Context(), resilience.FallbackConfig{When: func(err error) bool { return err == broken }}, errors.Unavailable, false},
	} {
		used := false
		policy := newFallback(t, tc.cfg).To(func(_ context.Context, err error) error {
			if used = true; err != tc.err {
				t.Errorf("%s: the fallback was told of %v", tc.name, err)
			}
			return nil
		})
		err := policy.Do(tc.ctx, returns(tc.err))
		if used != tc.used || used && err != nil || !used && err != tc.err {
			t.Errorf("%s: used %v, error %v", tc.name, used, err)
		}
	}
}

func TestFallbackOutsideOfATimeoutHasTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline(t, resilience.StandardConfig{})
		cached := func(ctx context.Context, _ error) (int, error) { return 7, ctx.Err() }
		got, err := resilience.CallOr(t.Context(), p, newFallback(t, resilience.FallbackConfig{}), func(ctx context.Context) (int, error) {
			return 1, untilDone(nil)(ctx)
		}, cached)
		if got != 7 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	})
}

func TestCallOrReturnsTheCallsOwnValueOrError(t *testing.T) {
	p, f := newPipeline(t, resilience.StandardConfig{}), newFallback(t, resilience.FallbackConfig{})
	never := func(context.Context, error) (string, error) { t.Error("the fallback was used"); return "", nil }
	got, err := resilience.CallOr(t.Context(), p, f, func(context.Context) (string, error) { return "own", nil }, never)
	if got != "own" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	got, err = resilience.CallOr(t.Context(), p, f, func(context.Context) (string, error) { return "dropped", errors.NotFound }, never)
	if got != "" || err != errors.NotFound {
		t.Errorf("got %q, %v", got, err)
	}
	worse := errors.New("no cache either")
	got, err = resilience.CallOr(t.Context(), p, f, func(context.Context) (string, error) { return "dropped", errors.Internal },
		func(context.Context, error) (string, error) { return "partial", worse })
	if got != "" || err != worse {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNewFallbackNeedsAName(t *testing.T) {
	if _, err := resilience.NewFallback("", resilience.FallbackConfig{}); err == nil || !strings.Contains(err.Error(), "name: is empty") {
		t.Errorf("error: %v", err)
	}
}

// Nobody waits for what comes after the deadline.
func TestFallbackIsNotUsedAfterTheCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		policy := newFallback(t, resilience.FallbackConfig{}).To(func(context.Context, error) error { t.Error("used"); return nil })
		if err := policy.Do(ctx, untilDone(nil)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error: %v", err)
		}
	})
}
