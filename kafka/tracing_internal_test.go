package kafka

import (
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// A consumer is often made before the telemetry is set up.
func TestSpansAndTraceContextBeginWhenTheyAreInstalled(t *testing.T) {
	t.Cleanup(func() {
		otel.SetTracerProvider(noop.NewTracerProvider())
		otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator())
	})
	traces := newTracing(nil, nil, false)
	about := describePartition("g", "test", topicPartition{"t", 0})
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	d := &delivery{Record: Record{Headers: []Header{{Key: "traceparent", Value: []byte(parent)}}}}
	for range 2 {
		if _, span := traces.process(t.Context(), about, d); span != nil && span.IsRecording() {
			t.Fatal("a span is recorded by nobody")
		}
	}
	if _, span := traces.process(t.Context(), about, d); span != nil {
		t.Error("a span is made for nobody")
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
	ctx, _ := traces.process(t.Context(), about, d)
	if got := traceParent(ctx); got != parent {
		t.Errorf("without an SDK the handler's context carries %q, want the producer's", got)
	}
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	_, span := traces.process(t.Context(), about, d)
	traces.end(span, failure{})
	if ended := spans.Ended(); len(ended) != 1 || ended[0].Parent().SpanID().String() != "00f067aa0ba902b7" {
		t.Errorf("%d spans ended after an SDK was installed", len(ended))
	}
}

// An SDK that drops a span gives it an id all the same, which goes on to the
// next service.
func TestSpansThatAreNotSampledKeepTheirIds(t *testing.T) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	for _, configured := range []bool{true, false} {
		var tp trace.TracerProvider = provider
		if !configured {
			t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
			otel.SetTracerProvider(provider)
			tp = nil
		}
		traces := newTracing(tp, nil, false)
		about := describePartition("g", "test", topicPartition{"t", 0})
		for range 3 {
			if _, span := traces.process(t.Context(), about, &delivery{}); span == nil || !span.SpanContext().IsValid() {
				t.Errorf("configured %v: a span without an id", configured)
			}
		}
	}
}
