package resilience_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// breakerModel is a breaker as one would explain it: lists of what happened, no counters.
type breakerModel struct {
	cfg     resilience.BreakerConfig // every field given
	state   resilience.State
	since   time.Time    // of the state
	ended   []endedCall  // counted calls of this closed state
	probing []*modelCall // probes of this half-open state that are out
	passed  int          // probes of this half-open state that succeeded
}

type endedCall struct {
	at time.Time
	ok bool
}

type modelCall struct {
	began time.Time // of the state that let it out
	at    time.Time
	over  bool
}

func (m *breakerModel) become(s resilience.State) {
	m.state, m.since = s, time.Now()
	m.ended, m.probing, m.passed = nil, nil, 0
}

// look is what the next call finds.
func (m *breakerModel) look() resilience.State {
	if m.state == resilience.Open && time.Since(m.since) >= m.cfg.OpenFor {
		return resilience.HalfOpen
	}
	return m.state
}

// allow returns the call, or nil and how long to wait.
func (m *breakerModel) allow() (*modelCall, time.Duration) {
	if m.state != m.look() {
		m.become(resilience.HalfOpen)
	}
	switch m.state {
	case resilience.Open:
		return nil, m.cfg.OpenFor - time.Since(m.since)
	case resilience.HalfOpen:
		return m.probe()
	}
	return &modelCall{began: m.since}, 0
}

func (m *breakerModel) probe() (*modelCall, time.Duration) {
	oldest := m.cfg.ProbeTimeout
	var out []*modelCall
	for _, p := range m.probing {
		if left := m.cfg.ProbeTimeout - time.Since(p.at); left > 0 {
			out = append(out, p)
			oldest = min(oldest, left)
		}
	}
	m.probing = out
	if len(out)+m.passed >= m.cfg.Probes {
		if len(out) == 0 {
			return nil, second
		}
		return nil, min(oldest, second)
	}
	c := &modelCall{began: m.since, at: time.Now()}
	m.probing = append(m.probing, c)
	return c, 0
}

func (m *breakerModel) done(c *modelCall, o resilience.Outcome) {
	if c.over || c.began != m.since {
		return
	}
	c.over = true
	switch m.state {
	case resilience.Closed:
		if o != resilience.Excluded {
			m.ended = append(m.ended, endedCall{time.Now(), o == resilience.Success})
			m.trip(o)
		}
	case resilience.HalfOpen:
		m.probed(c, o)
	}
}

func (m *breakerModel) trip(o resilience.Outcome) {
	bucket := m.cfg.Window / 10
	now := time.Since(m.since) / bucket
	calls, failures := 0, 0
	for _, e := range m.ended {
		if e.at.Sub(m.since)/bucket > now-10 {
			calls++
			if !e.ok {
				failures++
			}
		}
	}
	if o == resilience.Failure && calls >= m.cfg.MinCalls && float64(failures) >= m.cfg.FailureRatio*float64(calls) {
		m.become(resilience.Open)
	}
}

func (m *breakerModel) probed(c *modelCall, o resilience.Outcome) {
	for i, p := range m.probing {
		if p != c {
			continue
		}
		m.probing = append(m.probing[:i:i], m.probing[i+1:]...)
		switch o {
		case resilience.Failure:
			m.become(resilience.Open)
		case resilience.Success:
			if m.passed++; m.passed >= m.cfg.Probes {
				m.become(resilience.Closed)
			}
		}
		return
	}
}

// TestBreakerAgreesWithAModel runs random histories through a breaker and through the model: calls
// that end late, twice, or never; probes that hang; pauses of every length.
func TestBreakerAgreesWithAModel(t *testing.T) {
	states := map[resilience.State]int{}
	for seed := range uint64(120) {
		synctest.Test(t, func(t *testing.T) { runBreakerModel(t, seed, states) })
	}
	for _, s := range []resilience.State{resilience.Closed, resilience.HalfOpen, resilience.Open} {
		if states[s] < 1000 {
			t.Errorf("the histories had only %d steps in state %v", states[s], s)
		}
	}
}

func runBreakerModel(t *testing.T, seed uint64, states map[resilience.State]int) {
	rng := rand.New(rand.NewPCG(seed, 2))
	cfg := resilience.BreakerConfig{
		FailureRatio: []float64{0.1, 0.5, 1}[rng.IntN(3)],
		MinCalls:     []int{1, 5, 20}[rng.IntN(3)],
		Window:       []time.Duration{second, 10 * second}[rng.IntN(2)],
		OpenFor:      []time.Duration{second / 3, 5 * second}[rng.IntN(2)],
		Spread:       -1,
		Probes:       1 + rng.IntN(4),
		ProbeTimeout: []time.Duration{second, 20 * second}[rng.IntN(2)],
	}
	b, m := newBreaker(t, cfg), &breakerModel{cfg: cfg, since: time.Now()}
	type pair struct {
		done func(resilience.Outcome)
		call *modelCall
	}
	var out []pair
	failures := rng.IntN(100) // percent, drifting
	for step := range 500 {
		switch rng.IntN(10) {
		case 0, 1, 2, 3:
			done, err := b.Allow(t.Context())
			c, wait := m.allow()
			if (c == nil) != (err != nil) || errors.RetryAfter(err) != wait {
				t.Fatalf("seed %d, step %d: Allow: %v, wait %v; the model: let out %v, wait %v",
					seed, step, err, errors.RetryAfter(err), c != nil, wait)
			}
			if c != nil {
				out = append(out, pair{done, c})
			}
		case 4, 5, 6, 7:
			if len(out) == 0 {
				continue
			}
			i := rng.IntN(len(out))
			o := resilience.Success
			if rng.IntN(100) < failures {
				o = resilience.Failure
			} else if rng.IntN(8) == 0 {
				o = resilience.Excluded
			}
			out[i].done(o)
			m.done(out[i].call, o)
			if rng.IntN(5) > 0 { // else it ends a second time, some time
				out = append(out[:i], out[i+1:]...)
			}
		case 8:
			time.Sleep(time.Duration(rng.Int64N(int64([]time.Duration{second / 10, cfg.OpenFor, cfg.ProbeTimeout, cfg.Window}[rng.IntN(4)]))))
		default:
			failures = min(max(failures+rng.IntN(61)-30, 0), 100)
		}
		if got, want := b.State(), m.look(); got != want {
			t.Fatalf("seed %d, step %d: %v, the model says %v", seed, step, got, want)
		}
		states[b.State()]++
	}
}
