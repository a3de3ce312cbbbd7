package prometheus_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/backend-platform/sdk/tracing"
	"github.com/backend-platform/sdk/tracing/prometheus"
)

const (
	text        = "text/plain"
	openMetrics = "application/openmetrics-text; version=1.0.0"
)

// setup returns what a service has that is scraped. It has no metrics of the Go runtime, because the parser
// of OpenMetrics takes milliseconds for a line.
func setup(t *testing.T, cfg prometheus.Config) (*prometheus.Handler, *tracing.Providers) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	metrics, err := prometheus.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	providers, err := tracing.Setup(t.Context(), "orders", tracing.Config{
		Version: "1.4.2", MetricReaders: []sdkmetric.Reader{metrics}, Logger: slog.New(slog.DiscardHandler), NoRuntimeMetrics: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = providers.Shutdown(context.Background()) })
	return metrics, providers
}

// scrape reads what the handler serves with the parser of Prometheus.
func scrape(t *testing.T, handler http.Handler, accept string) map[string]*dto.MetricFamily {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	request.Header.Set("Accept", accept)
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, request)
	if got := response.Header().Get("Content-Type"); response.Code != http.StatusOK || !strings.HasPrefix(got, accept) {
		t.Fatalf("%d, %s: %s", response.Code, got, response.Body)
	}
	families := map[string]*dto.MetricFamily{}
	decoder := expfmt.NewDecoder(response.Body, expfmt.ResponseFormat(response.Header()))
	for {
		family := &dto.MetricFamily{}
		switch err := decoder.Decode(family); {
		case err == io.EOF:
			return families
		case err != nil:
			t.Fatal(err)
		case families[family.GetName()] != nil:
			t.Errorf("%s is there twice", family.GetName())
		}
		families[family.GetName()] = family
	}
}

func labels(m *dto.Metric) map[string]string {
	all := map[string]string{}
	for _, l := range m.GetLabel() {
		all[l.GetName()] = l.GetValue()
	}
	return all
}

// What the SDK's modules measure, with the names under which it is found in Prometheus.
func TestMetricsOfTheSDKHaveTheNamesOfPrometheus(t *testing.T) {
	metrics, providers := setup(t, prometheus.Config{})
	meter := providers.MeterProvider().Meter("sdk")
	for _, m := range []struct{ name, unit, kind, want string }{
		{"http.server.request.duration", "s", "histogram", "http_server_request_duration_seconds"},
		{"http.server.active_requests", "{request}", "updown", "http_server_active_requests"},
		{"http.server.request.body.size", "By", "histogram", "http_server_request_body_size_bytes"},
		{"http.client.request.duration", "s", "histogram", "http_client_request_duration_seconds"},
		{"messaging.client.consumed.messages", "{message}", "counter", "messaging_client_consumed_messages_total"},
		{"messaging.process.duration", "s", "histogram", "messaging_process_duration_seconds"},
		{"kafka.consumer.lag", "{record}", "gauge", "kafka_consumer_lag"},
		{"kafka.consumer.dead_letters", "{record}", "counter", "kafka_consumer_dead_letters_total"},
		{"resilience.breaker.state", "", "gauge", "resilience_breaker_state"},
	} {
		record(t, meter, m.name, m.unit, m.kind)
	}
	for _, accept := range []string{text, openMetrics} {
		families := scrape(t, metrics, accept)
		for _, want := range []string{
			"http_server_request_duration_seconds", "http_server_active_requests", "http_server_request_body_size_bytes",
			"http_client_request_duration_seconds", "messaging_client_consumed_messages_total", "messaging_process_duration_seconds",
			"kafka_consumer_lag", "kafka_consumer_dead_letters_total", "resilience_breaker_state",
			"target_info",
		} {
			if families[want] == nil {
				t.Errorf("%s: %s is missing", accept, want)
			}
		}
	}
}

func record(t *testing.T, meter metric.Meter, name, unit, kind string) {
	t.Helper()
	var err error
	switch kind {
	case "histogram":
		var h metric.Float64Histogram
		h, err = meter.Float64Histogram(name, metric.WithUnit(unit), metric.WithExplicitBucketBoundaries(1))
		h.Record(t.Context(), 0.2)
	case "counter":
		var c metric.Int64Counter
		c, err = meter.Int64Counter(name, metric.WithUnit(unit))
		c.Add(t.Context(), 1)
	case "updown":
		var c metric.Int64UpDownCounter
		c, err = meter.Int64UpDownCounter(name, metric.WithUnit(unit))
		c.Add(t.Context(), 1)
	case "gauge":
		var g metric.Int64Gauge
		g, err = meter.Int64Gauge(name, metric.WithUnit(unit))
		g.Record(t.Context(), 1)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestMetricsOfTheRuntimeHaveTheNamesOfPrometheus(t *testing.T) {
	metrics, err := prometheus.New(prometheus.Config{})
	if err != nil {
		t.Fatal(err)
	}
	providers, err := tracing.Setup(t.Context(), "orders", tracing.Config{MetricReaders: []sdkmetric.Reader{metrics}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = providers.Shutdown(context.Background()) })
	families := scrape(t, metrics, text)
	for _, want := range []string{"go_goroutine_count", "go_memory_used_bytes"} {
		if families[want] == nil {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestTargetInfoHasTheResource(t *testing.T) {
	metrics, _ := setup(t, prometheus.Config{})
	info := scrape(t, metrics, text)["target_info"]
	if got := labels(info.GetMetric()[0]); got["service_name"] != "orders" || got["service_version"] != "1.4.2" || got["process_pid"] == "" {
		t.Errorf("labels are %v", got)
	}
}

func TestHistogramHasTheTraceOfASampledSpanAsExemplar(t *testing.T) {
	metrics, providers := setup(t, prometheus.Config{})
	duration, err := providers.MeterProvider().Meter("test").Float64Histogram("duration", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := providers.TracerProvider().Tracer("test").Start(t.Context(), "span")
	duration.Record(ctx, 0.3)
	span.End()

	want := span.SpanContext().TraceID().String()
	histogram := scrape(t, metrics, openMetrics)["duration_seconds"].GetMetric()[0].GetHistogram()
	for _, bucket := range histogram.GetBucket() {
		for _, label := range bucket.GetExemplar().GetLabel() {
			if label.GetName() == "trace_id" && label.GetValue() == want {
				return
			}
		}
	}
	t.Errorf("no exemplar has trace %s: %v", want, histogram)
}

// Whatever the attributes are, nothing panics, what is served can be read, and the good series are there.
func TestOddMetricsCostNothingButThemselves(t *testing.T) {
	var lines bytes.Buffer
	metrics, providers := setup(t, prometheus.Config{Logger: slog.New(slog.NewTextHandler(&lines, nil))})
	meter := providers.MeterProvider().Meter("test", metric.WithInstrumentationAttributes(attribute.String("name", "x"), attribute.String("team.name", "y")))
	histogram, _ := meter.Float64Histogram("odd.histogram", metric.WithExplicitBucketBoundaries(1))
	counter, _ := meter.Float64Counter("odd.counter")
	good, _ := meter.Int64Counter("good", metric.WithDescription("one"))
	good.Add(t.Context(), 7, metric.WithAttributes(attribute.String("path", "/\"\\\n")))
	odd := []attribute.KeyValue{
		attribute.String("le", "1"), attribute.String("__name__", "x"), attribute.String("otel_scope_name", "x"),
		attribute.String("otel.scope.name", "x"), attribute.String("", "x"), attribute.String("!!!", "x"), attribute.String("1st", "x"),
		attribute.String("日本", "x"), attribute.String("x", "a\xffb"), attribute.String("\xff", "x"), attribute.String("long", strings.Repeat("x", 200)),
		attribute.StringSlice("list", []string{"a", "\xff"}), attribute.Float64("nan", math.NaN()), attribute.Bool("quantile", true), {},
	}
	for _, attr := range odd {
		histogram.Record(t.Context(), 0.1, metric.WithAttributes(attr))
		counter.Add(t.Context(), 1, metric.WithAttributes(attr))
	}
	both := metric.WithAttributes(attribute.String("a.b", "1"), attribute.String("a_b", "2"))
	counter.Add(t.Context(), 1, both)

	// One name, two types, two scopes, two descriptions.
	other := providers.MeterProvider().Meter("other", metric.WithSchemaURL("https://example.com/1"))
	gauge, _ := other.Int64Gauge("conflict")
	gauge.Record(t.Context(), 1)
	conflict, _ := meter.Float64Histogram("conflict")
	conflict.Record(t.Context(), 1)
	again, _ := other.Int64Counter("good", metric.WithDescription("another"))
	again.Add(t.Context(), 1)

	for _, accept := range []string{text, openMetrics} {
		families := scrape(t, metrics, accept)
		family := families["good_total"]
		if family == nil || len(family.GetMetric()) != 2 {
			t.Fatalf("%s: good series are %v", accept, family)
		}
		if !slices.ContainsFunc(family.GetMetric(), func(m *dto.Metric) bool {
			return m.GetCounter().GetValue() == 7 && labels(m)["path"] == "/\"\\\n"
		}) {
			t.Errorf("%s: good series are %v", accept, family)
		}
	}
	if n := strings.Count(lines.String(), "scrape of metrics is not complete"); n != 1 {
		t.Errorf("%d lines in two scrapes within a minute, want 1:\n%s", n, lines.String())
	}
}

func TestScrapesMayComeWhileMetricsAreRecorded(t *testing.T) {
	metrics, providers := setup(t, prometheus.Config{})
	counter, _ := providers.MeterProvider().Meter("test").Int64Counter("counter")
	var workers sync.WaitGroup
	for i := range 4 {
		workers.Go(func() {
			for n := range 200 {
				counter.Add(context.Background(), 1, metric.WithAttributes(attribute.Int("worker", i), attribute.Int("n", n)))
			}
		})
		workers.Go(func() {
			for range 5 {
				scrape(t, metrics, text)
			}
		})
	}
	workers.Wait()
}

func TestHandlerWithoutSetupAndAfterShutdownShowsNothing(t *testing.T) {
	unused, err := prometheus.New(prometheus.Config{})
	if err != nil {
		t.Fatal(err)
	}
	metrics, providers := setup(t, prometheus.Config{})
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, handler := range map[string]http.Handler{"unused": unused, "shut down": metrics} {
		if families := scrape(t, handler, text); len(families) != 0 {
			t.Errorf("%s: got %v", name, families)
		}
	}
}
