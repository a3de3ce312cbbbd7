package tracingtest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/tracing/tracingtest"
)

// record makes a small trace.
func record(recorder *tracingtest.Recorder) {
	tracer := recorder.TracerProvider().Tracer("test")
	ctx, root := tracer.Start(context.Background(), "POST /orders", trace.WithSpanKind(trace.SpanKindServer))
	_, first := tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient))
	first.SetAttributes(attribute.Int("http.response.status_code", 503))
	first.SetStatus(codes.Error, "")
	first.End()
	_, second := tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient))
	second.End()
	root.End()
}

func TestTreeDrawsEachSpanBelowItsParent(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	record(recorder)
	want := "POST /orders (server)\n  GET (client, error)\n  GET (client)\n"
	if diff := cmp.Diff(want, recorder.Tree()); diff != "" {
		t.Error(diff)
	}
}

func TestSpansAreFoundByName(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	record(recorder)
	gets, root := recorder.SpansNamed("GET"), recorder.Span(t, "POST /orders")
	if len(recorder.Spans()) != 3 || len(gets) != 2 {
		t.Fatalf("recorded:\n%s", recorder.Tree())
	}
	if gets[0].Attr("http.response.status_code") != "503" || gets[1].Attr("http.response.status_code") != "" {
		t.Errorf("attributes are %v and %v", gets[0].Attributes, gets[1].Attributes)
	}
	if !gets[0].IsChildOf(root) || root.IsChildOf(gets[0]) || gets[0].TraceID() != root.TraceID() || gets[0].Duration() < 0 {
		t.Errorf("recorded:\n%s", recorder.Tree())
	}
	recorder.Reset()
	if n := len(recorder.Spans()); n != 0 {
		t.Errorf("%d spans after Reset", n)
	}
}

// failing stands for a test that fails.
type failing struct {
	testing.TB
	message string
}

func (f *failing) Helper() {}
func (f *failing) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestSpanFailsTheTestAndShowsWhatThereIs(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	record(recorder)
	for name, want := range map[string]string{"PUT": `0 spans are named "PUT", want 1`, "GET": `2 spans are named "GET", want 1`} {
		tb := &failing{TB: t}
		done := make(chan struct{})
		go func() { defer close(done); recorder.Span(tb, name) }()
		<-done
		if !strings.HasPrefix(tb.message, want) || !strings.Contains(tb.message, "POST /orders (server)") {
			t.Errorf("got %q", tb.message)
		}
	}
}

func TestMetricsAreSummedOverMatchingPoints(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	meter := recorder.MeterProvider().Meter("test")
	counter, _ := meter.Int64Counter("orders")
	histogram, _ := meter.Float64Histogram("duration")
	gauge, _ := meter.Float64Gauge("stock")
	for _, sku := range []string{"a", "a", "b"} {
		attrs := metric.WithAttributes(attribute.String("sku", sku), attribute.Bool("ok", true))
		counter.Add(t.Context(), 2, attrs)
		histogram.Record(t.Context(), 0.5, attrs)
		gauge.Record(t.Context(), 7, attrs)
	}
	a := attribute.String("sku", "a")
	for name, c := range map[string][2]float64{
		"orders, all":   {recorder.Sum("orders"), 6},
		"orders of a":   {recorder.Sum("orders", a), 4},
		"orders of c":   {recorder.Sum("orders", attribute.String("sku", "c")), 0},
		"points of all": {float64(recorder.Count("orders")), 2},
		"duration of a": {recorder.Sum("duration", a), 1},
		"durations":     {float64(recorder.Count("duration", attribute.Bool("ok", true))), 3},
		"stock of b":    {recorder.Sum("stock", attribute.String("sku", "b")), 7},
		"none":          {recorder.Sum("none"), 0},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: got %v, want %v", name, c[0], c[1])
		}
	}
	if n := len(recorder.Metrics()); n != 3 {
		t.Errorf("%d metrics, want 3", n)
	}
}

func TestSetGlobalIsUndoneAfterTheTest(t *testing.T) {
	before := otel.GetTracerProvider()
	t.Run("inner", func(t *testing.T) {
		recorder := tracingtest.NewRecorder()
		recorder.SetGlobal(t)
		_, span := otel.Tracer("test").Start(t.Context(), "span")
		span.End()
		recorder.Span(t, "span")
	})
	if otel.GetTracerProvider() != before {
		t.Error("the global provider is still the recorder's")
	}
}

func TestPropagatorCarriesATraceFromOneRecorderToAnother(t *testing.T) {
	caller, callee := tracingtest.NewRecorder(), tracingtest.NewRecorder()
	ctx, call := caller.TracerProvider().Tracer("test").Start(t.Context(), "call")
	carrier := propagation.MapCarrier{}
	caller.Propagator().Inject(ctx, carrier)
	_, answer := callee.TracerProvider().Tracer("test").Start(callee.Propagator().Extract(t.Context(), carrier), "answer")
	answer.End()
	call.End()
	if !callee.Span(t, "answer").IsChildOf(caller.Span(t, "call")) {
		t.Errorf("carried %v", carrier)
	}
}

func TestRecorderMayBeAskedWhileSpansEndAndMetricsAreRecorded(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	counter, err := recorder.MeterProvider().Meter("test").Int64Counter("orders")
	if err != nil {
		t.Fatal(err)
	}
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 100 {
				record(recorder)
				counter.Add(context.Background(), 1)
			}
		})
		workers.Go(func() {
			for range 20 {
				_, _, _ = recorder.Tree(), recorder.Spans(), recorder.Sum("orders")
			}
		})
	}
	workers.Wait()
	if spans, orders := len(recorder.Spans()), recorder.Sum("orders"); spans != 1200 || orders != 400 {
		t.Errorf("%d spans and %v orders, want 1200 and 400", spans, orders)
	}
}
