package resilience_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// offer begins a call every millisecond, each of which takes as long as it says, and returns how many
// were shed of those in the second half.
func offer(limit *resilience.AdaptiveLimit, length, takes time.Duration, outcome resilience.Outcome) (shed int) {
	for began := time.Now(); time.Since(began) < length; time.Sleep(time.Millisecond) {
		permit, ok := limit.TryAcquire()
		if ok {
			time.AfterFunc(takes, func() { permit.Release(outcome) })
		} else if time.Since(began) >= length/2 {
			shed++
		}
	}
	time.Sleep(takes)
	return shed
}

// Streams hold their places for hours. A limit below their number lets nothing in, so nothing would end
// that could raise it again.
func TestAdaptiveLimitIsNotStuckBelowTheCallsThatDoNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Logger: quiet}))(t)
		streams := make([]resilience.Permit, 600)
		for i := range streams {
			streams[i], _ = limit.TryAcquire()
		}
		offer(limit, 5*time.Second, 10*time.Millisecond, resilience.Success)
		for _, slower := range []time.Duration{40, 160, 320} { // a dependency is slow, there is no queue
			if shed := offer(limit, 10*time.Second, slower*time.Millisecond, resilience.Success); shed > 0 {
				t.Errorf("%d calls of %d ms were shed, the limit is %d with %d in flight", shed, slower, limit.Limit(), limit.InFlight())
			}
		}
		for i := range streams {
			streams[i].Release(resilience.Excluded)
		}
	})
}

// Excluded calls are no samples. Without samples a limit that an overload has lowered stays low.
func TestAdaptiveLimitRecoversWhileNothingCanBeLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Max: 100, Logger: quiet}))(t)
		offer(limit, 10*time.Second, 90*time.Millisecond, resilience.Failure)
		if limit.Limit() > 20 {
			t.Fatalf("the limit is %d after an overload", limit.Limit())
		}
		if shed := offer(limit, 20*time.Second, 50*time.Millisecond, resilience.Excluded); shed > 0 {
			t.Errorf("%d calls were shed, the limit is %d", shed, limit.Limit())
		}
	})
}

// A destination that fails a part of few calls is not overloaded by their number.
func TestAdaptiveLimitIsNotLoweredWhereLittleOfItIsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Logger: quiet}))(t)
		for range 10_000 {
			_ = limit.Do(t.Context(), func(ctx context.Context) error {
				time.Sleep(time.Millisecond)
				return errors.Unavailable
			})
		}
		if limit.Limit() != 1000 {
			t.Errorf("the limit is %d, and one call at a time was made", limit.Limit())
		}
	})
}

// Where latencies differ a thousand times, the mean of a hundred is a matter of chance, and those that end
// soon after a change are the short ones: neither is an overload.
func TestAdaptiveLimitDoesNotTakeChanceForAQueue(t *testing.T) {
	for name, tc := range map[string]struct {
		rate float64
		work func(*rand.Rand) time.Duration
	}{
		"either short or long": {1300, func(rng *rand.Rand) time.Duration {
			return []time.Duration{time.Millisecond, time.Second}[rng.IntN(2)]
		}},
		"anything from 0.1 ms to 6 s": {900, func(rng *rand.Rand) time.Duration {
			return 100 * time.Microsecond << rng.IntN(17)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				newStation(t, 10_000, tc.work).run(tc.rate, 3*time.Minute).noneShed("where nothing waits")
			})
		})
	}
}

// While it finds out that fewer calls at a time are no faster, some are shed, for a second at the most.
func TestAdaptiveLimitLeavesASlowDependencyAloneAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t, 10_000, about(10*time.Millisecond))
		s.run(7000, 10*second)
		s.work = about(100 * time.Millisecond) // 700 of 1000 at a time
		s.run(7000, second)
		s.run(7000, 20*second).noneShed("ten times slower")
	})
}
