package resilience_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
)

func TestBackoffDoublesUpToItsMaximum(t *testing.T) {
	var got []time.Duration
	for n := range 7 {
		got = append(got, exact.Wait(n))
	}
	ms := time.Millisecond
	want := []time.Duration{100 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 2000 * ms}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBackoffDrawsWaitsFromAllOfTheirRange(t *testing.T) {
	for name, tc := range map[string]struct {
		backoff   resilience.Backoff
		low, high time.Duration
	}{
		"full jitter":    {resilience.Backoff{}, 0, 400 * time.Millisecond},
		"quarter jitter": {resilience.Backoff{Jitter: 0.25}, 300 * time.Millisecond, 400 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			waits := make([]time.Duration, 2000)
			for i := range waits {
				waits[i] = tc.backoff.Wait(3)
			}
			low, high := slices.Min(waits), slices.Max(waits)
			tenth := (tc.high - tc.low) / 10
			if low < tc.low || low > tc.low+tenth || high > tc.high || high < tc.high-tenth {
				t.Errorf("2000 waits lie from %v to %v, want from about %v to %v", low, high, tc.low, tc.high)
			}
		})
	}
}

func TestBackoffStaysWithinBoundsHoweverLargeTheNumbers(t *testing.T) {
	backoffs := map[string]resilience.Backoff{
		"default":             {},
		"no jitter":           exact,
		"no maximum":          {Max: -1},
		"no maximum, exact":   {Max: -1, Jitter: -1},
		"no maximum, partial": {Max: -1, Jitter: 0.5},
		"base beyond default": {Base: time.Hour},
		"largest base":        {Base: math.MaxInt64, Jitter: 0.9999999999999999},
		"steep":               {Factor: math.MaxFloat64},
		"no waits":            {Base: -1},
		"no growth":           {Factor: -1},
		"not numbers":         {Factor: math.NaN(), Jitter: math.NaN()},
		"jitter too large":    {Jitter: 17},
		"factor too small":    {Factor: 0.1},
	}
	limit := map[string]time.Duration{
		"no maximum": math.MaxInt64, "no maximum, exact": math.MaxInt64, "no maximum, partial": math.MaxInt64,
		"base beyond default": time.Hour, "largest base": math.MaxInt64, "no waits": 0,
		"no growth": 100 * time.Millisecond, "not numbers": 100 * time.Millisecond, "factor too small": 100 * time.Millisecond,
	}
	for name, b := range backoffs {
		most, ok := limit[name]
		if !ok {
			most = 2 * second
		}
		for _, attempt := range []int{math.MinInt, -1, 0, 1, 2, 10, 62, 63, 64, 65, 1000, math.MaxInt32, math.MaxInt} {
			if wait := b.Wait(attempt); wait < 0 || wait > most {
				t.Errorf("%s: Wait(%d) is %v, want 0 to %v", name, attempt, wait, most)
			}
		}
	}
}

func TestBackoffValidateNamesEveryFault(t *testing.T) {
	if err := (resilience.Backoff{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
	err := resilience.Backoff{Base: time.Minute, Max: time.Second, Factor: 0.5, Jitter: 2}.Validate()
	for _, want := range []string{"Base: 1m0s", "Factor: 0.5", "Jitter: 2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %q", err, want)
		}
	}
}
