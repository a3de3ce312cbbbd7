package httpclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/backend-platform/sdk/httpclient"
)

// Without an SDK the client makes no spans, and the first call after one is installed has one.
func TestSpansBeginWhenAnSDKIsInstalled(t *testing.T) {
	before := otel.GetTracerProvider()
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	client := newClient(t, stub{}, httpclient.Config{})
	for range 3 {
		get(t, client)
	}
	if otel.GetTracerProvider() != before {
		t.Fatal("another test installed a provider")
	}
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	get(t, client)
	if got := len(spans.Ended()); got != 1 {
		t.Errorf("%d spans, want 1", got)
	}
}

// Instrumentation from outside of the process makes the spans of a provider that stays the same.
func TestASilentProviderIsTriedEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider := new(later)
		t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
		otel.SetTracerProvider(provider)
		client := newClient(t, stub{}, httpclient.Config{})
		get(t, client)
		get(t, client)
		if provider.started != 1 {
			t.Errorf("%d spans were started for nobody, want 1", provider.started)
		}
		spans := tracetest.NewSpanRecorder()
		provider.sdk = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		time.Sleep(time.Second)
		for range 3 {
			get(t, client)
		}
		if got := len(spans.Ended()); got != 3 {
			t.Errorf("%d spans, want 3", got)
		}
	})
}

// What otel.GetTracerProvider returned before an SDK was installed stays the same provider afterwards.
func TestConfiguredProviderIsNeverTakenForNoSDK(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := &later{}
	client := newClient(t, stub{}, httpclient.Config{TracerProvider: provider})
	get(t, client)
	provider.sdk = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	get(t, client)
	if got := len(spans.Ended()); got != 1 {
		t.Errorf("%d spans, want 1", got)
	}
}

// later makes no spans until it has an SDK, as OpenTelemetry's global provider.
type later struct {
	embedded.TracerProvider
	sdk     trace.TracerProvider
	started int // without one
}

func (l *later) Tracer(string, ...trace.TracerOption) trace.Tracer { return laterTracer{later: l} }

type laterTracer struct {
	embedded.Tracer
	later *later
}

func (t laterTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if t.later.sdk == nil {
		t.later.started++
		return noop.NewTracerProvider().Tracer("").Start(ctx, name, options...)
	}
	return t.later.sdk.Tracer("").Start(ctx, name, options...)
}

func TestDroppedSpansAreNotTakenForNoSDK(t *testing.T) {
	sampler := &alternate{}
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithSampler(sampler))
	client := newClient(t, stub{}, httpclient.Config{TracerProvider: provider})
	for range 4 {
		get(t, client)
	}
	if got := len(spans.Ended()); got != 2 {
		t.Errorf("%d spans, want every other one of 4", got)
	}
}

// alternate drops the first span, keeps the second, and so on.
type alternate struct{ n int }

func (a *alternate) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult {
	a.n++
	if a.n%2 == 0 {
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
	}
	return sdktrace.SamplingResult{Decision: sdktrace.Drop}
}

func (a *alternate) Description() string { return "alternate" }
