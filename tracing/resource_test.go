package tracing_test

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/backend-platform/sdk/tracing"
	"github.com/backend-platform/sdk/tracing/tracingtest"
)

func TestResourceDescribesTheProcessAndHasNoSchema(t *testing.T) {
	r := setup(t, nil, tracing.Config{Version: "1.4.2"}).Resource()
	if r.SchemaURL() != "" {
		t.Errorf("the schema URL is %q: it can conflict with another", r.SchemaURL())
	}
	hostname, _ := os.Hostname()
	for key, want := range map[string]string{
		"service.name":           "orders",
		"service.version":        "1.4.2",
		"host.name":              hostname,
		"process.pid":            strconv.Itoa(os.Getpid()),
		"telemetry.sdk.language": "go",
	} {
		if value, _ := r.Set().Value(attribute.Key(key)); value.String() != want {
			t.Errorf("%s is %q, want %q", key, value.String(), want)
		}
	}
	for _, key := range []attribute.Key{"process.command_args", "process.command_line", "process.owner"} {
		if r.Set().HasValue(key) {
			t.Errorf("%s is in the resource", key)
		}
	}
}

func TestInstanceIDIsARandomUUID(t *testing.T) {
	id := func() string {
		value, _ := setup(t, nil, tracing.Config{}).Resource().Set().Value("service.instance.id")
		return value.AsString()
	}
	one, other := id(), id()
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(one) || one == other {
		t.Errorf("ids are %s and %s", one, other)
	}
}

func TestConfigWinsOverResourceAttributes(t *testing.T) {
	r := setup(t, map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.version=1,team=a,zone=z"}, tracing.Config{
		Version:    "2",
		Attributes: []attribute.KeyValue{attribute.String("team", "b")},
	}).Resource()
	for key, want := range map[attribute.Key]string{"service.version": "2", "team": "b", "zone": "z"} {
		if value, _ := r.Set().Value(key); value.AsString() != want {
			t.Errorf("%s is %q, want %q", key, value.AsString(), want)
		}
	}
}

func TestProcessorsAndReadersOfTheConfigAreUsed(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	providers := setup(t, nil, tracing.Config{
		SpanProcessors: []sdktrace.SpanProcessor{recorder.SpanProcessor()},
		MetricReaders:  []sdkmetric.Reader{recorder.MetricReader()},
	})
	_, span := providers.TracerProvider().Tracer("test").Start(t.Context(), "span")
	span.End()
	if got := recorder.Span(t, "span").Resource; !got.Equal(providers.Resource()) {
		t.Errorf("the span's resource is %v", got)
	}
	if recorder.Sum("go.goroutine.count") < 1 {
		t.Error("there are no runtime metrics")
	}
}

func TestNilInTheConfigIsAFault(t *testing.T) {
	setenv(t, nil)
	_, err := tracing.Setup(t.Context(), "orders", tracing.Config{
		SpanProcessors: []sdktrace.SpanProcessor{nil}, SpanExporters: []sdktrace.SpanExporter{nil},
		MetricReaders: []sdkmetric.Reader{nil}, MetricExporters: []sdkmetric.Exporter{nil}, Views: []sdkmetric.View{nil},
		LogProcessors: []sdklog.Processor{nil}, LogExporters: []sdklog.Exporter{nil},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"SpanProcessors", "SpanExporters", "MetricReaders", "MetricExporters", "Views", "LogProcessors", "LogExporters"} {
		if !strings.Contains(err.Error(), "Config."+field+"[0]: must not be nil") {
			t.Errorf("%s is missing in %v", field, err)
		}
	}
}

// Exporters of one's own get what the environment's do, and are accounted for.
func TestExportersOfTheConfigAreUsed(t *testing.T) {
	spans, logs := tracetest.NewInMemoryExporter(), &logKeeper{}
	var metrics bytes.Buffer
	console, err := stdoutmetric.New(stdoutmetric.WithWriter(&metrics))
	if err != nil {
		t.Fatal(err)
	}
	config := quietly(0)
	config.SpanExporters = []sdktrace.SpanExporter{spans}
	config.MetricExporters = []sdkmetric.Exporter{console}
	config.LogExporters = []sdklog.Exporter{logs}
	config.LogProcessors = []sdklog.Processor{sdklog.NewSimpleProcessor(logs)}
	config.Views = []sdkmetric.View{sdkmetric.NewView(sdkmetric.Instrument{Name: "go.*"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}})}
	providers := setup(t, nil, config)
	traceSpans(providers, 2)
	emit(providers, "order placed")
	if err := providers.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	if got := len(spans.GetSpans()); got != 2 || logs.n != 2 {
		t.Errorf("%d spans and %d log records, want 2 and 2", got, logs.n)
	}
	if got := metrics.String(); !strings.Contains(got, "SpanExporters[0]") || strings.Contains(got, "go.goroutine.count") {
		t.Errorf("metrics are %s", got)
	}
}

type logKeeper struct{ n int }

func (l *logKeeper) Export(_ context.Context, records []sdklog.Record) error {
	l.n += len(records)
	return nil
}
func (*logKeeper) Shutdown(context.Context) error   { return nil }
func (*logKeeper) ForceFlush(context.Context) error { return nil }

func TestOnlySetGlobalTouchesTheGlobals(t *testing.T) {
	tracingtest.NewRecorder().SetGlobal(t) // restores what the test changes
	before := otel.GetTracerProvider()
	providers := setup(t, nil, tracing.Config{})
	if otel.GetTracerProvider() != before {
		t.Fatal("Setup has set the global provider")
	}
	providers.SetGlobal()
	_, span := tracing.Start(context.Background(), "span")
	defer span.End(nil)
	if !span.SpanContext().IsValid() || len(otel.GetTextMapPropagator().Fields()) != 3 || otel.GetLoggerProvider() != providers.LoggerProvider() {
		t.Error("the globals are not set")
	}
}
