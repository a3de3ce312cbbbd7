package httpclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
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
	// connecting and sending the body included. Zero: 10 s, or a third of Timeout if that is less, so
	// that there is time for another after one that hangs. Negative: none. It must not be longer than
	// Timeout.
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
	// Hedge makes a call a second time beside the first if that one takes long, and takes what answers
	// first; the other is cancelled. Only GET, HEAD, OPTIONS, PUT, DELETE and TRACE are hedged, and a body
	// has to have GetBody. It draws on the retry budget of the destination: its own Budget,
	// SharedBudget and Idempotent are not looked at. Nil: no hedges. An empty one: a second call for
	// each that takes longer than 95 % of the latest to the same host.
	Hedge *resilience.HedgeConfig
	// Concurrency bounds how many calls the client makes at a time, each from its first attempt to the
	// headers of its response, and how many more wait for that. Zero: 1000 calls, 100 in the queue, for
	// at most 1 s. One beyond is refused with [resilience.ErrBulkheadFull]. MaxConcurrent negative: no
	// bound.
	Concurrency resilience.BulkheadConfig
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

	// PublicOnly refuses, with [ErrNotPublic], to connect to any address that is not public: loopback,
	// private and link-local ones, and every other range of the IANA special-purpose registries. It is
	// for URLs that somebody else chose, such as webhooks. What counts is the address that the
	// connection is made to, also after a redirect and when a name resolves to another address than a
	// moment ago. No proxy is used, not the environment's either. A Transport must be an
	// [http.Transport] without Proxy and dial functions; it is copied. False: every address is called.
	PublicOnly bool
	// PublicOnlyExcept are addresses that PublicOnly lets pass all the same, such as 10.1.0.0/16. Empty:
	// none.
	PublicOnlyExcept []netip.Prefix

	// MaxResponseBytes is how long a body the JSON helpers read; a longer one is an error. Zero: 10 MiB.
	// Negative: no limit. The plain client has none.
	MaxResponseBytes int64
	// UserAgent names the service that calls, as "orders/1.4.2". The header is this and
	// "sdk-httpclient/" with its version. Empty: the last element of the main module's path and its
	// version, as the build says. A request's own User-Agent is left alone.
	UserAgent string

	// Transport makes the attempts. Nil: an [http.Transport] of the client's own with 32 idle connections
	// for each host, kept for 90 s; a proxy from the environment; 5 s to connect and 5 s for the TLS
	// handshake; response headers of at most 256 KiB; HTTP/2 with pings, so that a connection whose peer
	// fell silent is given up after 45 s.
	Transport http.RoundTripper
	// MaxConnAge is how long the client's own Transport makes new calls over a connection, give or take
	// a tenth: then it connects anew, and so notices that a name has got other addresses. Calls in flight
	// are not disturbed. Zero: 5 min. Negative: for as long as the connection is used. It cannot be given
	// together with Transport.
	MaxConnAge time.Duration
	// TLS is the TLS configuration of the client's own Transport; it is copied. Nil: the system's roots,
	// TLS 1.2 or newer. It cannot be given together with Transport, nor ask for an older version.
	TLS *tls.Config
	// CertFile and KeyFile are files in PEM with the client's certificate, its chain, and its key, for
	// servers that ask for one. They are looked at every 10 s at most, when a connection is made, and a
	// replacement is used by the next one; one that is broken or not valid is not, and a line in the log
	// says so. Empty: none. They go together, and not with Transport, nor with certificates in TLS.
	CertFile, KeyFile string
	// CAFile is a file in PEM with the authorities that a server's certificate may come from, in place of
	// the system's. It is looked at as CertFile is; the first call after a replacement connects anew, and
	// so do those that follow. Empty: the system's, or those in TLS. It does not go with Transport, nor
	// with RootCAs in TLS.
	CAFile string

	// Logger gets a line, at debug, for each retry and one for each change of a breaker. Nil:
	// slog.Default().
	Logger *slog.Logger
	// TracerProvider gets a span for each attempt. Nil: OpenTelemetry's global one.
	TracerProvider trace.TracerProvider
	// CallSpan adds a span around the attempts of each call, and of each redirect. It doubles the spans of
	// calls that are not retried, and http.request.resend_count tells the attempts of a call apart
	// without it. False: the spans of the attempts only.
	CallSpan bool
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
	defaultMaxConnAge       = 5 * time.Minute
)

// resolve returns c with its defaults, and every fault of c. Those of Retry, Breaker and Concurrency are
// found by resilience.
func (c Config) resolve() (Config, []error) {
	var faults []error
	c.Timeout = orDefault(c.Timeout, defaultTimeout)
	shorter := defaultAttemptTimeout
	if c.Timeout > 0 {
		shorter = min(shorter, c.Timeout/3)
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
	if c.Transport != nil && c.MaxConnAge > 0 {
		faults = append(faults, errors.New("MaxConnAge: is given, and so is Transport, whose connections are its own"))
	}
	c.MaxConnAge = orDefault(c.MaxConnAge, defaultMaxConnAge)
	faults = append(faults, c.certificateFaults()...)
	faults = append(faults, c.guardFaults()...)
	c.inherit()
	return c, faults
}

// inherit gives what is of this client to its parts, unless they have their own.
func (c *Config) inherit() {
	c.Retry.Logger = orDefault(c.Retry.Logger, c.Logger)
	c.Breaker.Logger = orDefault(c.Breaker.Logger, c.Logger)
	c.Breaker.ProbeTimeout = orDefault(c.Breaker.ProbeTimeout, c.AttemptTimeout)
	if c.Retry.MeterProvider == nil {
		c.Retry.MeterProvider = c.MeterProvider
	}
	if c.Breaker.MeterProvider == nil {
		c.Breaker.MeterProvider = c.MeterProvider
	}
	if c.Concurrency.MeterProvider == nil {
		c.Concurrency.MeterProvider = c.MeterProvider
	}
	if c.Hedge != nil {
		hedge := *c.Hedge
		hedge.Idempotent, hedge.Budget, hedge.SharedBudget = true, resilience.BudgetConfig{}, nil
		if hedge.MeterProvider == nil {
			hedge.MeterProvider = c.MeterProvider
		}
		c.Hedge = &hedge
	}
}

func (c *Config) guardFaults() []error {
	var faults []error
	if len(c.PublicOnlyExcept) > 0 && !c.PublicOnly {
		faults = append(faults, errors.New("PublicOnlyExcept: is given without PublicOnly"))
	}
	for _, prefix := range c.PublicOnlyExcept {
		if !prefix.IsValid() {
			faults = append(faults, errors.New("PublicOnlyExcept: has an invalid prefix"))
		}
	}
	return faults
}

// faultsOf returns the faults in an error of resilience, each with the field that it is about, and
// without what resilience says of its own parts.
func faultsOf(field string, err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var faults []error
		for _, member := range joined.Unwrap() {
			faults = append(faults, faultsOf(field, member)...)
		}
		return faults
	}
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "configure ") {
		return faultsOf(field, inner)
	}
	return []error{inField(field, err)}
}

// inField says which field an error is about, if it is one, and if it is one field's.
func inField(field string, err error) error {
	if err == nil || field == "" {
		return err
	}
	return fmt.Errorf("%s: %w", field, err)
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
