package httpclient

import (
	"context"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/backend-platform/sdk/internal/httpconv"
	"github.com/backend-platform/sdk/internal/redact"
)

const scopeName = buildinfo.Prefix + moduleName

// telemetry is what the attempts of a client report to.
type telemetry struct {
	provider   trace.TracerProvider    // nil: the global one
	silent     atomic.Pointer[silence] // the global provider that has no SDK; nil: there is one
	tracer     trace.Tracer
	kind       trace.SpanStartOption
	propagator propagation.TextMapPropagator
	metrics    metrics
}

// silence spares a call its span where nobody would see it. An SDK that is installed makes the global
// provider another one. Instrumentation from outside of the process does not, so now and then a span is tried.
type silence struct {
	provider trace.TracerProvider
	until    time.Time
}

const silenceLasts = time.Second

func newTelemetry(cfg Config) (*telemetry, error) {
	t := &telemetry{provider: cfg.TracerProvider, kind: trace.WithSpanKind(trace.SpanKindClient)}
	if cfg.Propagator == nil {
		cfg.Propagator = otel.GetTextMapPropagator()
	}
	t.tracer = t.currentProvider().Tracer(scopeName, trace.WithInstrumentationVersion(buildinfo.Version(moduleName)))
	t.propagator = cfg.Propagator
	m, err := newMetrics(cfg.MeterProvider)
	t.metrics = m
	return t, err
}

func (t *telemetry) currentProvider() trace.TracerProvider {
	if t.provider != nil {
		return t.provider
	}
	return otel.GetTracerProvider()
}

// start starts a span, or none where nobody would ever see it: span is nil then.
//
// Without an SDK, a span and its attributes cost seven allocations for nothing. A provider that gives
// back the parent's span context makes no spans, whereas an SDK gives every span an id, also one that
// it drops. A provider that was configured is not judged so: if it is the global one of before, it makes
// spans from when an SDK is installed.
func (t *telemetry) start(ctx context.Context, c *call, now time.Time) (context.Context, trace.Span) {
	provider := t.currentProvider()
	if silent := t.silent.Load(); silent != nil && silent.provider == provider && now.Before(silent.until) {
		return ctx, nil
	}
	child, span := t.tracer.Start(ctx, c.spanName(), t.kind, trace.WithAttributes(c.startAttrs()...))
	if t.provider == nil {
		t.notice(provider, !span.IsRecording() && span.SpanContext().Equal(trace.SpanContextFromContext(ctx)), now)
	}
	return child, span
}

// notice remembers whether the global provider makes spans.
func (t *telemetry) notice(provider trace.TracerProvider, idle bool, now time.Time) {
	switch {
	case idle && reflect.TypeOf(provider).Comparable():
		t.silent.Store(&silence{provider, now.Add(silenceLasts)})
	case t.silent.Load() != nil:
		t.silent.Store(nil)
	}
}

// spanName is the method, and the route where it is known.
func (c *call) spanName() string {
	name := httpconv.Method(c.original.Method)
	if name == httpconv.OtherMethod {
		name = "HTTP" // what the conventions say for a method that is not known
	}
	if c.overrides.Route != "" {
		name += " " + c.overrides.Route
	}
	return name
}

// startAttrs are all attributes that are known before the attempt, so that a sampler sees them.
func (c *call) startAttrs() []attribute.KeyValue {
	method := httpconv.Method(c.original.Method)
	attrs := append(make([]attribute.KeyValue, 0, 7), // all that there may be
		httpconv.RequestMethod.String(method),
		httpconv.URLFull.String(redact.URL(c.original.URL)),
		httpconv.ServerAddress.String(c.host.address),
		httpconv.ServerPort.Int(c.host.port),
	)
	if method == httpconv.OtherMethod {
		attrs = append(attrs, httpconv.RequestMethodOriginal.String(c.original.Method))
	}
	if c.overrides.Route != "" {
		attrs = append(attrs, httpconv.URLTemplate.String(c.overrides.Route))
	}
	if resend := c.resent + c.attempt - 1; resend > 0 {
		attrs = append(attrs, httpconv.RequestResendCount.Int(resend))
	}
	return attrs
}

// inject writes the trace context into the headers, and the baggage for hosts of our own only.
func (c *call) inject(ctx context.Context, header http.Header) {
	if !c.host.internal && baggage.FromContext(ctx).Len() > 0 {
		ctx = baggage.ContextWithoutBaggage(ctx)
	}
	c.transport.telemetry.propagator.Inject(ctx, propagation.HeaderCarrier(header))
}

// report ends the attempt's span and records its duration. Both end at the response's headers: an
// application may never read the body, and a span that ends when somebody cleans up tells nothing.
func (c *call) report(ctx context.Context, span trace.Span, resp *http.Response, fault error, started time.Time) {
	outcome, length := series{method: httpconv.Method(c.original.Method), route: c.overrides.Route}, int64(0)
	if resp != nil {
		outcome.status, outcome.major, outcome.minor = resp.StatusCode, resp.ProtoMajor, resp.ProtoMinor
		if c.original.Method != http.MethodHead {
			length = resp.ContentLength
		}
	} else {
		outcome.code = errors.CodeOf(fault)
	}
	if span != nil {
		endSpan(span, outcome, fault)
	}
	c.measure(ctx, outcome, length, time.Since(started))
}

func endSpan(span trace.Span, outcome series, fault error) {
	if span.IsRecording() {
		span.SetAttributes(outcome.result()...)
		switch {
		case outcome.status == 0:
			span.SetStatus(codes.Error, redact.Text(fault.Error()))
		case outcome.status >= 400:
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}
