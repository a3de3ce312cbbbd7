package httpserver

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/backend-platform/sdk/internal/httpconv"
	"github.com/backend-platform/sdk/internal/redact"
	"github.com/backend-platform/sdk/internal/spans"
)

// scope names the instrumentation.
const scope = "github.com/backend-platform/sdk/httpserver"

// TraceConfig configures [Trace]. The zero value uses OpenTelemetry's globals.
type TraceConfig struct {
	// TracerProvider makes the spans. Nil: otel.GetTracerProvider().
	TracerProvider trace.TracerProvider
	// MeterProvider makes the metrics. Nil: otel.GetMeterProvider().
	MeterProvider metric.MeterProvider
	// Propagator reads the caller's trace context. Nil: otel.GetTextMapPropagator(), at each request.
	Propagator propagation.TextMapPropagator
	// Public says that callers are not trusted: each request starts a trace of its own, with a link to
	// the caller's, and the caller's baggage is dropped.
	Public bool
}

// Trace returns a handler that wraps each request in a server span, named after the method and the
// route ("GET /orders/{id}", from the pattern of an http.ServeMux), and records the metrics
// http.server.request.duration, http.server.request.body.size (the Content-Length, or what was read of a
// body without one), http.server.response.body.size and http.server.active_requests, all by
// OpenTelemetry's stable conventions for HTTP. A failed request's error.type is the code of the error; a span is an error if
// the table of package errors says that the fault is ours.
//
// It returns an error if the meter provider refuses an instrument.
func Trace(next http.Handler, cfg TraceConfig) (http.Handler, error) {
	t, err := newTracer(cfg)
	if err != nil {
		return nil, err
	}
	return &layers{next: next, tracer: t}, nil
}

type tracer struct {
	spans      *spans.Source
	propagator propagation.TextMapPropagator
	public     bool
	metrics    *metrics
}

func newTracer(cfg TraceConfig) (*tracer, error) {
	m, err := newMetrics(cfg.MeterProvider)
	if err != nil {
		return nil, err
	}
	return &tracer{
		spans:      spans.New(cfg.TracerProvider, scope, trace.WithInstrumentationVersion(buildinfo.Version("httpserver"))),
		propagator: cfg.Propagator,
		public:     cfg.Public,
		metrics:    m,
	}, nil
}

// These are made once, to save each request their allocations.
var (
	serverKind = trace.WithSpanKind(trace.SpanKindServer)
	newRoot    = trace.WithNewRoot()
)

// traced is the tracer's part of an exchange.
type traced struct {
	span    trace.Span           // nil: none
	counted bool                 // among the active requests
	attrs   []attribute.KeyValue // empty, with room if there is an SDK
	options []trace.SpanStartOption
	body    *countedBody // nil: the length is known
}

// countBody counts what a handler reads of a body whose length nobody has told.
func (t *traced) countBody(r *http.Request) {
	if r.ContentLength < 0 && r.Body != nil {
		t.body = &countedBody{ReadCloser: r.Body}
		r.Body = t.body
	}
}

// bodySize is the Content-Length, or what was read of a body without one.
func (t *traced) bodySize(r *http.Request) int64 {
	if t.body == nil {
		return max(r.ContentLength, 0)
	}
	return t.body.read.Load()
}

type countedBody struct {
	io.ReadCloser
	read atomic.Int64 // a handler that was given up (http.TimeoutHandler) may still read
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

func (t *tracer) start(ctx context.Context, x *exchange, r *http.Request) context.Context {
	propagator := t.propagator
	if propagator == nil {
		propagator = otel.GetTextMapPropagator()
	}
	remote := propagator.Extract(ctx, propagation.HeaderCarrier(r.Header))
	if !t.public {
		ctx = remote
	}
	x.traced.counted = t.metrics.begin(ctx, r)
	if t.spans.Silent(x.start) {
		return ctx
	}
	return t.startSpan(ctx, remote, x, r)
}

// startSpan makes no attributes after a span that nobody saw. The first one that somebody sees gets them afterwards,
// too late for a sampler alone.
func (t *tracer) startSpan(ctx, remote context.Context, x *exchange, r *http.Request) context.Context {
	idle := t.spans.Idle()
	options := x.traced.options
	options = append(options, serverKind)
	if !idle {
		x.traced.attrs = startAttributes(x.traced.attrs, r)
		options = append(options, trace.WithAttributes(x.traced.attrs...))
	}
	if t.public {
		options = append(options, newRoot)
		if caller := trace.SpanContextFromContext(remote); caller.IsValid() && caller.IsRemote() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: caller}))
		}
	}
	ctx, x.traced.span = t.spans.Start(ctx, x.start, methodName(r.Method), options...)
	if idle && x.traced.span.IsRecording() {
		x.traced.span.SetAttributes(startAttributes(nil, r)...)
	}
	return ctx
}

// startAttributes are those that a sampler can see. The route is not known yet: the mux comes later.
func startAttributes(attrs []attribute.KeyValue, r *http.Request) []attribute.KeyValue {
	method := httpconv.Method(r.Method)
	attrs = append(attrs, httpconv.RequestMethod.String(method))
	if method == httpconv.OtherMethod {
		attrs = append(attrs, httpconv.RequestMethodOriginal.String(r.Method))
	}
	attrs = append(attrs, httpconv.URLScheme.String(schemeOf(r)), httpconv.URLPath.String(r.URL.Path))
	if r.URL.RawQuery != "" {
		attrs = append(attrs, httpconv.URLQuery.String(redact.Query(r.URL.RawQuery)))
	}
	if host, port := splitHost(r.Host); host != "" {
		attrs = append(attrs, httpconv.ServerAddress.String(host))
		if port = cmp.Or(port, httpconv.DefaultPort(schemeOf(r))); port != 0 {
			attrs = append(attrs, httpconv.ServerPort.Int(port))
		}
	}
	if host, port := httpconv.SplitHostPort(r.RemoteAddr); host != "" {
		attrs = append(attrs, httpconv.ClientAddress.String(host), httpconv.NetworkPeerAddress.String(host))
		if port != 0 {
			attrs = append(attrs, httpconv.NetworkPeerPort.Int(port))
		}
	}
	attrs = append(attrs, httpconv.ProtocolVersion.String(httpconv.Version(r.ProtoMajor, r.ProtoMinor)))
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, httpconv.UserAgentOriginal.String(agent))
	}
	return attrs
}

func (t *tracer) end(x *exchange, took time.Duration) {
	_, failure := x.outcome()
	route, status := x.route(), x.status()
	fault := errorType(failure, status, x.returned)
	t.metrics.record(x, took, route, status, fault)

	if span := x.traced.span; span != nil {
		x.describeEnd(span, route, status, fault, failure)
		span.End()
	}
}

// describeEnd gives a span what is known at its end. The attributes stand behind those of its start, in the same room.
func (x *exchange) describeEnd(span trace.Span, route string, status int, fault string, failure error) {
	if !span.IsRecording() {
		return
	}
	attrs := x.traced.attrs[len(x.traced.attrs):]
	attrs = append(attrs, httpconv.ResponseStatusCode.Int(status))
	if x.writer.bytes > 0 {
		attrs = append(attrs, httpconv.ResponseBodySize.Int64(x.writer.bytes))
	}
	if size := x.traced.bodySize(x.came); size > 0 {
		attrs = append(attrs, httpconv.RequestBodySize.Int64(size))
	}
	if route != "" {
		attrs = append(attrs, httpconv.Route.String(route))
		span.SetName(routedName(x.method, x.pattern(), route))
	}
	if fault != "" {
		attrs = append(attrs, httpconv.ErrorType.String(fault))
		span.SetStatus(codes.Error, describe(failure))
	}
	span.SetAttributes(attrs...)
}

// errorType is the value of error.type, "" for a request that did not fail by our fault: the code of
// the error, else the status.
func errorType(failure error, status int, returned bool) string {
	switch {
	case failure != nil:
		if code := errors.CodeOf(failure); code.ServerFault() {
			return code.String()
		}
		return ""
	case !returned:
		return "aborted" // panic(http.ErrAbortHandler), or a goroutine that exits
	case status >= 500:
		return strconv.Itoa(status)
	}
	return ""
}

// maxDescription bounds the text of an error on a span.
const maxDescription = 256

func describe(failure error) string {
	if failure == nil {
		return ""
	}
	text := redact.Text(failure.Error())
	if len(text) > maxDescription {
		text = strings.ToValidUTF8(text[:maxDescription], "")
	}
	return text
}

// routedName is "{method} {route}". It is the pattern itself, without an allocation, where that says
// just this.
func routedName(method, pattern, route string) string {
	method = methodName(method)
	if prefix, path, ok := strings.Cut(pattern, " "); ok && prefix == method && path == route {
		return pattern
	}
	return method + " " + route
}

// methodName is the method in a span's name; one that is not known is HTTP.
func methodName(method string) string {
	if httpconv.Method(method) == httpconv.OtherMethod {
		return "HTTP"
	}
	return method
}

// routeOf returns the path of a mux pattern "[METHOD ][HOST]/PATH".
func routeOf(pattern string) string {
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		return pattern[i:]
	}
	return ""
}

// splitHost saves the error that net.SplitHostPort makes of a host without a port.
func splitHost(host string) (string, int) {
	if !strings.Contains(host, ":") {
		return host, 0
	}
	return httpconv.SplitHostPort(host)
}

// schemeOf looks at the connection only: what a proxy claims in a header is not known to be true.
func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
