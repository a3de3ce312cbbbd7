package resilience_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

func newThrottle(t testing.TB, cfg resilience.ThrottleConfig) *resilience.Throttle {
	t.Helper()
	return must(resilience.NewThrottle("inventory", cfg))(t)
}

// runThrottle reports what came of calls, a thousand a second, to a destination that accepts the first
// few of each tenth of a second, so many a second, and refuses the others.
func runThrottle(t *testing.T, th *resilience.Throttle, capacity int, length time.Duration) (reached, accepted int) {
	t.Helper()
	room := 0
	for ms := range int(length / time.Millisecond) {
		if ms%100 == 0 {
			room = capacity / 10
		}
		err := th.Do(t.Context(), func(context.Context) error {
			reached++
			if room--; room < 0 {
				return errors.ResourceExhausted
			}
			accepted++
			return nil
		})
		if err != nil && errors.CodeOf(err) != errors.ResourceExhausted {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	return reached, accepted
}

func TestThrottleRefusesNothingWhileCallsAreAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, resilience.ThrottleConfig{})
		for _, capacity := range []int{1000, 800, 550} { // K is 2: half may be refused before it does anything
			if reached, _ := runThrottle(t, th, capacity, 20*second); reached != 20_000 {
				t.Errorf("with %d of 1000 accepted, %d of 20000 calls went out", capacity, reached)
			}
		}
	})
}

// Twice of what is accepted goes out, so the destination refuses one call for each that it does.
func TestThrottleSendsKTimesWhatIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, resilience.ThrottleConfig{})
		runThrottle(t, th, 200, 30*second)
		reached, accepted := runThrottle(t, th, 200, 60*second)
		if ratio := float64(reached) / float64(accepted); ratio < 1.9 || ratio > 2.1 || accepted < 11_900 {
			t.Errorf("%d went out for %d accepted, refusing %.2f", reached, accepted, th.Refusing())
		}
	})
}

func TestThrottleNoticesARecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, resilience.ThrottleConfig{})
		if reached, _ := runThrottle(t, th, 0, 60*second); reached < 5000 || reached > 12_000 {
			t.Errorf("with nothing accepted, %d of 60000 calls went out, want about a tenth", reached)
		}
		if got := th.Refusing(); got != 0.9 {
			t.Errorf("refusing %v, want MaxRefused", got)
		}
		runThrottle(t, th, 1000, 20*second)
		if reached, _ := runThrottle(t, th, 1000, 10*second); reached != 10_000 {
			t.Errorf("20 s after the recovery %d of 10000 calls went out", reached)
		}
	})
}

// TestThrottleFollowsTheFormula counts refusals where everything in the window is known.
func TestThrottleFollowsTheFormula(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, resilience.ThrottleConfig{K: 1.5, MaxRefused: 1, MinCalls: 10})
		op := func(err error) { _ = th.Do(t.Context(), returns(err)) }
		for range 9 {
			op(errors.Unavailable)
		}
		if got := th.Refusing(); got != 0 {
			t.Errorf("below MinCalls %v is refused", got)
		}
		for range 4 { // some may be refused
			time.Sleep(20 * second)
			for range 10 {
				op(nil)
			}
		}
		for calls := 11; calls <= 15; calls++ { // 10 accepted: 15 may be made
			op(errors.DeadlineExceeded)
			if got := th.Refusing(); got != 0 {
				t.Fatalf("at %d calls %v is refused", calls, got)
			}
		}
		op(errors.Unavailable)
		if got, want := th.Refusing(), (16-15.0)/17; math.Abs(got-want) > 1e-9 {
			t.Errorf("refusing %v, want %v", got, want)
		}
	})
}

func TestThrottleCountsWhatTheDestinationSays(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name     string
		ctx      context.Context
		err      error
		refusing bool
	}{
		{"throttling", t.Context(), errors.ResourceExhausted, true},
		{"unavailable", t.Context(), errors.Unavailable, true},
		{"a timeout", t.Context(), context.DeadlineExceeded, true},
		{"a bug", t.Context(), errors.Internal, false},
		{"an answer", t.Context(), errors.NotFound, false},
		{"a caller that left", gone, errors.Unavailable, false},
		{"an open breaker", t.Context(), errOpen, false},
	} {
		th := newThrottle(t, resilience.ThrottleConfig{})
		for range 30 {
			_ = th.Do(tc.ctx, returns(tc.err))
		}
		if got := th.Refusing() > 0; got != tc.refusing {
			t.Errorf("%s: refusing %v", tc.name, th.Refusing())
		}
	}
}

func TestThrottleDoesNotCountCallsThatSayNothing(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	th := newThrottle(t, resilience.ThrottleConfig{})
	for range 19 {
		_ = th.Do(t.Context(), returns(errors.ResourceExhausted))
	}
	for range 30 {
		_ = th.Do(gone, returns(errors.NotFound))
		_ = th.Do(t.Context(), returns(errOpen))
	}
	_ = th.Do(t.Context(), returns(errors.ResourceExhausted))
	if got := th.Refusing(); got != 0.9 {
		t.Errorf("20 calls, none accepted: refusing %v", got)
	}
}

func TestThrottleCountsAPanicAsNotAccepted(t *testing.T) {
	th := newThrottle(t, resilience.ThrottleConfig{MinCalls: 1})
	func() {
		defer func() { _ = recover() }()
		_ = th.Do(t.Context(), func(context.Context) error { panic("boom") })
	}()
	if got := th.Refusing(); got != 0.5 {
		t.Errorf("refusing %v, want 1/2", got)
	}
}

// A refused call is one more that the formula counts; to try it again would make it refuse more.
func TestThrottledCallsAreNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		err := newRetry(t, resilience.RetryConfig{}).Do(t.Context(), func(context.Context) error {
			asked++
			return &resilience.ThrottledError{Throttle: "inventory"}
		})
		if asked != 1 || !errors.Is(err, resilience.ErrThrottled) || !errors.Is(err, errors.ResourceExhausted) || errors.CodeOf(err) != errors.ResourceExhausted {
			t.Errorf("asked %d times: %v", asked, err)
		}
		if got := resilience.Classify(t.Context(), err); got != resilience.Excluded {
			t.Errorf("a throttled call is %v to a breaker", got)
		}
	})
}

func TestNewThrottleNamesEveryFault(t *testing.T) {
	_, err := resilience.NewThrottle("", resilience.ThrottleConfig{K: 0.5, Window: 3, MaxRefused: 1.5})
	for _, want := range []string{"name: is empty", "K: 0.5", "Window: 3ns", "MaxRefused: 1.5"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}
