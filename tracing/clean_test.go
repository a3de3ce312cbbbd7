package tracing_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/tracing"
)

// A request for /%ff has such a path.
const noUTF8 = "a\xffb"

func TestTextThatIsNoUTF8CostsNoSpan(t *testing.T) {
	c := newCollector(t, "http/protobuf", nil)
	providers := setup(t, c.tracesOnly(), quietly(time.Minute))
	tracer := providers.TracerProvider().Tracer("test")
	for name, mark := range map[string]func(trace.Span){
		"attribute": func(s trace.Span) { s.SetAttributes(attribute.String("url.path", noUTF8)) },
		"key":       func(s trace.Span) { s.SetAttributes(attribute.String(noUTF8, "x")) },
		"list":      func(s trace.Span) { s.SetAttributes(attribute.StringSlice("list", []string{"x", noUTF8})) },
		"slice": func(s trace.Span) {
			s.SetAttributes(attribute.KeyValue{Key: "slice", Value: attribute.SliceValue(attribute.StringValue(noUTF8))})
		},
		"map": func(s trace.Span) {
			s.SetAttributes(attribute.KeyValue{Key: "map", Value: attribute.MapValue(attribute.String("x", noUTF8))})
		},
		"event":           func(s trace.Span) { s.AddEvent(noUTF8) },
		"event attribute": func(s trace.Span) { s.AddEvent("x", trace.WithAttributes(attribute.String("x", noUTF8))) },
		"error":           func(s trace.Span) { tracing.RecordError(s, errors.New(noUTF8)) },
		"link": func(s trace.Span) {
			s.AddLink(trace.Link{SpanContext: s.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("x", noUTF8)}})
		},
		"harmless": func(s trace.Span) { s.SetAttributes(attribute.Int("n", 1)) },
	} {
		_, span := tracer.Start(t.Context(), name)
		mark(span)
		span.End()
	}
	_, span := tracer.Start(t.Context(), noUTF8)
	span.End()
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := c.names()
	slices.Sort(got)
	want := []string{"attribute", "a\ufffdb", "error", "event", "event attribute", "harmless", "key", "link", "list", "map", "slice"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAttributeThatIsNoUTF8CostsNoMetric(t *testing.T) {
	c := newCollector(t, "http/protobuf", nil)
	config := quietly(time.Minute)
	config.NoRuntimeMetrics = true
	providers := setup(t, c.env("OTEL_TRACES_EXPORTER", "none"), config)
	meter := providers.MeterProvider().Meter("test")
	counter, _ := meter.Int64Counter("counter")
	duration, _ := meter.Float64Histogram("duration")
	gauge, _ := meter.Float64Gauge("gauge")
	attr := metric.WithAttributes(attribute.String("path", noUTF8))
	counter.Add(t.Context(), 1, attr)
	duration.Record(t.Context(), 1, attr)
	gauge.Record(t.Context(), 1, attr)
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"counter", "duration", "gauge"} {
		if !slices.Contains(c.metrics, want) {
			t.Errorf("%s is missing in %v", want, c.metrics)
		}
	}
}

func TestResourceThatIsNoUTF8CostsNothing(t *testing.T) {
	c := newCollector(t, "http/protobuf", nil)
	env := c.tracesOnly()
	env["OTEL_RESOURCE_ATTRIBUTES"] = "team=%ff"
	providers := setup(t, env, quietly(time.Minute))
	traceSpans(providers, 1)
	if err := providers.Shutdown(t.Context()); err != nil || len(c.spans) != 1 {
		t.Errorf("%d spans, %v", len(c.spans), err)
	}
}

func TestTextThatIsNoUTF8CostsNoLogRecord(t *testing.T) {
	for _, protocol := range protocols {
		c := newCollector(t, protocol, nil)
		providers := setup(t, c.env("OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "none"), quietly(time.Minute))
		logger := providers.LoggerProvider().Logger("test")
		for _, change := range []func(*log.Record){
			func(r *log.Record) { r.SetBody(attribute.StringValue(noUTF8)) },
			func(r *log.Record) { r.SetSeverityText(noUTF8) },
			func(r *log.Record) { r.SetEventName(noUTF8) },
			func(r *log.Record) { r.AddAttributes(attribute.Int("n", 1), attribute.String("path", noUTF8)) },
			func(r *log.Record) { r.AddAttributes(attribute.String(noUTF8, "x")) },
			func(r *log.Record) { r.SetBody(attribute.StringValue("harmless")) },
		} {
			var record log.Record
			change(&record)
			logger.Emit(t.Context(), record)
		}
		if err := providers.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(c.logs) != 6 || c.logs[0] != "a\ufffdb" || c.logs[5] != "harmless" {
			t.Errorf("%s: got %q", protocol, c.logs)
		}
		if attrs := c.rawLogs[3].GetAttributes(); len(attrs) != 2 || attrs[1].GetValue().GetStringValue() != "a\ufffdb" {
			t.Errorf("%s: got %v", protocol, attrs)
		}
	}
}
