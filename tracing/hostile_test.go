package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/tracing"
	"github.com/backend-platform/sdk/tracing/tracingtest"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// Headers are what anybody may send. What a service passes on of them is bounded, whatever they are.
func TestHostileHeadersArePassedOnInBoundsOrNotAtAll(t *testing.T) {
	tracingtest.NewRecorder().SetGlobal(t) // OpenTelemetry reports what it refuses to its global handler
	var members []string
	for i := range 1000 {
		members = append(members, fmt.Sprintf("k%d=v", i))
	}
	providers := setup(t, map[string]string{"OTEL_PROPAGATORS": "tracecontext,baggage,b3"}, quietly(0))
	for name, header := range map[string]http.Header{
		"many members":       {"Traceparent": {parent}, "Tracestate": {strings.Join(members, ",")}, "Baggage": {strings.Join(members, ",")}},
		"a megabyte":         {"Traceparent": {parent}, "Tracestate": {"a=" + strings.Repeat("x", 1<<20)}, "Baggage": {"a=" + strings.Repeat("x", 1<<20)}},
		"many headers":       {"Traceparent": {parent, parent}, "Baggage": members, "Tracestate": members},
		"no text":            {"Traceparent": {"\xff\x00"}, "Tracestate": {"\xff=\x00"}, "Baggage": {"\xff=%ff%00,=,;"}, "B3": {"\xff-\x00-d-"}},
		"line breaks":        {"Traceparent": {parent}, "Tracestate": {"a=b\r\nX-Injected: 1"}, "Baggage": {"a=b%0d%0aX-Injected: 1"}},
		"another version":    {"Traceparent": {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
		"zero ids":           {"Traceparent": {"00-00000000000000000000000000000000-0000000000000000-01"}, "B3": {"0-0-1"}},
		"percent for a byte": {"Traceparent": {parent}, "Baggage": {strings.Repeat("%", 8000)}},
	} {
		ctx := providers.Propagator().Extract(t.Context(), propagation.HeaderCarrier(header))
		ctx, span := providers.TracerProvider().Tracer("test").Start(ctx, "span")
		span.End()
		out := http.Header{}
		providers.Propagator().Inject(ctx, propagation.HeaderCarrier(out))
		size := 0
		for key, values := range out {
			for _, value := range values {
				size += len(key) + len(value)
				if strings.ContainsAny(value, "\r\n\x00") {
					t.Errorf("%s: %s is %q", name, key, value)
				}
			}
		}
		if size > 16<<10 || !span.SpanContext().IsValid() {
			t.Errorf("%s: %d bytes are passed on, the span is %v", name, size, span.SpanContext())
		}
	}
}

func TestBaggageIsPassedOn(t *testing.T) {
	providers := setup(t, nil, tracing.Config{})
	ctx := providers.Propagator().Extract(t.Context(), mapCarrier{"baggage": "tenant=acme"})
	if got := baggage.FromContext(ctx).Member("tenant").Value(); got != "acme" {
		t.Errorf("got %q", got)
	}
	out := mapCarrier{}
	providers.Propagator().Inject(ctx, out)
	if out["baggage"] != "tenant=acme" {
		t.Errorf("passed on %v", out)
	}
}

// Resources of two libraries with two schema URLs stop a service at its start (opentelemetry-go #3769, #7297).
// Ours goes with any.
func TestResourceGoesWithAnySchema(t *testing.T) {
	r := setup(t, nil, tracing.Config{}).Resource()
	for _, url := range []string{"https://opentelemetry.io/schemas/1.4.0", "https://opentelemetry.io/schemas/1.43.0", ""} {
		merged, err := sdkresource.Merge(sdkresource.NewWithAttributes(url, attribute.String("team", "a")), r)
		if err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if name, _ := merged.Set().Value("service.name"); name.AsString() != "orders" {
			t.Errorf("%s: %v", url, merged)
		}
	}
}

// Libraries may name schemas of their own, in one program.
func TestScopesWithDifferentSchemasAreExported(t *testing.T) {
	for _, protocol := range protocols {
		c := newCollector(t, protocol, nil)
		providers := setup(t, c.tracesOnly(), quietly(0))
		for _, version := range []string{"1.4.0", "1.43.0"} {
			tracer := providers.TracerProvider().Tracer("test", trace.WithSchemaURL("https://opentelemetry.io/schemas/"+version))
			_, span := tracer.Start(t.Context(), "span")
			span.End()
		}
		if err := providers.Shutdown(t.Context()); err != nil || len(c.spans) != 2 {
			t.Errorf("%s: %d spans, %v", protocol, len(c.spans), err)
		}
	}
}

// After SetGlobal nothing of OpenTelemetry writes to standard error: its errors go to the logger, once a
// minute.
func TestErrorsOfOpenTelemetryGoToTheLogger(t *testing.T) {
	tracingtest.NewRecorder().SetGlobal(t)
	var lines strings.Builder
	providers := setup(t, nil, tracing.Config{Logger: textLogger(&lines)})
	providers.SetGlobal()
	for range 3 {
		otel.Handle(fmt.Errorf("token=hush is not valid"))
	}
	if got := lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "token=REDACTED is not valid") || !strings.Contains(got, "component=opentelemetry") {
		t.Errorf("logged %s", got)
	}
}

// brokenExporter panics whenever it is given anything.
type brokenExporter struct{}

func (brokenExporter) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	panic("token=hush")
}
func (brokenExporter) Shutdown(context.Context) error { return nil }

func (brokenExporter) ForceFlush(context.Context) error { return nil }

type brokenLogExporter struct{ brokenExporter }

func (brokenLogExporter) Export(context.Context, []sdklog.Record) error { panic("token=hush") }

type brokenMetricExporter struct{ brokenExporter }

func (brokenMetricExporter) Export(context.Context, *metricdata.ResourceMetrics) error {
	panic("token=hush")
}
func (brokenMetricExporter) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}
func (brokenMetricExporter) Aggregation(sdkmetric.InstrumentKind) sdkmetric.Aggregation { return nil }

// Exports run on goroutines of their own, where a panic would end the service.
func TestExporterThatPanicsCostsTelemetryAndNotTheService(t *testing.T) {
	var lines strings.Builder
	providers := setup(t, nil, tracing.Config{
		Logger:          slog.New(slog.NewTextHandler(&lines, nil)),
		SpanExporters:   []sdktrace.SpanExporter{brokenExporter{}},
		LogExporters:    []sdklog.Exporter{brokenLogExporter{}},
		MetricExporters: []sdkmetric.Exporter{brokenMetricExporter{}},
	})
	traceSpans(providers, 3)
	emit(providers, "hello")
	err := providers.Shutdown(t.Context())
	loss, ok := errors.AsType[*tracing.LossError](err)
	if !ok || loss.Spans != 3 || loss.LogRecords != 1 || loss.MetricExports != 1 {
		t.Errorf("got %v", err)
	}
	if text := err.Error() + lines.String(); strings.Contains(text, "hush") || !strings.Contains(text, "panic: token=REDACTED") {
		t.Error(text)
	}
}
