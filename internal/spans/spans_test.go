package spans_test

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/backend-platform/sdk/internal/spans"
)

var now = time.Now()

// install makes a provider the global one, until the test ends.
func install(t *testing.T, provider trace.TracerProvider) {
	t.Helper()
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	otel.SetTracerProvider(provider)
}

func start(t *testing.T, source *spans.Source, now time.Time) {
	t.Helper()
	_, span := source.Start(t.Context(), now, "test")
	span.End()
}

// Also where the provider of before was none that hands on to an SDK.
func TestAnSDKIsNoticedAtOnce(t *testing.T) {
	install(t, noop.NewTracerProvider())
	source := spans.New(nil, "test")
	start(t, source, now)
	if !source.Silent(now) || !source.Idle() {
		t.Fatal("without an SDK spans are not silent")
	}
	sdk := &provider{sdk: true}
	install(t, sdk)
	if source.Silent(now) || source.Idle() {
		t.Error("an SDK was installed, and spans are silent still")
	}
	start(t, source, now)
	if sdk.started != 1 {
		t.Errorf("the SDK has started %d spans, want 1", sdk.started)
	}
}

// Instrumentation from outside of the process makes the spans of a provider that stays the same.
func TestASilentProviderIsTriedEachSecond(t *testing.T) {
	global := new(provider)
	install(t, global)
	source := spans.New(nil, "test")
	start(t, source, now)
	if !source.Silent(now.Add(spans.Silence-1)) || source.Silent(now.Add(spans.Silence)) {
		t.Errorf("silent for another time than %v", spans.Silence)
	}
	later := now.Add(spans.Silence)
	start(t, source, later)
	if !source.Silent(later) {
		t.Error("the silence does not begin anew")
	}
	global.sdk = true
	start(t, source, later)
	if source.Silent(later) || source.Idle() {
		t.Error("spans are silent though the last one was seen")
	}
}

func TestAConfiguredProviderIsNeverSilent(t *testing.T) {
	configured := new(provider)
	source := spans.New(configured, "test")
	install(t, &provider{sdk: true})
	start(t, source, now)
	if source.Silent(now) {
		t.Error("silent")
	}
	if !source.Idle() {
		t.Error("not idle")
	}
	configured.sdk = true
	start(t, source, now)
	if source.Idle() {
		t.Error("idle though the last span was seen")
	}
}

// The parent of a span may come from elsewhere.
func TestAParentIsNotTakenForASpan(t *testing.T) {
	install(t, new(provider))
	source := spans.New(nil, "test")
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true})
	source.Start(trace.ContextWithSpanContext(t.Context(), parent), now, "test")
	if !source.Silent(now) {
		t.Error("a parent was taken for a span that somebody sees")
	}
}

// Providers are interfaces, and what is behind them need not be comparable.
func TestProvidersThatCannotBeCompared(t *testing.T) {
	install(t, wrapped{inner: []trace.TracerProvider{new(provider)}})
	source := spans.New(nil, "test")
	start(t, source, now)
	start(t, source, now)
	if source.Silent(now) {
		t.Error("silent, and nobody could notice an SDK")
	}
	sdk := &provider{sdk: true}
	install(t, sdk)
	start(t, source, now)
	if sdk.started != 1 {
		t.Errorf("the SDK has started %d spans, want 1", sdk.started)
	}
}

func TestSilenceCostsNothing(t *testing.T) {
	install(t, new(provider))
	source := spans.New(nil, "test")
	start(t, source, now)
	if allocs := testing.AllocsPerRun(100, func() { source.Silent(now) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// provider makes no spans until it has an SDK, as OpenTelemetry's global one.
type provider struct {
	noop.TracerProvider
	sdk     bool
	started byte
}

func (p *provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return tracer{of: p} }

type tracer struct {
	noop.Tracer
	of *provider
}

func (t tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	t.of.started++
	if t.of.sdk {
		id := trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2, t.of.started}}
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(id))
	}
	return t.Tracer.Start(ctx, name, options...)
}

type wrapped struct {
	noop.TracerProvider
	inner []trace.TracerProvider
}

func (w wrapped) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return w.inner[0].Tracer(name, options...)
}
