package httpserver_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/internal/locked"
	"github.com/backend-platform/sdk/internal/memnet"
)

type dropSpans struct{}

func (dropSpans) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (dropSpans) Shutdown(context.Context) error                             { return nil }

func jsonRequest(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// logs keeps what is logged, as lines of JSON.
type logs struct{ locked.Buffer }

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// lines returns the lines with a message that starts with prefix.
func (l *logs) lines(t *testing.T, prefix string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(l.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if message, _ := entry["msg"].(string); strings.HasPrefix(message, prefix) {
			found = append(found, entry)
		}
	}
	return found
}

// line returns the only line with such a message.
func (l *logs) line(t *testing.T, prefix string) map[string]any {
	t.Helper()
	lines := l.lines(t, prefix)
	if len(lines) != 1 {
		t.Fatalf("%d log lines start with %q, want 1:\n%s", len(lines), prefix, l)
	}
	return lines[0]
}

// observed is a handler inside the whole middleware, with all that can be seen of it.
type observed struct {
	http.Handler
	logs    *logs
	spans   *tracetest.SpanRecorder
	metrics *sdkmetric.ManualReader
}

func observe(t *testing.T, next http.Handler, cfg httpserver.Config) observed {
	t.Helper()
	o := observed{logs: new(logs), spans: tracetest.NewSpanRecorder(), metrics: sdkmetric.NewManualReader()}
	cfg.Logger = o.logs.logger()
	cfg.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(o.spans))
	cfg.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.metrics))
	cfg.Propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	handler, err := httpserver.NewHandler(next, cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.Handler = handler
	return o
}

func (o observed) call(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	return w
}

func (o observed) get(target string) *httptest.ResponseRecorder {
	return o.call(httptest.NewRequest(http.MethodGet, target, nil))
}

// span returns the only span that has ended.
func (o observed) span(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	ended := o.spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans have ended, want 1", len(ended))
	}
	return ended[0]
}

func attrsOf(kvs []attribute.KeyValue) map[string]any {
	m := make(map[string]any)
	for _, kv := range kvs {
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}

// metric returns the data of one metric.
func (o observed) metric(t *testing.T, name string) metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := o.metrics.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				return m
			}
		}
	}
	t.Fatalf("no metric %s", name)
	return metricdata.Metrics{}
}

// failing is a handler that returns err.
func failing(err error) http.Handler {
	return httpserver.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return err })
}

// problemOf decodes a problem document without any knowledge of package errors.
func problemOf(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q, want application/problem+json; body %s", got, w.Body)
	}
	var p map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	if p["status"] != float64(w.Code) {
		t.Errorf("member status = %v, but the status is %d", p["status"], w.Code)
	}
	return p
}

// clientOf returns a client of l, with a pool of its own.
func clientOf(t *testing.T, l *memnet.Listener) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: l.Dial, MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// errorHandler is a slog.Handler that keeps the last error it was given.
type errorHandler struct{ seen *error }

func (h *errorHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *errorHandler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			*h.seen = err
		}
		return true
	})
	return nil
}

func (h *errorHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *errorHandler) WithGroup(string) slog.Handler      { return h }

func sha256Base64(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// samples returns how many durations were recorded.
func (o observed) samples(t *testing.T) (n uint64) {
	t.Helper()
	for _, point := range o.metric(t, "http.server.request.duration").Data.(metricdata.Histogram[float64]).DataPoints {
		n += point.Count
	}
	return n
}
