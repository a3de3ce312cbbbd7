package resilience_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
	"github.com/sony/gobreaker/v2"
)

// The tests in this file show each trap of gobreaker v2.4.0 on the bare library and its absence here.
// Where the first half of one fails, gobreaker has changed, and something here may have become needless.

// bare is gobreaker with the settings of a default Breaker.
func bare(change func(*gobreaker.Settings)) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	st := gobreaker.Settings{
		MaxRequests:  3,
		Interval:     10 * time.Second,
		BucketPeriod: time.Second,
		Timeout:      5 * time.Second,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.Requests >= 20 && float64(c.TotalFailures) >= 0.5*float64(c.Requests)
		},
		IsExcluded: func(err error) bool { return err == errExcluded },
	}
	if change != nil {
		change(&st)
	}
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](st)
}

var (
	errExcluded = errors.New("excluded")
	errFailed   = errors.New("failed")
)

func bareCall(g *gobreaker.TwoStepCircuitBreaker[struct{}], err error) error {
	done, refused := g.Allow()
	if refused == nil {
		done(err)
	}
	return refused
}

func bareOpen(t *testing.T, g *gobreaker.TwoStepCircuitBreaker[struct{}]) {
	t.Helper()
	for range 20 {
		_ = bareCall(g, errFailed)
	}
	if g.State() != gobreaker.StateOpen {
		t.Fatalf("gobreaker is %v after 20 failures", g.State())
	}
}

// Counts.Requests has excluded calls and calls in flight in it: 10 failures among many cancelled calls
// are no reason to open, and 10 failures of 20 are one even if 30 calls are out. Exclusions came with
// https://github.com/sony/gobreaker/pull/107; beforeRequest counts a call before anybody can know.
func TestGobreakerCountsExcludedCallsAsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := bare(nil), newBreaker(t, steady)
		for range 10 {
			_ = bareCall(g, errExcluded)
			call(t, b, resilience.Excluded)
		}
		for range 10 {
			_ = bareCall(g, errFailed)
			call(t, b, resilience.Failure)
		}
		if g.State() != gobreaker.StateOpen {
			t.Errorf("gobreaker is %v: 10 counted calls were enough before", g.State())
		}
		if b.State() != resilience.Closed {
			t.Errorf("10 counted calls made the breaker %v", b.State())
		}
	})
}

func TestGobreakerCountsCallsInFlightAsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := bare(nil), newBreaker(t, steady)
		for range 100 {
			_, _ = g.Allow()
			_, _ = b.Allow(t.Context())
		}
		for range 50 {
			_ = bareCall(g, errFailed)
			call(t, b, resilience.Failure)
		}
		if g.State() != gobreaker.StateClosed {
			t.Errorf("gobreaker is %v: calls in flight kept it closed before", g.State())
		}
		if b.State() != resilience.Open {
			t.Errorf("after 50 failures and no success the breaker is %v", b.State())
		}
	})
}

// A result is booked to the second in which its call began (afterRequest compares the age of it), so that
// the calls of a dependency that hangs for ten seconds are never counted. The same loss, after a change of
// state: https://github.com/sony/gobreaker/issues/122.
func TestGobreakerForgetsCallsThatTakeAsLongAsTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := bare(nil), newBreaker(t, steady)
		var bareDone []func(error)
		var done []func(resilience.Outcome)
		for range 100 {
			f, err := g.Allow()
			if err != nil {
				t.Fatal(err)
			}
			bareDone = append(bareDone, f)
			h, err := b.Allow(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			done = append(done, h)
		}
		time.Sleep(10 * time.Second)
		for i := range done {
			bareDone[i](errFailed)
			done[i](resilience.Failure)
		}
		if g.State() != gobreaker.StateClosed {
			t.Errorf("gobreaker is %v: it forgot these calls before", g.State())
		}
		if b.State() != resilience.Open {
			t.Errorf("after 100 calls that hung the breaker is %v", b.State())
		}
	})
}

// A place is given back by done alone. Others have met it: https://github.com/resilience4j/resilience4j/issues/935
// and https://github.com/App-vNext/Polly/issues/216.
func TestGobreakerKeepsThePlaceOfAHungProbeForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := bare(nil), newBreaker(t, steady)
		bareOpen(t, g)
		open(t, b)
		time.Sleep(5*time.Second + 1)
		var late []func(resilience.Outcome)
		for range 3 {
			_, _ = g.Allow()
			done, err := b.Allow(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			late = append(late, done)
		}
		time.Sleep(10*time.Second - 1)
		if call(t, b, resilience.Success) {
			t.Error("a fourth probe was let out before the others were overdue")
		}
		time.Sleep(1 * time.Nanosecond)
		for range 2 {
			if !call(t, b, resilience.Success) {
				t.Fatal("the places of hung probes were not given back")
			}
		}
		late[0](resilience.Failure)
		late[1](resilience.Success)
		if b.State() != resilience.HalfOpen {
			t.Errorf("a probe that was overdue made the breaker %v", b.State())
		}
		call(t, b, resilience.Success)
		if b.State() != resilience.Closed {
			t.Errorf("after three successes the breaker is %v", b.State())
		}
		time.Sleep(24 * time.Hour)
		if err := bareCall(g, nil); err == nil {
			t.Error("gobreaker gave the places back; it did not before")
		}
	})
}

// done is a plain call of afterRequest (https://github.com/sony/gobreaker/pull/6), once or ten times.
func TestGobreakerCountsASecondDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := bare(nil), newBreaker(t, steady)
		for range 10 {
			bareDone, _ := g.Allow()
			done, _ := b.Allow(t.Context())
			for range 10 {
				bareDone(errFailed)
				done(resilience.Failure)
			}
		}
		if got := g.Counts().TotalFailures; got != 100 {
			t.Errorf("gobreaker counted %d failures of 10 calls, 100 before", got)
		}
		for range 9 {
			call(t, b, resilience.Failure)
		}
		if b.State() != resilience.Closed {
			t.Errorf("after 19 calls the breaker is %v", b.State())
		}
		call(t, b, resilience.Failure)
		if b.State() != resilience.Open {
			t.Errorf("after 20 calls the breaker is %v", b.State())
		}
	})
}

// https://github.com/sony/gobreaker/issues/37: Counts in OnStateChange waits for the lock that the
// caller of OnStateChange holds.
func TestGobreakerCallsBackUnderItsLock(t *testing.T) {
	var answered atomic.Bool
	inCallback := true
	var g *gobreaker.TwoStepCircuitBreaker[struct{}]
	g = bare(func(st *gobreaker.Settings) {
		st.OnStateChange = func(string, gobreaker.State, gobreaker.State) {
			go func() {
				g.Counts()
				answered.Store(true)
			}()
			for range 100 {
				runtime.Gosched()
			}
			inCallback = answered.Load()
		}
	})
	for range 20 {
		_ = bareCall(g, errFailed)
	}
	if inCallback {
		t.Error("gobreaker answered inside its callback; it deadlocked before")
	}

	var b *resilience.Breaker
	var seen []resilience.State
	cfg := resilience.BreakerConfig{Logger: quiet, OnStateChange: func(resilience.Transition) {
		seen = append(seen, b.State())
		call(t, b, resilience.Failure)
	}}
	b = newBreaker(t, cfg)
	open(t, b)
	if len(seen) != 1 || seen[0] != resilience.Open {
		t.Errorf("the callback saw %v", seen)
	}
}

// Its changes happen when a call comes, so what is fed by OnStateChange shows an open breaker for as
// long as nobody calls. The same in Polly: https://github.com/App-vNext/Polly/issues/481.
func TestGobreakerTellsOfHalfOpenOnlyWhenACallComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gauge := gobreaker.StateClosed
		g := bare(func(st *gobreaker.Settings) {
			st.OnStateChange = func(_ string, _, to gobreaker.State) { gauge = to }
		})
		b := newBreaker(t, steady)
		bareOpen(t, g)
		open(t, b)
		time.Sleep(time.Hour)
		if gauge != gobreaker.StateOpen {
			t.Errorf("gobreaker told of %v without a call", gauge)
		}
		if got := b.State(); got != resilience.HalfOpen {
			t.Errorf("an hour later the breaker is %v", got)
		}
	})
}

// Its open period is the same in all that are made alike (Settings.Timeout), so a fleet that saw the same
// outage probes in step.
func TestGobreakerOpensForTheSameTimeInEveryProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		periods := map[time.Duration]bool{}
		for range 100 {
			b := newBreaker(t, resilience.BreakerConfig{})
			open(t, b)
			for range 2 { // the same one each time
				_, err := b.Allow(t.Context())
				period := errors.RetryAfter(err)
				if period < 4*time.Second || period > 6*time.Second {
					t.Fatalf("open for %v, want 5 s ± 20 %%", period)
				}
				periods[period] = true
			}
		}
		if len(periods) < 90 || len(periods) > 100 {
			t.Errorf("100 breakers have %d different periods", len(periods))
		}
	})
}

// Its errors say nothing to whoever has to answer a request: no code, and no time to come back. What
// ErrTooManyRequests means is asked in https://github.com/sony/gobreaker/issues/30 and 49.
func TestGobreakerRefusesWithoutACodeOrATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := bare(nil), newBreaker(t, steady)
		bareOpen(t, g)
		open(t, b)
		if err := bareCall(g, nil); errors.CodeOf(err) != errors.Unknown || errors.RetryAfter(err) != 0 {
			t.Errorf("gobreaker's error says more than before: %v", err)
		}
		_, err := b.Allow(t.Context())
		if errors.CodeOf(err) != errors.Unavailable || errors.RetryAfter(err) != 5*time.Second {
			t.Errorf("code %v, RetryAfter %v of %v", errors.CodeOf(err), errors.RetryAfter(err), err)
		}
	})
}

// https://github.com/sony/gobreaker/issues/72: when OnStateChange is called, the counts that led to the
// change are gone.
func TestGobreakerForgetsWhyItOpened(t *testing.T) {
	g := gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.TotalFailures >= 20 },
	})
	for range 20 {
		_, _ = g.Execute(func() (struct{}, error) { return struct{}{}, errFailed })
	}
	if got := g.Counts(); got.TotalFailures != 0 {
		t.Errorf("gobreaker still knows of %d failures; it knew of none before", got.TotalFailures)
	}
	var why resilience.Transition
	b := newBreaker(t, resilience.BreakerConfig{OnStateChange: func(t resilience.Transition) { why = t }})
	open(t, b)
	if why.Calls != 20 || why.Failures != 20 || why.OpenFor == 0 {
		t.Errorf("the change says %+v", why)
	}
}
