package httpclient

import (
	"fmt"
	"net/http"

	"github.com/backend-platform/sdk/internal/policy"
	"github.com/backend-platform/sdk/resilience"

	"github.com/backend-platform/sdk/errors"
)

// New returns a client for the service or the purpose called name, such as "inventory"; errors,
// metrics and log lines carry it. The error joins every fault of cfg and names each field.
//
// The client is a plain [http.Client], safe for concurrent use, and made once, not once a call. It
// starts no goroutine and needs no closing; CloseIdleConnections closes what its transport keeps.
// Its Timeout is not set, because the transport has a better one; set it all the same and net/http
// applies it, too. Its Jar is free to be set.
func New(name string, cfg Config) (*http.Client, error) {
	t, err := newTransport(name, cfg)
	if err != nil {
		return nil, fmt.Errorf("configure HTTP client %q: %w", name, err)
	}
	policy.Register("httpclient", name, t)
	return &http.Client{Transport: t, CheckRedirect: t.checkRedirect}, nil
}

// A transport is everything between the http.Client and the base transport: the redirect rules and
// the total timeout here, the retry loop and what is inside it in a call.
type transport struct {
	name            string
	cfg             Config
	userAgent       []string    // shared by all requests, never written to
	noHeader        http.Header // likewise, and empty
	redirectHeaders headerSet
	hosts           hosts
	telemetry       *telemetry
	base            http.RoundTripper // makes the attempts
	guard           *guard            // nil: every address is called
	bulkhead        *resilience.Bulkhead
	planner         *resilience.Planner
	destinations    *resilience.Registry
	loops           loops
}

func newTransport(name string, cfg Config) (*transport, error) {
	cfg, faults := cfg.resolve()
	label := name
	if name == "" {
		faults = append(faults, errors.New("name: is empty"))
		label = "unnamed" // to find the other faults, too
	}
	planner, err := resilience.NewPlanner(label, cfg.Retry)
	faults = append(faults, faultsOf("Retry", err)...)
	budget := cfg.Retry.Budget
	if err != nil {
		budget = resilience.BudgetConfig{} // its faults were found with those of Retry
	}
	destinations, err := resilience.NewRegistry(label, resilience.RegistryConfig{
		Breaker: cfg.Breaker, Budget: budget, Logger: cfg.Logger, MeterProvider: cfg.MeterProvider,
	})
	faults = append(faults, faultsOf("", err)...)
	bulkhead, err := resilience.NewBulkhead(label, cfg.Concurrency)
	faults = append(faults, faultsOf("Concurrency", err)...)
	if cfg.Hedge != nil {
		_, err = resilience.NewHedge(label, *cfg.Hedge) // each host has its own; this one finds the faults
		faults = append(faults, faultsOf("Hedge", err)...)
	}
	telemetry, err := newTelemetry(cfg)
	faults = append(faults, err)
	t := &transport{
		name:            name,
		cfg:             cfg,
		userAgent:       []string{cfg.UserAgent},
		noHeader:        http.Header{},
		redirectHeaders: newHeaderSet(redirectHeaders, cfg.RedirectHeaders),
		telemetry:       telemetry,
		bulkhead:        bulkhead,
		planner:         planner,
		destinations:    destinations,
	}
	if cfg.PublicOnly {
		t.guard = &guard{except: cfg.PublicOnlyExcept}
	}
	t.base, err = t.newBase()
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	for _, pattern := range cfg.InternalHosts {
		t.hosts.internal = append(t.hosts.internal, newHostPattern(pattern))
	}
	return t, nil
}

// RoundTrip makes one logical call: as many attempts as the rules allow.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.cfg.CallSpan {
		return t.inSpan(req)
	}
	return t.hedgedOrNot(req)
}

func (t *transport) hedgedOrNot(req *http.Request) (*http.Response, error) {
	if h := t.hedge(req); h != nil {
		return t.hedged(req, h)
	}
	return t.send(req, 0)
}

// send makes a call; resent is how often the same request was sent before it.
func (t *transport) send(req *http.Request, resent int) (*http.Response, error) {
	c, err := newCall(t, req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	c.resent += resent
	c.paid = resent > 0
	ended := false
	defer func() {
		if !ended { // the base transport panicked
			c.release()
		}
	}()
	resp, err := c.enter()
	ended = true
	return resp, err
}

// CloseIdleConnections closes the connections that the base transport keeps. It is what
// [http.Client.CloseIdleConnections] calls, and only the client's owner: the retry loop, which would
// call it after every failure, does not see it.
func (t *transport) CloseIdleConnections() {
	if closer, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}
