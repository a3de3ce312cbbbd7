package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/backend-platform/sdk/internal/spans"
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
	traces, now := newTracing(nil, nil, false), time.Now()
	about := describePartition("g", "test", topicPartition{"t", 0})
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	d := &delivery{Record: Record{Headers: []Header{{Key: "traceparent", Value: []byte(parent)}}}}
	for range 2 {
		if _, span := traces.process(t.Context(), about, d, now); span != nil && span.IsRecording() {
			t.Fatal("a span is recorded by nobody")
		}
	}
	if _, span := traces.process(t.Context(), about, d, now); span != nil {
		t.Error("a span is made for nobody")
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
	ctx, _ := traces.process(t.Context(), about, d, now)
	if got := traceParent(ctx); got != parent {
		t.Errorf("without an SDK the handler's context carries %q, want the producer's", got)
	}
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	_, span := traces.process(t.Context(), about, d, now)
	traces.end(span, failure{})
	if ended := spans.Ended(); len(ended) != 1 || ended[0].Parent().SpanID().String() != "00f067aa0ba902b7" {
		t.Errorf("%d spans ended after an SDK was installed", len(ended))
	}
}

// Instrumentation from outside of the process makes the spans of a provider that
// stays the same.
func TestASilentProviderIsTriedEachSecond(t *testing.T) {
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	provider := new(switched)
	otel.SetTracerProvider(provider)
	traces, now := newTracing(nil, nil, false), time.Now()
	about := describePartition("g", "test", topicPartition{"t", 0})
	for range 3 {
		_, span := traces.process(t.Context(), about, &delivery{}, now)
		traces.end(span, failure{})
	}
	if provider.started != 1 {
		t.Errorf("%d spans were started for nobody, want 1", provider.started)
	}
	recorder := tracetest.NewSpanRecorder()
	provider.sdk = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("sdk")
	for range 3 {
		_, span := traces.process(t.Context(), about, &delivery{}, now.Add(spans.Silence))
		traces.end(span, failure{})
	}
	if got := len(recorder.Ended()); got != 3 {
		t.Errorf("%d spans, want 3", got)
	}
}

// switched is a provider that makes no spans until it has an SDK.
type switched struct {
	noop.TracerProvider
	switchedTracer
}

func (s *switched) Tracer(string, ...trace.TracerOption) trace.Tracer { return &s.switchedTracer }

type switchedTracer struct {
	noop.Tracer
	sdk     trace.Tracer
	started int // for nobody
}

func (s *switchedTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if s.sdk != nil {
		return s.sdk.Start(ctx, name, options...)
	}
	s.started++
	return s.Tracer.Start(ctx, name, options...)
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
		traces, now := newTracing(tp, nil, false), time.Now()
		about := describePartition("g", "test", topicPartition{"t", 0})
		for range 3 {
			if _, span := traces.process(t.Context(), about, &delivery{}, now); span == nil || !span.SpanContext().IsValid() {
				t.Errorf("configured %v: a span without an id", configured)
			}
		}
	}
}
