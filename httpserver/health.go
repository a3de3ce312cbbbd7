package httpserver

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// HealthConfig configures a [Health].
type HealthConfig struct {
	// Timeout is how long a check may take; one that takes longer has failed. Zero is 1 s, which leaves
	// a probe with a timeout of 2 s the time to be answered. A negative value is a fault.
	Timeout time.Duration
	// CacheFor is how long the result of a check is used again, so that probes, however many ask, do not
	// become load. Zero is 1 s; negative: every probe runs every check.
	CacheFor time.Duration
	// Logger tells when a check starts to fail, with the cause, and when it recovers. Nil: slog.Default().
	Logger *slog.Logger
}

func (c HealthConfig) withDefaults() (HealthConfig, error) {
	c.Timeout = orDefault(c.Timeout, defaultCheckTimeout)
	c.CacheFor = orDefault(c.CacheFor, defaultCheckCache)
	if c.Timeout < 0 {
		return c, fmt.Errorf("health config: Timeout: %v is negative, and a check without a bound cannot answer a probe", c.Timeout)
	}
	return c, nil
}

// Health answers probes.
//
// Liveness asks whether the process is able to answer at all, and nothing else: it never looks at a
// dependency, since restarting this process cures none. Readiness asks whether requests should come
// here: it is on between the start and the stop of the server that the Health belongs to, and only
// while every check passes. Give it few checks: a dependency that all instances share takes all of them out at once.
//
// Methods are safe for concurrent use.
type Health struct {
	cfg   HealthConfig
	ready atomic.Bool

	mu     sync.Mutex
	checks map[string]*check
}

// NewHealth returns a Health that is not ready, without checks. It returns an error if cfg is not valid.
func NewHealth(cfg HealthConfig) (*Health, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Health{cfg: cfg, checks: make(map[string]*check)}, nil
}

// Check adds a check to readiness under a name. It is called when a probe asks and the last result is
// too old, in a goroutine of its own, never twice at once; its context ends after the timeout. A nil
// result passes; an error, a panic, or no result in time fails.
//
// It panics if name is empty or taken, or check is nil, as http.ServeMux.Handle does.
func (h *Health) Check(name string, check func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name == "" || check == nil || h.checks[name] != nil {
		panic(fmt.Sprintf("httpserver: Health.Check(%q): the name is empty or taken, or the check is nil", name))
	}
	h.checks[name] = newCheck(name, h.cfg, check)
}

// SetReady turns readiness on or off, apart from the checks. [Server.Run] does this by itself.
func (h *Health) SetReady(ready bool) { h.ready.Store(ready) }

// Ready runs the checks, or uses what they said a moment ago, and reports why requests should not come
// here; nil: they should. It is what [Health.Readyz] answers with.
func (h *Health) Ready(ctx context.Context) error {
	return h.verdict(h.run(ctx))
}

func (h *Health) verdict(results []result) error {
	if !h.ready.Load() {
		return errors.Unavailable.New("not started, or stopping")
	}
	var failed []string
	for _, r := range results {
		if r.err != nil {
			failed = append(failed, r.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("failing checks: %s", strings.Join(failed, ", "))
	}
	return nil
}

// run returns the results of all checks, by name.
func (h *Health) run(ctx context.Context) []result {
	h.mu.Lock()
	checks := slices.Collect(maps.Values(h.checks))
	h.mu.Unlock()
	results := make([]result, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { results[i] = c.result(ctx) })
	}
	wg.Wait()
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.name, b.name) })
	return results
}

// Livez returns the handler for liveness: always 200.
func (h *Health) Livez() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeFrom(r.Context()).silence()
		writeProbe(w, http.StatusOK, probe{Status: "ok"})
	})
}

// Readyz returns the handler for readiness: 200 or 503, without a word about which check fails. It is
// fit for a public address.
func (h *Health) Readyz() http.Handler { return h.readyz(false) }

func (h *Health) readyz(details bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeFrom(r.Context()).silence()
		results := h.run(r.Context())
		p, status := probe{Status: "ready"}, http.StatusOK
		if h.verdict(results) != nil {
			p.Status, status = "not ready", http.StatusServiceUnavailable
		}
		if details {
			p.Checks = make(map[string]probeCheck, len(results))
			for _, r := range results {
				p.Checks[r.name] = r.probe()
			}
		}
		writeProbe(w, status, p)
	})
}

type probe struct {
	Status string                `json:"status"`
	Checks map[string]probeCheck `json:"checks,omitempty"`
}

// probeCheck holds no text of an error: it may name hosts and users. The log has it.
type probeCheck struct {
	Status string  `json:"status"`
	Code   string  `json:"code,omitempty"`
	TookMS float64 `json:"took_ms"`
}

func writeProbe(w http.ResponseWriter, status int, p probe) {
	w.Header().Set("Cache-Control", "no-store")
	_ = WriteJSON(w, status, p) // a prober that is gone needs no answer
}

type result struct {
	name string
	err  error
	at   time.Time
	took time.Duration
}

func (r result) probe() probeCheck {
	p := probeCheck{Status: "ok", TookMS: float64(r.took.Microseconds()) / 1000}
	if r.err != nil {
		p.Status, p.Code = "failed", errors.CodeOf(r.err).String()
	}
	return p
}

// check runs one function for many askers.
type check struct {
	name string
	cfg  HealthConfig
	f    func(context.Context) error

	mu      sync.Mutex
	last    result
	running chan struct{} // closed when the run ends; nil: none is running
	since   time.Time     // when the run began
	failing bool          // as the log knows it
}

func newCheck(name string, cfg HealthConfig, f func(context.Context) error) *check {
	return &check{name: name, cfg: cfg, f: f, last: result{name: name}}
}

// result returns the last result if it is fresh, else that of a run. A run that hangs beyond its
// timeout has failed; it stays the only one, so that a stuck dependency does not collect goroutines.
func (c *check) result(ctx context.Context) result {
	c.mu.Lock()
	if !c.last.at.IsZero() && c.cfg.CacheFor > 0 && time.Since(c.last.at) < c.cfg.CacheFor {
		defer c.mu.Unlock()
		return c.last
	}
	if c.running == nil {
		c.running, c.since = make(chan struct{}), time.Now()
		go c.run(context.WithoutCancel(ctx), c.running)
	}
	running, since := c.running, c.since
	c.mu.Unlock()

	timer := time.NewTimer(c.cfg.Timeout - time.Since(since))
	defer timer.Stop()
	select {
	case <-running:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.last
	case <-timer.C:
	}
	r := result{c.name, errors.DeadlineExceeded, time.Now(), time.Since(since)}
	c.tell(ctx, r)
	return r
}

func (c *check) run(ctx context.Context, done chan struct{}) {
	began := time.Now()
	// What a check leaves by runtime.Goexit, as a test's FailNow does, is an end without a result.
	var err error = errors.Internal.New("the check ended without a result")
	defer func() {
		r := result{c.name, err, time.Now(), time.Since(began)}
		if err == nil && r.took > c.cfg.Timeout {
			r.err, r.at = errors.DeadlineExceeded, time.Time{} // it came too late, and the next asker gets a run of its own
		}
		c.tell(ctx, r)
		c.mu.Lock()
		c.last, c.running = r, nil
		c.mu.Unlock()
		close(done)
	}()
	err = c.call(ctx)
}

func (c *check) call(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	defer func() {
		if value := recover(); value != nil {
			err = errors.Internal.Wrap(fmt.Errorf("panic: %v", value), "")
		}
	}()
	return c.f(ctx)
}

// tell logs a change.
func (c *check) tell(ctx context.Context, r result) {
	c.mu.Lock()
	changed := c.failing != (r.err != nil)
	c.failing = r.err != nil
	c.mu.Unlock()
	logger := c.cfg.Logger
	if logger == nil {
		logger = slog.Default()
	}
	switch {
	case changed && r.err != nil:
		logger.WarnContext(ctx, "readiness check fails", "check", c.name, keyError, r.err)
	case changed:
		logger.InfoContext(ctx, "readiness check passes again", "check", c.name)
	}
}
