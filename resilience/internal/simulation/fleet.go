// Package simulation runs many clients against a dependency in trouble, in virtual time: what
// resilience.Standard does to the load on it, and to its callers. Its tests hold the promises of package
// resilience, and write the figures of SIMULATION.md. Nothing that a service links imports it.
//
// Everything in here runs in a bubble of testing/synctest. Whatever would be left to chance comes from
// numbers that depend on nothing but who makes which attempt, so that a run has one outcome.
package simulation

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// What every scenario has in common.
const (
	Clients = 100 // processes, each with a pipeline of its own
	Rate    = 10  // calls a second that each makes, at random times
	Latency = 50 * time.Millisecond

	Calm    = 10 * time.Second // before the trouble
	Trouble = 20 * time.Second
	After   = 20 * time.Second // when it is over
	Length  = Calm + Trouble + After
)

// A Scenario is one kind of trouble.
type Scenario struct {
	Name     string
	Failures float64 // share of attempts that fail with unavailable
	Slower   float64 // factor of the latency; 0: 1
	Hangs    bool    // nothing is answered
}

// Scenarios are those of the figures.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "no failures"},
		{Name: "10 % fail", Failures: 0.1},
		{Name: "50 % fail", Failures: 0.5},
		{Name: "90 % fail", Failures: 0.9},
		{Name: "100 % fail", Failures: 1},
		{Name: "10 times slower", Slower: 10},
		{Name: "hangs", Hangs: true},
	}
}

// Figures are what became of a scenario.
type Figures struct {
	Scenario  Scenario
	Offered   Series // calls that clients began
	Load      Series // attempts that reached the dependency
	Succeeded Series // calls that clients began and that succeeded

	Opened      int           // clients whose breaker opened
	LastOpened  time.Duration // from the beginning of the trouble until the last of them opened first
	Recovered   time.Duration // from the end of the trouble until the last call began that failed
	StillOpen   int           // breakers that are not closed at the end
	EarlyOpened int           // breakers that opened without trouble
}

// A Series counts events by the second.
type Series [Length / time.Second]int64

func (s *Series) add(at time.Duration) {
	if i := int(at / time.Second); i < len(s) {
		atomic.AddInt64(&s[i], 1)
	}
}

// Between returns the sum from one time to another, in whole seconds.
func (s *Series) Between(from, to time.Duration) (sum int64) {
	for _, n := range s[from/time.Second : to/time.Second] {
		sum += n
	}
	return sum
}

// WorstExcess returns by how many attempts a second, on average over the worst ten seconds, the load was
// more than 1.1 times the calls that were offered.
func (f *Figures) WorstExcess() float64 {
	const window = 10 * time.Second
	worst := -1e9
	for from := time.Duration(0); from+window <= Length; from += time.Second {
		excess := float64(f.Load.Between(from, from+window)) - 1.1*float64(f.Offered.Between(from, from+window))
		worst = max(worst, excess/window.Seconds())
	}
	return worst
}

// fleet is a scenario that runs.
type fleet struct {
	start   time.Time
	figures Figures
	hands   hands
	mu      sync.Mutex // around what is no series
}

// hands are goroutines that make calls, one after the other: a new one for each would spend most of its
// time on growing its stack.
type hands struct {
	all  sync.WaitGroup
	jobs chan func()
}

func (h *hands) take(job func()) {
	select {
	case h.jobs <- job:
	default:
		h.all.Go(func() {
			job()
			for next := range h.jobs {
				next()
			}
		})
	}
}

// wait returns when all have done what they took; they take no more.
func (h *hands) wait() {
	close(h.jobs)
	h.all.Wait()
}

// Run runs a scenario to its end.
func Run(s Scenario) (*Figures, error) {
	f := &fleet{start: time.Now(), figures: Figures{Scenario: s}, hands: hands{jobs: make(chan func())}}
	pipelines := make([]*resilience.Pipeline, Clients)
	for i := range pipelines {
		var err error
		if pipelines[i], err = resilience.Standard("dependency", f.config(i)); err != nil {
			return nil, err
		}
	}
	var wg sync.WaitGroup
	for i, p := range pipelines {
		wg.Go(func() { f.client(i, p) })
	}
	wg.Wait()
	f.hands.wait()
	for _, p := range pipelines {
		if p.Breaker().State() != resilience.Closed {
			f.figures.StillOpen++
		}
	}
	return &f.figures, nil
}

// config is the default, without chance: the open period differs by client as Spread would have it.
func (f *fleet) config(client int) resilience.StandardConfig {
	opened := false
	return resilience.StandardConfig{
		Retry: resilience.RetryConfig{Backoff: resilience.Backoff{Jitter: -1}, Idempotent: true},
		Breaker: resilience.BreakerConfig{
			Spread:  -1,
			OpenFor: 4*time.Second + time.Duration(chance(client, 0, 0, 3)*float64(2*time.Second)),
			OnStateChange: func(t resilience.Transition) {
				if t.To == resilience.Open && !opened {
					opened = true
					f.opened()
				}
			},
		},
		Logger: slog.New(slog.DiscardHandler),
	}
}

func (f *fleet) opened() {
	at := time.Since(f.start)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.figures.Opened++
	f.figures.LastOpened = max(f.figures.LastOpened, at-Calm)
	if s := f.figures.Scenario; at < Calm || !s.Hangs && s.Failures == 0 {
		f.figures.EarlyOpened++
	}
}

// client makes calls at random times until the end.
func (f *fleet) client(client int, p *resilience.Pipeline) {
	for call := 1; ; call++ {
		time.Sleep(exponential(time.Second/Rate, chance(client, call, 0, 1)))
		began := time.Since(f.start)
		if began >= Length {
			return
		}
		f.hands.take(func() { f.call(client, call, began, p) })
	}
}

func (f *fleet) call(client, call int, began time.Duration, p *resilience.Pipeline) {
	f.figures.Offered.add(began)
	attempt := 0
	err := p.Do(context.Background(), func(ctx context.Context) error {
		attempt++
		return f.attempt(ctx, client, call, attempt)
	})
	if err == nil {
		f.figures.Succeeded.add(began)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.figures.Recovered = max(f.figures.Recovered, began-Calm-Trouble)
}

// attempt is the dependency.
func (f *fleet) attempt(ctx context.Context, client, call, attempt int) error {
	at := time.Since(f.start)
	f.figures.Load.add(at)
	takes, fails, hangs := exponential(Latency, chance(client, call, attempt, 1)), false, false
	if s := f.figures.Scenario; at >= Calm && at < Calm+Trouble {
		fails, hangs = chance(client, call, attempt, 2) < s.Failures, s.Hangs
		takes = time.Duration(float64(takes) * max(s.Slower, 1))
	}
	if hangs {
		takes = time.Hour
	}
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if fails {
		return errors.Unavailable
	}
	return nil
}

// exponential turns a chance from 0 to 1 into a time with this mean.
func exponential(mean time.Duration, chance float64) time.Duration {
	return time.Duration(-math.Log(1-chance)*float64(mean)) + 1
}

// chance is a number from 0 to 1, 1 excluded, as good as random and always the same: the finalizer of
// SplitMix64 over its arguments.
func chance(client, call, attempt, kind int) float64 {
	x := uint64(client)<<40 ^ uint64(call)<<16 ^ uint64(attempt)<<8 ^ uint64(kind)
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
