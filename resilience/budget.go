package resilience

import (
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// BudgetConfig configures a [Budget]. The numbers are Finagle's idea
// (https://twitter.github.io/finagle/guide/Clients.html#retries) with a smaller share: retries help
// against rare faults, and do harm when most calls fail.
type BudgetConfig struct {
	// Ratio is the share of calls that may be retried. Zero: 0.1. Negative: no budget, every retry is
	// granted.
	Ratio float64
	// MinPerSecond is how many retries a second, averaged over Window, are granted however few calls
	// there are. Zero: 1. Negative: none.
	MinPerSecond float64
	// Window is how far back calls and retries count. Zero: 10 s. Not negative.
	Window time.Duration
}

// A Budget bounds the extra load that retries, and whatever else repeats a call, put on a destination:
// over any window they are at most Ratio of the calls, or MinPerSecond if that is more. All that calls
// one destination shares one budget. It is safe for concurrent use.
type Budget struct {
	name string
	cfg  BudgetConfig

	mu          sync.Mutex
	window      rollingWindow // of calls, and of retries
	silentUntil int64         // the tick from which an empty budget may be complained of again
}

// NewBudget returns a budget for the destination called name. The error joins every fault of cfg.
func NewBudget(name string, cfg BudgetConfig) (*Budget, error) {
	cfg, err := cfg.resolve()
	if err := fault("retry budget", name, err); err != nil {
		return nil, err
	}
	return newBudget(name, cfg), nil
}

func newBudget(name string, cfg BudgetConfig) *Budget {
	return &Budget{name: name, cfg: cfg, window: newRollingWindow(cfg.Window)}
}

// resolve returns c with its defaults, and every fault of c.
func (c BudgetConfig) resolve() (BudgetConfig, error) {
	var faults []error
	if c.Ratio > 1 || math.IsNaN(c.Ratio) {
		faults = append(faults, inField("Ratio", fmt.Errorf("%v is not a share from 0 to 1", c.Ratio)))
	}
	if math.IsNaN(c.MinPerSecond) || math.IsInf(c.MinPerSecond, 0) {
		faults = append(faults, inField("MinPerSecond", fmt.Errorf("%v is not a number", c.MinPerSecond)))
	}
	if c.Window < 0 || c.Window > 0 && c.Window < windowBuckets {
		faults = append(faults, inField("Window", fmt.Errorf("%v is no length of time to count over", c.Window)))
	}
	c.Ratio = orDefault(c.Ratio, 0.1)
	c.MinPerSecond = orDefault(c.MinPerSecond, 1)
	c.Window = orDefault(c.Window, 10*time.Second)
	return c, errors.Join(faults...)
}

// resolveBudget returns the config of a policy's own budget, whose errors name the fields.
func resolveBudget(own BudgetConfig, shared *Budget) (BudgetConfig, error) {
	var both error
	if shared != nil && own != (BudgetConfig{}) {
		both = errors.New("is given, and so is SharedBudget")
	}
	own, err := own.resolve()
	return own, inField("Budget", errors.Join(both, err))
}

// Request counts a call, of which the budget earns. [Planner.Next] calls it once for each call.
func (b *Budget) Request() {
	if b.cfg.Ratio < 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.roll()
	b.window.add(1, 0)
}

// Withdraw takes one retry from the budget and reports whether there was one. If not, the call ends
// with what it has.
func (b *Budget) Withdraw() bool {
	if b.cfg.Ratio < 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.roll()
	if b.left() < 1 {
		return false
	}
	b.window.add(0, 1)
	return true
}

// Left returns how many retries the budget would grant now.
func (b *Budget) Left() int {
	if b.cfg.Ratio < 0 {
		return math.MaxInt
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.roll()
	return b.left()
}

// LogValue describes the budget and what is left of it.
func (b *Budget) LogValue() slog.Value {
	if b.cfg.Ratio < 0 {
		return slog.StringValue("off")
	}
	return slog.GroupValue(
		slog.Float64("ratio", b.cfg.Ratio),
		slog.Float64("min_per_second", max(b.cfg.MinPerSecond, 0)),
		slog.Duration("window", b.cfg.Window),
		slog.Int("left", b.Left()),
	)
}

// mayComplain reports, at most once a window, that it is time to say that the budget is empty.
func (b *Budget) mayComplain() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.roll()
	if b.window.tick < b.silentUntil {
		return false
	}
	b.silentUntil = b.window.tick + windowBuckets
	return true
}

func (b *Budget) left() int {
	earned := max(b.cfg.Ratio*float64(b.window.sum[0]), b.cfg.MinPerSecond*b.cfg.Window.Seconds())
	const rounding = 1e-9 // 0.29 * 100 is 28.999999999999996
	return int(max(earned+rounding-float64(b.window.sum[1]), 0))
}
