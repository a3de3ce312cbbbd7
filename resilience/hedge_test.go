package resilience_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

func newHedge(t testing.TB, cfg resilience.HedgeConfig) *resilience.Hedge {
	t.Helper()
	cfg.Idempotent = true
	return must(resilience.NewHedge("inventory", cfg))(t)
}

// An attempt takes a while, unless its context ends, and then ends with an error or none.
type attempt struct {
	takes time.Duration
	err   error
}

// attempts is an operation whose attempts are as given, in the order in which they begin. It counts
// those that began and those that were cancelled, and fails the test where one is not over by the end.
type attempts struct {
	script                   []attempt
	began, running, canceled atomic.Int64
}

func (a *attempts) op(ctx context.Context) error {
	_, err := a.value(ctx)
	return err
}

// value returns the attempt's number.
func (a *attempts) value(ctx context.Context) (int, error) {
	n := int(a.began.Add(1))
	a.running.Add(1)
	defer a.running.Add(-1)
	next := a.script[min(n, len(a.script))-1]
	select {
	case <-time.After(next.takes):
		return n, next.err
	case <-ctx.Done():
		a.canceled.Add(1)
		return n, ctx.Err()
	}
}

func TestHedgeTakesWhatComesFirst(t *testing.T) {
	answer, failure := error(errors.NotFound), error(errors.Unavailable)
	for _, tc := range []struct {
		name                 string
		max                  int
		script               []attempt
		took                 time.Duration
		err                  error
		value, began, losers int
	}{
		{"a quick call has no hedge", 1, []attempt{{99 * time.Millisecond, nil}}, 99 * time.Millisecond, nil, 1, 1, 0},
		{"the hedge is quicker", 1, []attempt{{second, nil}, {10 * time.Millisecond, nil}}, 110 * time.Millisecond, nil, 2, 2, 1},
		{"the first is quicker", 1, []attempt{{150 * time.Millisecond, nil}, {second, nil}}, 150 * time.Millisecond, nil, 1, 2, 1},
		{"both are slow, one hedge", 1, []attempt{{second, nil}}, second, nil, 1, 2, 1},
		{"up to three hedges", 3, []attempt{{second, nil}, {second, nil}, {second, nil}, {time.Millisecond, nil}}, 301 * time.Millisecond, nil, 4, 4, 3},
		{"a quick failure is not hedged", 1, []attempt{{time.Millisecond, failure}}, time.Millisecond, failure, 0, 1, 0},
		{"an answer is one, though an error", 1, []attempt{{second, nil}, {time.Millisecond, answer}}, 101 * time.Millisecond, answer, 0, 2, 1},
		{"the first's answer, too", 1, []attempt{{150 * time.Millisecond, answer}, {second, nil}}, 150 * time.Millisecond, answer, 0, 2, 1},
		{"a failed hedge waits for the first", 1, []attempt{{second, nil}, {time.Millisecond, failure}}, second, nil, 1, 2, 0},
		{"a failed first waits for the hedge", 1, []attempt{{150 * time.Millisecond, failure}, {second, nil}}, 1100 * time.Millisecond, nil, 2, 2, 0},
		{"a failed first waits for the next hedge", 2, []attempt{{150 * time.Millisecond, failure}, {second, failure}, {10 * time.Millisecond, nil}}, 210 * time.Millisecond, nil, 3, 3, 1},
		{"all fail", 1, []attempt{{150 * time.Millisecond, failure}, {time.Second, errors.Internal}}, 1100 * time.Millisecond, failure, 0, 2, 0},
		{"all fail, the first last", 1, []attempt{{second, failure}, {time.Millisecond, errors.Internal}}, second, failure, 0, 2, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHedge(t, resilience.HedgeConfig{Delay: 100 * time.Millisecond, Max: tc.max})
				a := &attempts{script: tc.script}
				start := time.Now()
				value, err := resilience.Call(t.Context(), h, a.value)
				if err != tc.err || value != tc.value || time.Since(start) != tc.took {
					t.Errorf("%d, %v after %v, want %d, %v after %v", value, err, time.Since(start), tc.value, tc.err, tc.took)
				}
				if a.running.Load() != 0 || int(a.began.Load()) != tc.began || int(a.canceled.Load()) != tc.losers {
					t.Errorf("%d attempts, %d cancelled, %d still run; want %d, %d, 0", a.began.Load(), a.canceled.Load(), a.running.Load(), tc.began, tc.losers)
				}
			})
		})
	}
}

// https://github.com/failsafe-go/failsafe-go/issues/141: an empty budget ended the attempts in flight.
func TestHedgeWithoutBudgetGoesOnWithTheFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, resilience.HedgeConfig{Delay: 100 * time.Millisecond, Budget: resilience.BudgetConfig{MinPerSecond: -1}})
		a := &attempts{script: []attempt{{second, nil}}}
		if err := h.Do(t.Context(), a.op); err != nil || a.began.Load() != 1 {
			t.Errorf("%v after %d attempts", err, a.began.Load())
		}
	})
}

func TestHedgesAddNoMoreThanTheirBudgetWhenEverythingIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, resilience.HedgeConfig{Delay: 10 * time.Millisecond, Budget: resilience.BudgetConfig{MinPerSecond: -1}})
		a := &attempts{script: []attempt{{50 * time.Millisecond, nil}}}
		for range 1000 {
			_ = h.Do(t.Context(), a.op)
		}
		if got := a.began.Load(); got > 1100 || got < 1090 {
			t.Errorf("1000 slow calls made %d attempts, want a tenth more", got)
		}
	})
}

func TestHedgeAndRetryShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := must(resilience.NewBudget("inventory", resilience.BudgetConfig{MinPerSecond: -1}))(t)
		retry := newRetry(t, resilience.RetryConfig{SharedBudget: budget, Backoff: resilience.Backoff{Base: -1}, Idempotent: true})
		both := resilience.Chain(retry, newHedge(t, resilience.HedgeConfig{SharedBudget: budget, Delay: 10 * time.Millisecond}))
		rng := rand.New(rand.NewPCG(1, 10))
		a := &attempts{}
		for range 1000 {
			a.script = append(a.script, attempt{50 * time.Millisecond, []error{nil, errors.Unavailable}[rng.IntN(2)]})
		}
		for range 800 {
			_ = both.Do(t.Context(), a.op)
		}
		if got := a.began.Load(); got > 880 || got < 860 {
			t.Errorf("800 calls, slow and half of them failing, made %d attempts, want a tenth more", got)
		}
	})
}

// TestRetriesAndHedgesAgreeWithAModelOfTheirBudget makes random calls at random times: over any ten
// seconds there are no more attempts than the calls and the budget allow, and where there was a reason to
// make one, no fewer. What a tenth of the window more may grant is the price of counting in tenths.
func TestRetriesAndHedgesAgreeWithAModelOfTheirBudget(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 13))
			cfg := resilience.BudgetConfig{Ratio: 0.1 + rng.Float64()/3, MinPerSecond: rng.Float64()}
			budget := must(resilience.NewBudget("inventory", cfg))(t)
			both := resilience.Chain(
				must(resilience.NewRetry("inventory", resilience.RetryConfig{SharedBudget: budget, Idempotent: true, Logger: quiet}))(t),
				newHedge(t, resilience.HedgeConfig{SharedBudget: budget, Delay: 20 * time.Millisecond, Max: 2}),
			)
			var mu sync.Mutex
			var calls, attempts []time.Time
			note := func(events *[]time.Time) {
				mu.Lock()
				defer mu.Unlock()
				*events = append(*events, time.Now())
			}
			var wg sync.WaitGroup
			for range 1500 {
				time.Sleep(time.Duration(rng.Int64N(int64(60 * time.Millisecond))))
				takes, fails := time.Duration(rng.IntN(60))*time.Millisecond, rng.IntN(2) == 0
				wg.Go(func() {
					note(&calls)
					_ = both.Do(t.Context(), func(ctx context.Context) error {
						note(&attempts)
						time.Sleep(takes)
						if fails {
							return errors.Unavailable
						}
						return ctx.Err()
					})
				})
			}
			wg.Wait()
			for i, from := range calls {
				if i%20 != 0 {
					continue
				}
				within := func(events []time.Time, before, after time.Duration) (n float64) {
					for _, at := range events {
						if !at.Before(from.Add(-before)) && at.Before(from.Add(10*second+after)) {
							n++
						}
					}
					return n
				}
				more := within(attempts, 0, 0) - within(calls, second, 0)
				allowed := max(cfg.Ratio*within(calls, 10*second, 0), 2*10*cfg.MinPerSecond)
				if more > allowed+1 {
					t.Fatalf("seed %d: in ten seconds there were %.0f attempts more than calls, the budget allows %.0f", seed, more, allowed)
				}
			}
			total, earned := float64(len(attempts)-len(calls)), cfg.Ratio*float64(len(calls))
			if floor := cfg.MinPerSecond * time.Since(calls[0]).Seconds(); total < 0.8*min(earned, floor) || total > max(earned, floor)+earned/5+10 {
				t.Errorf("seed %d: %.0f attempts more than the %d calls, which earned %.0f, at least %.0f", seed, total, len(calls), earned, floor)
			}
		})
	}
}

func TestHedgeEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, resilience.HedgeConfig{Delay: 100 * time.Millisecond})
		a := &attempts{script: []attempt{{time.Hour, nil}}}
		ctx, cancel := context.WithTimeout(t.Context(), second)
		defer cancel()
		if err := h.Do(ctx, a.op); !errors.Is(err, context.DeadlineExceeded) || a.canceled.Load() != 2 || a.running.Load() != 0 {
			t.Errorf("%v; %d cancelled, %d still run", err, a.canceled.Load(), a.running.Load())
		}
	})
}

// TestHedgeWaitsAsLongAsMostCallsTake lets a twentieth of the calls take a hundred times longer.
func TestHedgeWaitsAsLongAsMostCallsTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, resilience.HedgeConfig{})
		rng := rand.New(rand.NewPCG(1, 11))
		var mu sync.Mutex
		attempts := 0
		takes := func() time.Duration {
			mu.Lock()
			defer mu.Unlock()
			attempts++
			if rng.IntN(25) == 0 {
				return second
			}
			return time.Duration(5+rng.IntN(10)) * time.Millisecond
		}
		run := func(calls int) int {
			attempts = 0
			for range calls {
				_ = h.Do(t.Context(), func(ctx context.Context) error {
					select {
					case <-time.After(takes()):
					case <-ctx.Done():
					}
					return ctx.Err()
				})
			}
			return attempts
		}
		if attempts := run(100); attempts != 100 {
			t.Errorf("hedged before it was known how long calls take: %d attempts", attempts)
		}
		for range 10 { // the delay stays what it is, though hedges cut off what it comes from
			if attempts := run(300); attempts < 305 || attempts > 335 {
				t.Errorf("300 calls made %d attempts, want some 5 %% more; %v", attempts, h.LogValue())
			}
		}
	})
}

func TestHedgePassesAPanicOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, resilience.HedgeConfig{Delay: second})
		a := &attempts{script: []attempt{{time.Hour, nil}}}
		recovered := func() (r any) {
			defer func() { r = recover() }()
			_ = h.Do(t.Context(), func(ctx context.Context) error {
				if a.began.Load() == 1 {
					panic("boom")
				}
				return a.op(ctx)
			})
			return nil
		}()
		if recovered != "boom" || a.running.Load() != 0 {
			t.Errorf("recovered %v, %d still run", recovered, a.running.Load())
		}
	})
}

func TestHedgeWhoseFirstAttemptPanicsEndsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHedge(t, resilience.HedgeConfig{Delay: second})
		a := &attempts{script: []attempt{{time.Hour, nil}}}
		var calls atomic.Int64
		func() {
			defer func() { _ = recover() }()
			_ = h.Do(t.Context(), func(ctx context.Context) error {
				if calls.Add(1) == 1 {
					time.Sleep(2 * second)
					panic("boom")
				}
				return a.op(ctx)
			})
		}()
		if a.running.Load() != 0 || a.canceled.Load() != 1 {
			t.Errorf("%d still run, %d cancelled", a.running.Load(), a.canceled.Load())
		}
	})
}

// TestHedgeLeavesNothingBehind makes random calls; the bubble fails where a goroutine outlives them.
func TestHedgeLeavesNothingBehind(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 12))
			h := newHedge(t, resilience.HedgeConfig{Delay: 50 * time.Millisecond, Max: 1 + rng.IntN(3), Budget: resilience.BudgetConfig{Ratio: -1}})
			for range 100 {
				a := &attempts{}
				for range 4 {
					a.script = append(a.script, attempt{time.Duration(rng.IntN(200)) * time.Millisecond, []error{nil, errors.Unavailable, errors.NotFound}[rng.IntN(3)]})
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rng.IntN(300))*time.Millisecond)
				value, err := resilience.Call(ctx, h, a.value)
				if a.running.Load() != 0 {
					t.Fatalf("seed %d: %d attempts still run", seed, a.running.Load())
				}
				if err == nil && a.script[value-1].err != nil {
					t.Fatalf("seed %d: attempt %d failed, and the call returned it", seed, value)
				}
				cancel()
				began := a.began.Load()
				time.Sleep(second) // a timer that was left would begin another
				if a.began.Load() != began {
					t.Fatalf("seed %d: an attempt began after the call", seed)
				}
			}
		})
	}
}

func TestNewHedgeNamesEveryFault(t *testing.T) {
	shared := must(resilience.NewBudget("shared", resilience.BudgetConfig{}))(t)
	_, err := resilience.NewHedge("", resilience.HedgeConfig{
		Delay: -1, Percentile: 1, Max: -2, Budget: resilience.BudgetConfig{Ratio: 3}, SharedBudget: shared,
	})
	for _, want := range []string{"name: is empty", "Idempotent: is false", "Delay: -1ns", "Percentile: 1 ", "Max: -2", "Budget: is given", "Budget: Ratio: 3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}
