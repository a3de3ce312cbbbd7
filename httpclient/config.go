package httpclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/resilience"
)

// Config configures a client. The zero value of each field is its production default.
type Config struct {
	// Timeout is the total timeout of a call: all its attempts, the waits between them, redirects, and
	// the reading of the response's body. Zero: 30 s. Negative: none, so only the caller's context ends
	// the call as a whole. For one call: [Call.Timeout].
	Timeout time.Duration
	// AttemptTimeout is the time that one attempt has, from its start to the response's headers,
	// connecting and sending the body included. Zero: 10 s, or Timeout if that is less. Negative: none.
	// It must not be longer than Timeout.
	AttemptTimeout time.Duration
	// BodyIdleTimeout is how long one Read of the response's body may wait; time that the caller spends
	// between two reads does not count. Zero: 10 s. Negative: none.
	BodyIdleTimeout time.Duration

	// Retry says how often and after which waits a call is attempted again. Zero: 3 attempts, full jitter
	// from 100 ms to 2 s, a retry budget of 10 % for each destination. What may be retried at all is
	// not configured: see the package documentation. Attempts negative: no retries.
	Retry resilience.RetryConfig
	// Breaker is that of each destination (scheme, host and port). Zero: opens at 50 % failures of at
	// least 20 calls in 10 s, for 5 s. FailureRatio negative: it never opens. Its ProbeTimeout is
	// AttemptTimeout unless it is set.
	Breaker resilience.BreakerConfig
	// IdempotencyKeys makes the client add a random Idempotency-Key to each POST and PATCH that has
	// none, one a call, and so retry them. It is for servers that know such keys. False: a POST or
	// PATCH without a key is never sent twice.
	IdempotencyKeys bool

	// InternalHosts are the hosts that get the caller's baggage and the header Request-Timeout-Ms:
	// "inventory", "inventory:8080", or all below a domain, "*.svc.cluster.local". Empty: none.
	InternalHosts []string
	// RedirectHeaders are headers that a redirect to another host keeps, besides those that only
	// describe the request (Accept, Content-Type, Range, User-Agent…). Empty: none.
	RedirectHeaders []string
	// CheckRedirect is asked before a redirect is followed, after the client's own rules; its meaning is
	// that of [http.Client.CheckRedirect]. Nil: at most 10 redirects.
	CheckRedirect func(req *http.Request, via []*http.Request) error

	// MaxResponseBytes is how long a body the JSON helpers read; a longer one is an error. Zero: 10 MiB.
	// Negative: no limit. The plain client has none.
	MaxResponseBytes int64
	// UserAgent names the service that calls, as "orders/1.4.2". The header is this and
	// "sdk-httpclient/" with its version. Empty: the last element of the main module's path and its
	// version, as the build says. A request's own User-Agent is left alone.
	UserAgent string

	// Transport makes the attempts. Nil: an [http.Transport] of the client's own with 32 idle connections
	// for each host, kept for 90 s; a proxy from the environment; 5 s to connect and 5 s for the TLS
	// handshake; response headers of at most 256 KiB; HTTP/2 with pings.
	Transport http.RoundTripper
	// TLS is the TLS configuration of the client's own Transport; it is copied. Nil: the system's roots,
	// TLS 1.2 or newer. It cannot be given together with Transport, nor ask for an older version.
	TLS *tls.Config

	// Logger gets a line, at debug, for each retry and one for each change of a breaker. Nil:
	// slog.Default().
	Logger *slog.Logger
	// TracerProvider gets a span for each attempt. Nil: OpenTelemetry's global one.
	TracerProvider trace.TracerProvider
	// MeterProvider gets the metrics. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
	// Propagator writes the trace context into the request's headers. Nil: OpenTelemetry's global one.
	Propagator propagation.TextMapPropagator
}

const (
	defaultTimeout          = 30 * time.Second
	defaultAttemptTimeout   = 10 * time.Second
	defaultBodyIdleTimeout  = 10 * time.Second
	defaultMaxResponseBytes = 10 << 20
)

// resolve returns c with its defaults, and every fault of c, joined. Faults of Retry and Breaker are
// found by resilience.
func (c Config) resolve() (Config, error) {
	var faults []error
	c.Timeout = orDefault(c.Timeout, defaultTimeout)
	shorter := defaultAttemptTimeout
	if c.Timeout > 0 {
		shorter = min(shorter, c.Timeout)
	}
	c.AttemptTimeout = orDefault(c.AttemptTimeout, shorter)
	if c.Timeout > 0 && c.AttemptTimeout > c.Timeout {
		faults = append(faults, fmt.Errorf("AttemptTimeout: %v is longer than Timeout, %v", c.AttemptTimeout, c.Timeout))
	}
	c.BodyIdleTimeout = orDefault(c.BodyIdleTimeout, defaultBodyIdleTimeout)
	c.MaxResponseBytes = orDefault(c.MaxResponseBytes, defaultMaxResponseBytes)
	faults = append(faults, hostFaults(c.InternalHosts)...)
	for _, name := range c.RedirectHeaders {
		if name == "" || !isToken(name) {
			faults = append(faults, fmt.Errorf("RedirectHeaders: %q is no header name", name))
		}
	}
	if strings.ContainsFunc(c.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		faults = append(faults, fmt.Errorf("UserAgent: %q has characters that a header may not have", c.UserAgent))
	}
	if c.Transport != nil && c.TLS != nil {
		faults = append(faults, errors.New("TLS: is given, and so is Transport, which has a TLS configuration of its own"))
	}
	if c.TLS != nil && c.TLS.MinVersion != 0 && c.TLS.MinVersion < tls.VersionTLS12 {
		faults = append(faults, fmt.Errorf("TLS: MinVersion %s is older than TLS 1.2", tls.VersionName(c.TLS.MinVersion)))
	}
	c.UserAgent = userAgent(c.UserAgent)
	if c.Transport == nil {
		c.Transport = newBase(c.TLS)
	}
	c.Retry.Logger = orDefault(c.Retry.Logger, c.Logger)
	c.Breaker.Logger = orDefault(c.Breaker.Logger, c.Logger)
	c.Breaker.ProbeTimeout = orDefault(c.Breaker.ProbeTimeout, c.AttemptTimeout)
	if c.Retry.MeterProvider == nil {
		c.Retry.MeterProvider = c.MeterProvider
	}
	if c.Breaker.MeterProvider == nil {
		c.Breaker.MeterProvider = c.MeterProvider
	}
	return c, errors.Join(faults...)
}

func hostFaults(patterns []string) []error {
	var faults []error
	for _, pattern := range patterns {
		if !validPattern(pattern) {
			faults = append(faults, fmt.Errorf("InternalHosts: %q is no host, host:port or *.suffix", pattern))
		}
	}
	return faults
}

func validPattern(pattern string) bool {
	rest := strings.TrimPrefix(pattern, "*.")
	if rest == "" || strings.ContainsAny(rest, "*/@?# \t") {
		return false
	}
	p := newHostPattern(pattern)
	withPort := strings.Count(rest, ":") == 1 || strings.Contains(rest, "]:")
	return p.exact+p.suffix != "" && (p.port > 0 || !withPort)
}

// orDefault returns v, or def where v is zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
