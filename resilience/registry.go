package resilience

import (
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"go.opentelemetry.io/otel/metric"
)

// RegistryConfig configures a [Registry].
type RegistryConfig struct {
	// Breaker configures the breaker of each destination.
	Breaker BreakerConfig
	// Budget configures the retry budget of each destination.
	Budget BudgetConfig
	// Max is how many destinations are kept. Zero: 1024. Negative: no limit, for keys that you choose
	// and no caller does.
	Max int
	// Idle is how long a destination is kept that nobody asks for. Zero: 10 min. Negative: for ever.
	Idle time.Duration
	// Logger is that of the breakers, unless Breaker has one. Nil: slog.Default().
	Logger *slog.Logger
	// MeterProvider is that of the breakers, unless Breaker has one. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// resolve returns c with its defaults, and every fault of c.
func (c RegistryConfig) resolve() (RegistryConfig, error) {
	breaker, errBreaker := c.Breaker.resolve()
	budget, errBudget := c.Budget.resolve()
	c.Breaker, c.Budget = breaker, budget
	c.Max = orDefault(c.Max, 1024)
	c.Idle = orDefault(c.Idle, 10*time.Minute)
	c.Breaker.Logger = orDefault(c.Breaker.Logger, c.Logger)
	c.Breaker.MeterProvider = orDefault(c.Breaker.MeterProvider, c.MeterProvider)
	return c, errors.Join(inField("Breaker", errBreaker), inField("Budget", errBudget))
}

// A Destination is what calls to one place share.
type Destination struct {
	Key     string
	Breaker *Breaker
	Budget  *Budget

	used       time.Time // under the registry's lock
	prev, next *Destination
}

// A Registry keeps a breaker and a retry budget for each destination, found by a key such as scheme,
// host and port. It is bounded: destinations that nobody uses are dropped, and so is the one longest
// unused when there are too many. It starts no goroutine; what is overdue is dropped on use. It is safe
// for concurrent use.
//
// A destination that was dropped keeps working for who holds it; the next one to ask gets a new one,
// whose breaker is closed.
type Registry struct {
	cfg       RegistryConfig
	telemetry *breakerTelemetry // of a breaker without its destination

	mu    sync.Mutex
	byKey map[string]*Destination
	ring  Destination // sentinel: ring.next was used last, ring.prev longest ago
}

// evictionReach is how far from the longest unused destination one is looked for whose breaker is
// closed: dropping an open breaker lets calls out to a destination that is down.
const evictionReach = 16

// NewRegistry returns an empty registry. The error joins every fault of cfg.
func NewRegistry(name string, cfg RegistryConfig) (*Registry, error) {
	cfg, err := cfg.resolve()
	if err := fault("registry", name, err); err != nil {
		return nil, err
	}
	r := &Registry{
		cfg:       cfg,
		telemetry: newBreakerTelemetry(cfg.Breaker, attrName.String(name)),
		byKey:     make(map[string]*Destination),
	}
	r.ring.prev, r.ring.next = &r.ring, &r.ring
	policy.Register("registry", name, r)
	observeBreakers(cfg.Breaker.MeterProvider, r, func(r *Registry, report func(*Breaker)) {
		for d := range r.All() {
			report(d.Breaker)
		}
	})
	return r, nil
}

// Get returns the destination with the key, which it makes if there is none.
func (r *Registry) Get(key string) *Destination {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropIdle(now)
	d := r.byKey[key]
	switch d {
	case nil:
		d = r.add(key)
		d.linkAfter(&r.ring)
	case r.ring.next: // as nearly always where there is one
	default:
		d.unlink()
		d.linkAfter(&r.ring)
	}
	d.used = now
	return d
}

// Len returns how many destinations are kept.
func (r *Registry) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropIdle(time.Now())
	return len(r.byKey)
}

// All returns the destinations that are kept at the time of the call, the one used last first. To
// look at them is not to use them.
func (r *Registry) All() iter.Seq[*Destination] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropIdle(time.Now())
	all := make([]*Destination, 0, len(r.byKey))
	for d := r.ring.next; d != &r.ring; d = d.next {
		all = append(all, d)
	}
	return slices.Values(all)
}

// maxDescribed bounds how many breakers a description lists.
const maxDescribed = 16

// LogValue describes the effective policy, and those destinations whose breakers are not closed: the
// sixteen used last.
func (r *Registry) LogValue() slog.Value {
	count, troubled := 0, []slog.Attr{}
	for d := range r.All() {
		count++
		if s := d.Breaker.State(); s != Closed && len(troubled) < maxDescribed {
			troubled = append(troubled, slog.String(d.Key, s.String()))
		}
	}
	attrs := append(r.cfg.Breaker.describe(),
		slog.Float64("budget_ratio", r.cfg.Budget.Ratio),
		slog.Int("max", r.cfg.Max),
		slog.Duration("idle", r.cfg.Idle),
		slog.Int("destinations", count),
		slog.Attr{Key: "not_closed", Value: slog.GroupValue(troubled...)},
	)
	return slog.GroupValue(attrs...)
}

func (r *Registry) add(key string) *Destination {
	if r.cfg.Max > 0 && len(r.byKey) >= r.cfg.Max {
		r.drop(r.victim())
	}
	d := &Destination{
		Key:     key,
		Breaker: newBreaker(key, r.cfg.Breaker, r.telemetry.with(attrDestination.String(key))),
		Budget:  newBudget(key, r.cfg.Budget),
	}
	r.byKey[key] = d
	return d
}

// victim returns the longest unused destination, if need be one of those next to it that is closed.
func (r *Registry) victim() *Destination {
	d := r.ring.prev
	for range evictionReach {
		if d == &r.ring {
			break
		}
		if d.Breaker.State() == Closed {
			return d
		}
		d = d.prev
	}
	return r.ring.prev
}

func (r *Registry) dropIdle(now time.Time) {
	if r.cfg.Idle < 0 {
		return
	}
	for d := r.ring.prev; d != &r.ring && now.Sub(d.used) >= r.cfg.Idle; d = r.ring.prev {
		r.drop(d)
	}
}

func (r *Registry) drop(d *Destination) {
	delete(r.byKey, d.Key)
	d.unlink()
}

func (d *Destination) unlink() {
	d.prev.next, d.next.prev = d.next, d.prev
	d.prev, d.next = nil, nil
}

func (d *Destination) linkAfter(at *Destination) {
	d.prev, d.next = at, at.next
	at.next.prev, at.next = d, d
}
