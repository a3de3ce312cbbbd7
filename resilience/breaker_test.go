package resilience_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
)

// steady is a breaker without spread, so that tests know when it opens.
var steady = resilience.BreakerConfig{Spread: -1}

func TestBreakerOpensAtHalfOfTwentyCountedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		for range 10 {
			call(t, b, resilience.Success)
			call(t, b, resilience.Excluded)
		}
		for range 9 {
			call(t, b, resilience.Failure)
		}
		if got := b.State(); got != resilience.Closed {
			t.Fatalf("after 19 counted calls: %v", got)
		}
		call(t, b, resilience.Failure)
		if got := b.State(); got != resilience.Open {
			t.Errorf("after 10 failures of 20 counted calls: %v", got)
		}
	})
}

func TestBreakerStaysClosedBelowHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		for range 500 {
			call(t, b, resilience.Success)
			call(t, b, resilience.Success)
			call(t, b, resilience.Failure)
			time.Sleep(30 * time.Millisecond)
		}
		if got := b.State(); got != resilience.Closed {
			t.Errorf("at a third: %v", got)
		}
	})
}

func TestBreakerForgetsFailuresOlderThanItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		for range 19 {
			call(t, b, resilience.Failure)
		}
		time.Sleep(10 * second)
		call(t, b, resilience.Failure)
		if got := b.State(); got != resilience.Closed {
			t.Errorf("one failure in this window: %v", got)
		}
	})
}

func TestBreakerClosesAfterThreeProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		open(t, b)
		time.Sleep(5*second - 1)
		if call(t, b, resilience.Success) {
			t.Fatal("a call was let out before the open period ended")
		}
		time.Sleep(1 * time.Nanosecond)
		for range 3 {
			if got := b.State(); got != resilience.HalfOpen {
				t.Fatalf("before the third success: %v", got)
			}
			if !call(t, b, resilience.Success) {
				t.Fatal("a probe was refused")
			}
		}
		if got := b.State(); got != resilience.Closed {
			t.Errorf("after three successes: %v", got)
		}
	})
}

func TestBreakerOpensAgainWhenAProbeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		open(t, b)
		time.Sleep(5 * second)
		call(t, b, resilience.Success)
		call(t, b, resilience.Failure)
		if got := b.State(); got != resilience.Open {
			t.Errorf("after a failed probe: %v", got)
		}
	})
}

func TestBreakerLetsOutNoMoreThanThreeProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		open(t, b)
		time.Sleep(5 * second)
		var let atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_ = b.Do(t.Context(), func(context.Context) error {
					let.Add(1)
					time.Sleep(second)
					return nil
				})
			})
		}
		wg.Wait()
		if let.Load() != 3 || b.State() != resilience.Closed {
			t.Errorf("%d calls were let out, and the breaker is %v", let.Load(), b.State())
		}
	})
}

func TestBreakerProbeThatSaysNothingGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		open(t, b)
		time.Sleep(5 * second)
		for range 100 {
			if !call(t, b, resilience.Excluded) {
				t.Fatal("excluded probes used the places up")
			}
		}
		if got := b.State(); got != resilience.HalfOpen {
			t.Errorf("nothing is known, but the breaker is %v", got)
		}
	})
}

func TestBreakerRefusalSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		open(t, b)
		time.Sleep(2 * second)
		_, err := b.Allow(t.Context())
		refusal, ok := errors.AsType[*resilience.OpenError](err)
		if !ok || refusal.State() != resilience.Open || refusal.Breaker() != "inventory" {
			t.Fatalf("refusal: %#v", err)
		}
		if got := errors.RetryAfter(fmt.Errorf("ask: %w", err)); got != 3*second {
			t.Errorf("RetryAfter is %v, want 3s", got)
		}
		if errors.CodeOf(err) != errors.Unavailable || !errors.Is(err, errors.Unavailable) || !errors.Is(err, resilience.ErrCircuitOpen) {
			t.Errorf("code %v of %v", errors.CodeOf(err), err)
		}
		if got := err.Error(); got != `circuit breaker "inventory" is open` {
			t.Errorf("text: %s", got)
		}
		time.Sleep(errors.RetryAfter(err))
		if !call(t, b, resilience.Success) {
			t.Error("who came back when told to was refused")
		}
	})
}

func TestBreakerRefusalWhenProbesAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		open(t, b)
		time.Sleep(5 * second)
		for range 3 {
			if _, err := b.Allow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		_, err := b.Allow(t.Context())
		refusal, ok := errors.AsType[*resilience.OpenError](err)
		if !ok || refusal.State() != resilience.HalfOpen || errors.RetryAfter(err) != second {
			t.Errorf("refusal: %v, RetryAfter %v", err, errors.RetryAfter(err))
		}
		time.Sleep(9*second + 500*time.Millisecond)
		if _, err = b.Allow(t.Context()); errors.RetryAfter(err) != 500*time.Millisecond {
			t.Errorf("half a second before the probes are overdue: %v, RetryAfter %v", err, errors.RetryAfter(err))
		}
	})
}

func TestBreakerDoesNotLetOutACallWhoseCallerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		open(t, b)
		time.Sleep(5 * second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 5 {
			if _, err := b.Allow(ctx); err != context.Canceled {
				t.Fatalf("error: %v", err)
			}
		}
		if !call(t, b, resilience.Success) {
			t.Error("calls that were never made took the probes' places")
		}
	})
}

func TestBreakerIgnoresCallsFromBeforeAChangeOfState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, steady)
		var late []func(resilience.Outcome)
		for range 40 {
			done, err := b.Allow(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			late = append(late, done)
		}
		open(t, b)
		time.Sleep(5 * second)
		if !call(t, b, resilience.Success) {
			t.Fatal("a probe was refused")
		}
		for _, done := range late[:20] {
			done(resilience.Failure)
			done(resilience.Success)
		}
		if got := b.State(); got != resilience.HalfOpen {
			t.Errorf("late results made a half-open breaker %v", got)
		}
		call(t, b, resilience.Success)
		call(t, b, resilience.Success)
		for _, done := range late[20:] {
			done(resilience.Failure)
		}
		if got := b.State(); got != resilience.Closed {
			t.Errorf("late results made a closed breaker %v", got)
		}
	})
}

func TestBreakerDoCountsAPanicAsAFailure(t *testing.T) {
	b := newBreaker(t, resilience.BreakerConfig{MinCalls: -1})
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic is lost")
			}
		}()
		_ = b.Do(t.Context(), func(context.Context) error { panic("boom") })
	}()
	if got := b.State(); got != resilience.Open {
		t.Errorf("after a panic: %v", got)
	}
}

func TestBreakerDoCountsACallWhoseGoroutineExits(t *testing.T) {
	b := newBreaker(t, resilience.BreakerConfig{MinCalls: -1})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = b.Do(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
	})
	wg.Wait()
	if got := b.State(); got != resilience.Open {
		t.Errorf("after a call that exited: %v", got)
	}
}

func TestBreakerDoExcludesACallerThatGoesAway(t *testing.T) {
	b := newBreaker(t, resilience.BreakerConfig{MinCalls: -1})
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Do(ctx, func(context.Context) error { cancel(); return errors.New("connection closed") })
	if err == nil || b.State() != resilience.Closed {
		t.Errorf("%v; the breaker is %v", err, b.State())
	}
}

// What op says of the outcome counts, and not its error; the error is the caller's.
func TestBreakerDoOutcomeCountsWhatOpSays(t *testing.T) {
	for name, tc := range map[string]struct {
		outcome resilience.Outcome
		err     error
		state   resilience.State
	}{
		"a failure without an error":       {resilience.Failure, nil, resilience.Open},
		"a success with an error":          {resilience.Success, errors.Unavailable, resilience.Closed},
		"an excluded call with an error":   {resilience.Excluded, errors.Unavailable, resilience.Closed},
		"a failure that has its error too": {resilience.Failure, errors.Unavailable, resilience.Open},
	} {
		b := newBreaker(t, resilience.BreakerConfig{})
		for range 20 {
			err := b.DoOutcome(t.Context(), func(context.Context) (resilience.Outcome, error) { return tc.outcome, tc.err })
			if err != tc.err {
				t.Fatalf("%s: DoOutcome = %v, want %v", name, err, tc.err)
			}
		}
		if got := b.State(); got != tc.state {
			t.Errorf("%s: after 20 calls the breaker is %v, want %v", name, got, tc.state)
		}
	}
}

func TestBreakerDoOutcomeCountsAPanicAndRefusesWhenOpen(t *testing.T) {
	b := newBreaker(t, resilience.BreakerConfig{MinCalls: -1})
	func() {
		defer func() { _ = recover() }()
		_ = b.DoOutcome(t.Context(), func(context.Context) (resilience.Outcome, error) { panic("boom") })
	}()
	called := false
	err := b.DoOutcome(t.Context(), func(context.Context) (resilience.Outcome, error) {
		called = true
		return resilience.Success, nil
	})
	if _, ok := errors.AsType[*resilience.OpenError](err); !ok || called {
		t.Errorf("after a panic DoOutcome = %v, called %v; want an OpenError and no call", err, called)
	}
}

func TestBreakerTurnedOffNeverOpens(t *testing.T) {
	b := newBreaker(t, resilience.BreakerConfig{FailureRatio: -1})
	for range 1000 {
		if !call(t, b, resilience.Failure) {
			t.Fatal("refused")
		}
	}
}

func TestBreakerAnnouncesEachChangeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []resilience.Transition
		cfg := steady
		cfg.OnStateChange = func(tr resilience.Transition) { got = append(got, tr) }
		b := newBreaker(t, cfg)
		open(t, b)
		time.Sleep(5 * second)
		done, err := b.Allow(t.Context())
		if err != nil || len(got) != 2 {
			t.Fatalf("%v; with the first probe out, %d changes are announced", err, len(got))
		}
		done(resilience.Failure)
		time.Sleep(5 * second)
		for range 3 {
			call(t, b, resilience.Success)
		}
		want := []resilience.Transition{
			{Breaker: "inventory", From: resilience.Closed, To: resilience.Open, Calls: 20, Failures: 20, OpenFor: 5 * second},
			{Breaker: "inventory", From: resilience.Open, To: resilience.HalfOpen},
			{Breaker: "inventory", From: resilience.HalfOpen, To: resilience.Open, OpenFor: 5 * second},
			{Breaker: "inventory", From: resilience.Open, To: resilience.HalfOpen},
			{Breaker: "inventory", From: resilience.HalfOpen, To: resilience.Closed},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBreakerAnnouncesOnAfterAListenerPanicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := 0
		cfg := steady
		cfg.OnStateChange = func(resilience.Transition) {
			if count++; count == 1 {
				panic("listener")
			}
		}
		b := newBreaker(t, cfg)
		func() {
			defer func() { _ = recover() }()
			open(t, b)
		}()
		time.Sleep(5 * second)
		call(t, b, resilience.Success)
		if count != 2 {
			t.Errorf("%d changes were announced, want 2", count)
		}
	})
}

func TestBreakerLogsItsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		cfg := steady
		cfg.Logger = slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			},
		}))
		b := newBreaker(t, cfg)
		open(t, b)
		time.Sleep(5 * second)
		for range 3 {
			call(t, b, resilience.Success)
		}
		want := `level=WARN msg="circuit breaker is open" name=inventory from=closed to=open calls=20 failures=20 open_for=5s
level=INFO msg="circuit breaker is half_open" name=inventory from=open to=half_open
level=INFO msg="circuit breaker is closed" name=inventory from=half_open to=closed
`
		if diff := cmp.Diff(want, buf.String()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBreakerUnderConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, resilience.BreakerConfig{})
		var out, peak atomic.Int64
		var wg sync.WaitGroup
		for n := range 16 {
			wg.Go(func() {
				for i := range 500 {
					done, err := b.Allow(t.Context())
					if err != nil {
						time.Sleep(errors.RetryAfter(err))
						continue
					}
					if now := out.Add(1); b.State() == resilience.HalfOpen {
						peak.Store(max(peak.Load(), now))
					}
					time.Sleep(time.Duration(n) * time.Millisecond)
					out.Add(-1)
					done(resilience.Outcome((i + n) % 3))
					done(resilience.Failure)
				}
			})
		}
		wg.Wait()
		if peak.Load() > 16 {
			t.Errorf("%d calls at a time", peak.Load())
		}
	})
}

func TestNewBreakerNamesEveryFault(t *testing.T) {
	_, err := resilience.NewBreaker("", resilience.BreakerConfig{
		FailureRatio: 1.1, Window: -1, OpenFor: -1, Spread: 2, Probes: 1 << 40,
	})
	for _, want := range []string{"name: is empty", "FailureRatio: 1.1", "Window: -1ns", "OpenFor: -1ns", "Spread: 2", "Probes: 1099511627776"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}
