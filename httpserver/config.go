package httpserver

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/errors"
)

const (
	defaultAddr              = ":8080"
	defaultRequestTimeout    = 30 * time.Second
	defaultReadHeaderTimeout = 5 * time.Second
	defaultIdleTimeout       = 120 * time.Second
	defaultMaxHeader         = 64 << 10
	defaultMaxBody           = 1 << 20
	defaultMaxConcurrent     = 1000
	defaultDrainDelay        = 5 * time.Second
	defaultDrainTimeout      = 10 * time.Second
	defaultCheckTimeout      = time.Second
	defaultCheckCache        = time.Second
)

// Config configures [New] and [NewHandler]. The zero value is fit for production.
type Config struct {
	// Addr is the TCP address to listen on, "host:port". Empty is ":8080"; port 0 takes a free one,
	// which [Server.Addr] tells.
	Addr string
	// Listener is used instead of listening on Addr. The server closes it.
	Listener net.Listener
	// CertFile and KeyFile make the server speak HTTPS, with HTTP/2: a certificate chain and its key, in
	// PEM. The files are read again when they change, at most every 10 s and at a handshake; a
	// replacement that is broken, half-written, expired or not valid yet leaves the old one in use and
	// is told in the log. Empty: plain HTTP, unless TLS is set.
	CertFile, KeyFile string
	// ClientCAFile asks every client for a certificate from one of the authorities in this file (PEM),
	// which is read again in the same way; without one the handshake fails. It needs a CertFile. Probes
	// that have no certificate belong at AdminAddr. Empty: clients need none.
	ClientCAFile string
	// TLS makes the server speak HTTPS with what it holds. With a CertFile it is what else is wanted, and
	// must not have certificates of its own. Versions before TLS 1.2 are a fault. Nil: nothing else.
	TLS *tls.Config

	// AdminAddr is a second address, for operators and probes, in plain HTTP, that is served from before
	// the first request until after the last. Empty: none; the probes are at Addr all the same.
	AdminAddr string
	// AdminListener is used instead of listening on AdminAddr. The server closes it.
	AdminListener net.Listener
	// Health holds the readiness checks. Nil: a Health of the server's own; see [Server.Health].
	Health *Health
	// NoProbes leaves /livez and /readyz at Addr to the handler. Normally the server answers them
	// itself, before any middleware: status only, no log line, no span, no limit.
	NoProbes bool

	// Public says that the server faces the internet: the caller's trace context becomes a link of a
	// new trace, and its baggage and Request-Timeout-Ms are ignored.
	Public bool

	// RequestTimeout ends the context of a request; see [Deadline], which sets another one for a
	// route. Zero is 30 s, what the SDK's client waits in all; negative: none but the caller's.
	RequestTimeout time.Duration
	// ReadHeaderTimeout is how long a request's header may take to arrive. Zero is 5 s; negative: no bound.
	ReadHeaderTimeout time.Duration
	// ReadTimeout is how long a whole request, body included, may take to arrive. It must be longer than
	// RequestTimeout: when it passes, net/http ends the request's context as if the caller had gone
	// away. Zero is RequestTimeout and 5 s, or no bound if that has none; negative: no bound.
	ReadTimeout time.Duration
	// WriteTimeout is how long handling a request and writing its response may take; when it passes,
	// the connection is cut. It must be longer than RequestTimeout. Zero is RequestTimeout and 10 s, or
	// no bound if that has none; negative: no bound.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection is kept without a request. It should be longer than what the
	// load balancer keeps (60 s is common), or that one sends requests into a closing connection. Zero
	// is 120 s; negative: no bound.
	IdleTimeout time.Duration

	// MaxHeaderBytes bounds a request's header in bytes. Zero is 64 KiB; a negative value is a fault.
	MaxHeaderBytes int
	// MaxBodyBytes bounds a request's body; a route has another bound by [LimitBody]. Zero is 1 MiB;
	// negative: no bound.
	MaxBodyBytes int64
	// MaxConcurrent bounds the requests in hand, and in an overload a lower limit that adapts does; see
	// [LimitConcurrency]. Probes are not counted. Zero is 1,000; negative: no bound.
	MaxConcurrent int

	// DrainDelay is how long the server goes on accepting after its stop began, not ready and ending
	// every connection with its next response, so that load balancers and clients leave by themselves.
	// Zero is 5 s; negative: none.
	DrainDelay time.Duration
	// DrainTimeout is how long requests in hand may then take. After it their contexts end, and a second
	// later their connections. Zero is 10 s; negative: no bound.
	DrainTimeout time.Duration

	// NoAccessLog writes no line for requests that succeed. Those that fail are logged all the same.
	NoAccessLog bool
	// Logger gets all log lines. Nil: slog.Default(), asked at each line.
	Logger *slog.Logger
	// TracerProvider makes the spans. Nil: otel.GetTracerProvider().
	TracerProvider trace.TracerProvider
	// MeterProvider makes the metrics. Nil: otel.GetMeterProvider().
	MeterProvider metric.MeterProvider
	// Propagator reads the caller's trace context. Nil: otel.GetTextMapPropagator(), at each request.
	Propagator propagation.TextMapPropagator
}

// orDefault is cmp.Or with a better name.
func orDefault[T comparable](value, standard T) T { return cmp.Or(value, standard) }

// withDefaults fills in the defaults and returns every fault.
func (c Config) withDefaults() (Config, error) {
	c.Addr = orDefault(c.Addr, defaultAddr)
	c.RequestTimeout = orDefault(c.RequestTimeout, defaultRequestTimeout)
	c.ReadHeaderTimeout = orDefault(c.ReadHeaderTimeout, defaultReadHeaderTimeout)
	c.ReadTimeout = orDefault(c.ReadTimeout, c.beyondRequest(grace))
	c.WriteTimeout = orDefault(c.WriteTimeout, c.beyondRequest(2*grace))
	c.IdleTimeout = orDefault(c.IdleTimeout, defaultIdleTimeout)
	c.MaxHeaderBytes = orDefault(c.MaxHeaderBytes, defaultMaxHeader)
	c.MaxBodyBytes = orDefault(c.MaxBodyBytes, defaultMaxBody)
	c.MaxConcurrent = orDefault(c.MaxConcurrent, defaultMaxConcurrent)
	c.DrainDelay = orDefault(c.DrainDelay, defaultDrainDelay)
	c.DrainTimeout = orDefault(c.DrainTimeout, defaultDrainTimeout)

	var faults []error
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"ReadTimeout", c.ReadTimeout}, {"WriteTimeout", c.WriteTimeout}} {
		if d.value > 0 && (c.RequestTimeout < 0 || d.value <= c.RequestTimeout) {
			faults = append(faults, fmt.Errorf("%s: %v is not longer than RequestTimeout (%v)", d.field, d.value, c.timeoutText()))
		}
	}
	if c.MaxHeaderBytes < 0 {
		faults = append(faults, fmt.Errorf("MaxHeaderBytes: %d is negative", c.MaxHeaderBytes))
	}
	faults = append(faults, c.tlsFaults()...)
	if err := errors.Join(faults...); err != nil {
		return c, fmt.Errorf("http server config: %w", err)
	}
	return c, nil
}

func (c Config) beyondRequest(extra time.Duration) time.Duration {
	if c.RequestTimeout < 0 {
		return -1
	}
	return c.RequestTimeout + extra
}

func (c Config) timeoutText() string {
	if c.RequestTimeout < 0 {
		return "none"
	}
	return c.RequestTimeout.String()
}

// NewHandler returns what a server made by [New] serves, without the server: next inside all the
// middleware in its one order. It is for tests, and for a service that has an http.Server of its own.
// Of the Config it uses what concerns requests, and not the addresses, the connections and the drain.
//
// The order is, outermost first: [Trace], [LogAttrs], [AccessLog], [Recover], [Deadline],
// [LimitBody], [LimitConcurrency], [Routes] (if next is an http.ServeMux).
//
// It returns an error if cfg is not valid or the meter provider refuses an instrument.
func NewHandler(next http.Handler, cfg Config) (http.Handler, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return newLayers(next, cfg)
}

func newLayers(next http.Handler, cfg Config) (*layers, error) {
	if next == nil {
		return nil, errors.New("http server: the handler is nil")
	}
	t, err := newTracer(TraceConfig{cfg.TracerProvider, cfg.MeterProvider, cfg.Propagator, cfg.Public})
	if err != nil {
		return nil, err
	}
	c, err := newConcurrency(cfg.MaxConcurrent, cfg.MeterProvider)
	if err != nil {
		return nil, err
	}
	_, isMux := next.(*http.ServeMux)
	return &layers{
		next:        next,
		tracer:      t,
		attrs:       true,
		accessLog:   !cfg.NoAccessLog,
		recoverer:   true,
		deadline:    &deadlineLayer{limit: cfg.RequestTimeout, header: !cfg.Public},
		maxBody:     cfg.MaxBodyBytes,
		concurrency: c,
		routes:      isMux,
		logger:      cfg.Logger,
	}, nil
}
