package httpclient

import (
	"context"
	"net/http"
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
	"github.com/backend-platform/sdk/internal/spans"
)

const scopeName = buildinfo.Prefix + moduleName

// telemetry is what the attempts of a client report to.
type telemetry struct {
	spans      *spans.Source
	kind       trace.SpanStartOption
	propagator propagation.TextMapPropagator
	metrics    metrics
}

func newTelemetry(cfg Config) (*telemetry, error) {
	if cfg.Propagator == nil {
		cfg.Propagator = otel.GetTextMapPropagator()
	}
	m, err := newMetrics(cfg.MeterProvider)
	return &telemetry{
		spans:      spans.New(cfg.TracerProvider, scopeName, trace.WithInstrumentationVersion(buildinfo.Version(moduleName))),
		kind:       trace.WithSpanKind(trace.SpanKindClient),
		propagator: cfg.Propagator,
		metrics:    m,
	}, err
}

// start starts a span, or none where nobody would ever see it: span is nil then.
func (t *telemetry) start(ctx context.Context, c *call, now time.Time) (context.Context, trace.Span) {
	if t.spans.Silent(now) {
		return ctx, nil
	}
	return t.spans.Start(ctx, now, c.spanName(), t.kind, trace.WithAttributes(c.startAttrs()...))
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
