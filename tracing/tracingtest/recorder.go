package tracingtest

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// A Recorder keeps the spans and reads the metrics of its own providers, and of those to which its
// SpanProcessor and its MetricReader were given. It is safe for concurrent use, starts no goroutine
// and need not be closed.
type Recorder struct {
	spans   *tracetest.SpanRecorder
	readers [2]*sdkmetric.ManualReader // of the own provider, and the one to give away
	tracers *sdktrace.TracerProvider
	meters  *sdkmetric.MeterProvider
}

// NewRecorder returns an empty recorder. Its own provider samples every trace.
func NewRecorder() *Recorder {
	r := &Recorder{
		spans:   tracetest.NewSpanRecorder(),
		readers: [2]*sdkmetric.ManualReader{sdkmetric.NewManualReader(), sdkmetric.NewManualReader()},
	}
	r.tracers = sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(r.spans),
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.Empty()))
	r.meters = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(r.readers[0]),
		sdkmetric.WithResource(resource.Empty()))
	return r
}

// TracerProvider returns a provider whose spans are recorded.
func (r *Recorder) TracerProvider() trace.TracerProvider { return r.tracers }

// MeterProvider returns a provider whose metrics are read.
func (r *Recorder) MeterProvider() metric.MeterProvider { return r.meters }

// Propagator returns the propagators of W3C trace context and baggage, for a Config that takes one: two
// parts of a test whose spans shall be in one trace need it.
func (r *Recorder) Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

// SpanProcessor returns a processor for another provider, such as that of tracing.Setup.
func (r *Recorder) SpanProcessor() sdktrace.SpanProcessor { return r.spans }

// MetricReader returns a reader for one other provider, such as that of tracing.Setup. After that
// provider's shutdown there is nothing more to read.
func (r *Recorder) MetricReader() sdkmetric.Reader { return r.readers[1] }

// SetGlobal makes the recorder's providers, and the propagators of W3C trace context and baggage,
// OpenTelemetry's global ones until the test ends. Such a test must not run in parallel with others.
func (r *Recorder) SetGlobal(tb testing.TB) {
	tb.Helper()
	tracers, meters, propagator := otel.GetTracerProvider(), otel.GetMeterProvider(), otel.GetTextMapPropagator()
	tb.Cleanup(func() {
		otel.SetTracerProvider(tracers)
		otel.SetMeterProvider(meters)
		otel.SetTextMapPropagator(propagator)
	})
	otel.SetTracerProvider(r.tracers)
	otel.SetMeterProvider(r.meters)
	otel.SetTextMapPropagator(r.Propagator())
}

// Reset forgets the spans so far. Metrics are cumulative and stay.
func (r *Recorder) Reset() { r.spans.Reset() }

// collect reads all metrics. An error of a callback leaves out that callback's metric alone.
func (r *Recorder) collect() []metricdata.Metrics {
	var all []metricdata.Metrics
	for _, reader := range r.readers {
		var read metricdata.ResourceMetrics
		_ = reader.Collect(context.Background(), &read) // the reader that nobody took says so each time
		for _, scope := range read.ScopeMetrics {
			all = append(all, scope.Metrics...)
		}
	}
	return all
}
