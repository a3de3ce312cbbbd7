package resilience_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
)

func newRegistry(t testing.TB, cfg resilience.RegistryConfig) *resilience.Registry {
	t.Helper()
	cfg.Logger = quiet
	cfg.Breaker.Spread = -1
	return must(resilience.NewRegistry("client", cfg))(t)
}

func keys(r *resilience.Registry) []string {
	got := []string{}
	for d := range r.All() {
		got = append(got, d.Key)
	}
	return got
}

func TestRegistryKeepsOneDestinationAKey(t *testing.T) {
	r := newRegistry(t, resilience.RegistryConfig{})
	a, b := r.Get("https://a:443"), r.Get("https://b:443")
	if a == b || r.Get("https://a:443") != a || a.Key != "https://a:443" || a.Breaker.Name() != a.Key {
		t.Errorf("a is %+v, b is %+v", a, b)
	}
	open(t, a.Breaker)
	if b.Breaker.State() != resilience.Closed {
		t.Error("a's failures opened b's breaker")
	}
	if diff := cmp.Diff([]string{"https://a:443", "https://b:443"}, keys(r)); diff != "" {
		t.Error(diff)
	}
}

func TestRegistryDropsWhatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, resilience.RegistryConfig{})
		a := r.Get("a")
		r.Get("b")
		time.Sleep(6 * time.Minute)
		if r.Get("a") != a {
			t.Error("a was dropped while in use")
		}
		time.Sleep(4 * time.Minute)
		if diff := cmp.Diff([]string{"a"}, keys(r)); diff != "" {
			t.Error(diff)
		}
		time.Sleep(6 * time.Minute)
		if r.Len() != 0 || r.Get("a") == a {
			t.Error("a was kept")
		}
	})
}

func TestRegistryKeepsWhatIsIdleIfTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, resilience.RegistryConfig{Idle: -1, Max: -1})
		for n := range 3000 {
			r.Get(fmt.Sprint(n))
		}
		time.Sleep(1000 * time.Hour)
		if r.Len() != 3000 {
			t.Errorf("%d are left", r.Len())
		}
	})
}

func TestRegistryIsBounded(t *testing.T) {
	r := newRegistry(t, resilience.RegistryConfig{Max: 3})
	for _, key := range []string{"a", "b", "c", "a", "d"} {
		r.Get(key)
	}
	if diff := cmp.Diff([]string{"d", "a", "c"}, keys(r)); diff != "" {
		t.Error(diff)
	}
}

func TestRegistryDropsAnOpenBreakerLast(t *testing.T) {
	r := newRegistry(t, resilience.RegistryConfig{Max: 3})
	down := r.Get("down")
	open(t, down.Breaker)
	for n := range 10 {
		r.Get(fmt.Sprint(n))
	}
	if r.Get("down") != down {
		t.Error("a destination that is down was dropped for one that is not")
	}
}

func TestRegistryIsBoundedThoughAllBreakersAreOpen(t *testing.T) {
	r := newRegistry(t, resilience.RegistryConfig{Max: 40})
	for n := range 200 {
		open(t, r.Get(fmt.Sprint(n)).Breaker)
	}
	if r.Len() != 40 {
		t.Errorf("%d are kept", r.Len())
	}
}

// TestRegistryAgreesWithAModel compares random histories with a plain slice, used last first.
func TestRegistryAgreesWithAModel(t *testing.T) {
	type entry struct {
		d    *resilience.Destination
		used time.Time
	}
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 4))
			limit := 1 + rng.IntN(8)
			r := newRegistry(t, resilience.RegistryConfig{Max: limit, Idle: time.Minute})
			var model []entry
			for step := range 300 {
				if rng.IntN(3) == 0 {
					time.Sleep(time.Duration(rng.IntN(40)) * second)
				}
				key := fmt.Sprint(rng.IntN(12))
				got := r.Get(key)
				model = slices.DeleteFunc(model, func(e entry) bool { return time.Since(e.used) >= time.Minute })
				i := slices.IndexFunc(model, func(e entry) bool { return e.d.Key == key })
				if i >= 0 && model[i].d != got || i < 0 && slices.ContainsFunc(model, func(e entry) bool { return e.d == got }) {
					t.Fatalf("seed %d, step %d: Get(%s) returned the wrong destination", seed, step, key)
				}
				if i >= 0 {
					model = slices.Delete(model, i, i+1)
				} else if len(model) == limit {
					model = model[:limit-1]
				}
				model = slices.Insert(model, 0, entry{got, time.Now()})
				want := []string{}
				for _, e := range model {
					want = append(want, e.d.Key)
				}
				if diff := cmp.Diff(want, keys(r)); diff != "" {
					t.Fatalf("seed %d, step %d: %s", seed, step, diff)
				}
			}
		})
	}
}

func TestRegistryUnderConcurrentUseAndEviction(t *testing.T) {
	r := newRegistry(t, resilience.RegistryConfig{Max: 10})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 5))
			for range 1000 {
				key := fmt.Sprint(rng.IntN(30))
				d := r.Get(key)
				if d.Key != key {
					t.Errorf("Get(%s) returned %s", key, d.Key)
				}
				if done, err := d.Breaker.Allow(t.Context()); err == nil {
					done(resilience.Outcome(rng.IntN(3)))
				}
				d.Budget.Request()
				d.Budget.Withdraw()
				if rng.IntN(50) == 0 {
					if got := len(keys(r)); got > 10 {
						t.Errorf("%d destinations", got)
					}
					_ = r.LogValue()
				}
			}
		})
	}
	wg.Wait()
	if got := r.Len(); got != 10 {
		t.Errorf("%d destinations are kept", got)
	}
}

func TestNewRegistryNamesEveryFault(t *testing.T) {
	_, err := resilience.NewRegistry("", resilience.RegistryConfig{
		Breaker: resilience.BreakerConfig{FailureRatio: 3},
		Budget:  resilience.BudgetConfig{Ratio: 4},
	})
	for _, want := range []string{"name: is empty", "Breaker: FailureRatio: 3", "Budget: Ratio: 4"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}
