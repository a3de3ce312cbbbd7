package resilience_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/resilience"
)

func TestBudgetGrantsATenthOfManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(resilience.NewBudget("inventory", resilience.BudgetConfig{}))(t)
		granted := 0
		for range 290 {
			b.Request()
		}
		for range 290 {
			if b.Withdraw() {
				granted++
			}
		}
		if granted != 29 {
			t.Errorf("of 290 calls, all of which failed, %d were retried, want 29", granted)
		}
	})
}

func TestBudgetIsNotShortOfARetryByRounding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(resilience.NewBudget("inventory", resilience.BudgetConfig{Ratio: 0.29, MinPerSecond: -1}))(t)
		for range 100 { // 0.29 * 100 is 28.999999999999996
			b.Request()
		}
		if got := b.Left(); got != 29 {
			t.Errorf("29 %% of 100 calls are %d", got)
		}
	})
}

func TestBudgetGrantsOneRetryASecondHoweverFewCallsThereAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(resilience.NewBudget("inventory", resilience.BudgetConfig{}))(t)
		granted := 0
		for range 100 * 10 { // 100 s, one failing call each 100 ms
			b.Request()
			if b.Withdraw() {
				granted++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if granted != 100 {
			t.Errorf("in 100 s %d retries were granted, want 100", granted)
		}
	})
}

func TestBudgetForgetsWhatIsOlderThanItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(resilience.NewBudget("inventory", resilience.BudgetConfig{MinPerSecond: -1}))(t)
		for range 100 {
			b.Request()
		}
		time.Sleep(10*second - 1)
		if got := b.Left(); got != 10 {
			t.Errorf("within the window %d retries are left, want 10", got)
		}
		time.Sleep(1 * time.Nanosecond)
		if got := b.Left(); got != 0 {
			t.Errorf("after the window %d retries are left", got)
		}
		time.Sleep(1000 * time.Hour)
		b.Request()
		if b.Withdraw() {
			t.Error("a tenth of one call is a retry")
		}
	})
}

func TestBudgetTurnedOffGrantsEverything(t *testing.T) {
	b := must(resilience.NewBudget("inventory", resilience.BudgetConfig{Ratio: -1}))(t)
	for range 1000 {
		if !b.Withdraw() {
			t.Fatal("refused")
		}
	}
	if b.Left() != math.MaxInt {
		t.Errorf("left: %d", b.Left())
	}
}

// TestBudgetAgreesWithAModel compares random histories with a list of all events.
func TestBudgetAgreesWithAModel(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			cfg := resilience.BudgetConfig{
				Ratio:        []float64{0.1, 0.25, 1}[rng.IntN(3)],
				MinPerSecond: []float64{-1, 0.2, 1}[rng.IntN(3)],
				Window:       []time.Duration{second, 10 * second}[rng.IntN(2)],
			}
			b := must(resilience.NewBudget("model", cfg))(t)
			model := &budgetModel{cfg: cfg, start: time.Now()}
			for step := range 400 {
				switch rng.IntN(4) {
				case 0, 1:
					b.Request()
					model.requests = append(model.requests, model.tick())
				case 2:
					if got, want := b.Withdraw(), model.withdraw(); got != want {
						t.Fatalf("seed %d, step %d: granted %v, want %v", seed, step, got, want)
					}
				default:
					time.Sleep(time.Duration(rng.Int64N(int64(cfg.Window) * []int64{1, 1, 1, 12}[rng.IntN(4)] / 4)))
				}
				if got, want := b.Left(), model.left(); got != want {
					t.Fatalf("seed %d, step %d: %d left, want %d", seed, step, got, want)
				}
			}
		})
	}
}

type budgetModel struct {
	cfg               resilience.BudgetConfig
	start             time.Time
	requests, retries []int64 // the tenth of a window in which each was
}

func (m *budgetModel) tick() int64 { return int64(time.Since(m.start) / (m.cfg.Window / 10)) }

func (m *budgetModel) count(events []int64) (n int) {
	for _, tick := range events {
		if tick > m.tick()-10 {
			n++
		}
	}
	return n
}

func (m *budgetModel) left() int {
	earned := max(m.cfg.Ratio*float64(m.count(m.requests)), m.cfg.MinPerSecond*m.cfg.Window.Seconds())
	return int(max(math.Floor(earned+1e-9)-float64(m.count(m.retries)), 0))
}

func (m *budgetModel) withdraw() bool {
	if m.left() == 0 {
		return false
	}
	m.retries = append(m.retries, m.tick())
	return true
}

func TestBudgetIsNotOverdrawnByConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still
		b := must(resilience.NewBudget("inventory", resilience.BudgetConfig{}))(t)
		var granted atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 500 {
					b.Request()
				}
				for range 500 {
					if b.Withdraw() {
						granted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if left := b.Left(); granted.Load()+int64(left) != 400 {
			t.Errorf("of 4000 calls, %d retries were granted and %d are left", granted.Load(), left)
		}
	})
}

func TestNewBudgetNamesEveryFault(t *testing.T) {
	_, err := resilience.NewBudget("", resilience.BudgetConfig{Ratio: 1.5, MinPerSecond: math.Inf(1), Window: 3})
	for _, want := range []string{"name: is empty", "Ratio: 1.5", "MinPerSecond: +Inf", "Window: 3ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}
