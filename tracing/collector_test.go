package tracing_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/backend-platform/sdk/tracing"
)

// A collector is a stand-in for one: it decodes what it gets over real HTTP.
type collector struct {
	*httptest.Server

	mu      sync.Mutex
	spans   []string
	metrics []string
	headers []http.Header
	answer  func(w http.ResponseWriter, r *http.Request, n int) // of the n-th request; nil: 200
}

func newCollector(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *collector {
	c := &collector{answer: answer}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		content, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		c.headers = append(c.headers, r.Header.Clone())
		n := len(c.headers)
		c.mu.Unlock()
		if c.answer != nil {
			c.answer(w, r, n)
			return
		}
		c.decode(t, r.URL.Path, content)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) decode(t *testing.T, path string, content []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch path {
	case "/v1/traces":
		var request tracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(content, &request); err != nil {
			t.Error(err)
		}
		for _, r := range request.GetResourceSpans() {
			for _, s := range r.GetScopeSpans() {
				for _, span := range s.GetSpans() {
					c.spans = append(c.spans, span.GetName())
				}
			}
		}
	case "/v1/metrics":
		var request metricspb.ExportMetricsServiceRequest
		if err := proto.Unmarshal(content, &request); err != nil {
			t.Error(err)
		}
		for _, r := range request.GetResourceMetrics() {
			for _, s := range r.GetScopeMetrics() {
				for _, m := range s.GetMetrics() {
					c.metrics = append(c.metrics, m.GetName())
				}
			}
		}
	default:
		t.Errorf("request for %s", path)
	}
}

// traceSpans ends n spans.
func traceSpans(p *tracing.Providers, n int) {
	tracer := p.TracerProvider().Tracer("test")
	for range n {
		_, span := tracer.Start(context.Background(), "span")
		span.End()
	}
}

// tracesTo are the variables that send traces, and only traces, to a collector.
func tracesTo(url string) map[string]string {
	return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_METRICS_EXPORTER": "none"}
}

// quietly is a Config that logs nothing and whose shutdown is soon over.
func quietly(bound time.Duration) tracing.Config {
	return tracing.Config{Logger: slog.New(slog.DiscardHandler), ShutdownTimeout: bound}
}

func TestSpansAndMetricsReachTheCollector(t *testing.T) {
	for _, compression := range []string{"none", "gzip"} {
		t.Run(compression, func(t *testing.T) {
			c := newCollector(t, nil)
			providers := setup(t, map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT":    c.URL,
				"OTEL_EXPORTER_OTLP_HEADERS":     "api-key=a%20b%2Cc, x-team = platform ",
				"OTEL_EXPORTER_OTLP_COMPRESSION": compression,
			}, quietly(time.Minute))
			traceSpans(providers, 3)
			counter, err := providers.MeterProvider().Meter("test").Int64Counter("orders.placed")
			if err != nil {
				t.Fatal(err)
			}
			counter.Add(t.Context(), 1)
			if err := providers.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(c.spans) != 3 {
				t.Errorf("got spans %v, want 3", c.spans)
			}
			metrics := strings.Join(c.metrics, " ")
			for _, want := range []string{"orders.placed", "sdk.tracing.spans.lost", "go.goroutine.count"} {
				if !strings.Contains(metrics, want) {
					t.Errorf("%s is missing in %s", want, metrics)
				}
			}
			for _, h := range c.headers {
				if h.Get("Api-Key") != "a b,c" || h.Get("X-Team") != "platform" {
					t.Errorf("headers are %v", h)
				}
			}
		})
	}
}

func TestSetupDoesNotDial(t *testing.T) {
	c := newCollector(t, nil)
	providers := setup(t, tracesTo(c.URL), quietly(time.Minute))
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.headers) > 0 {
		t.Errorf("%d requests without a span", len(c.headers))
	}
}

func TestExportIsRetriedUntilTheCollectorIsBack(t *testing.T) {
	c := newCollector(t, nil)
	c.answer = func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	providers := setup(t, tracesTo(c.URL), quietly(time.Minute))
	traceSpans(providers, 1)
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.headers) != 2 {
		t.Errorf("%d requests, want 2", len(c.headers))
	}
}

func TestShutdownReturnsWhatWasLost(t *testing.T) {
	refuses, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = refuses.Close()
	for name, c := range map[string]struct {
		url  func(*testing.T) string
		want string
	}{
		"refuses": {func(*testing.T) string { return "http://" + refuses.Addr().String() }, "stopped before everything was exported"},
		"hangs": {func(t *testing.T) string {
			return newCollector(t, func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }).URL
		}, "stopped before everything was exported"},
		"answers 503": {func(t *testing.T) string {
			return newCollector(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(503) }).URL
		}, "stopped before everything was exported"},
		"asks to come back in an hour": {func(t *testing.T) string {
			return newCollector(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(429)
			}).URL
		}, "stopped before everything was exported"},
		"answers 401": {func(t *testing.T) string {
			return newCollector(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.WriteHeader(401)
				_, _ = io.WriteString(w, "token=hush is unknown")
			}).URL
		}, "401 Unauthorized (body: token=REDACTED is unknown)"},
		"redirects": {func(t *testing.T) string {
			return newCollector(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			}).URL
		}, "307 Temporary Redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			providers := setup(t, tracesTo(c.url(t)), quietly(100*time.Millisecond))
			traceSpans(providers, 1000)
			err := providers.Shutdown(context.Background())
			loss, ok := errors.AsType[*tracing.LossError](err)
			if !ok {
				t.Fatalf("got %v, want a LossError", err)
			}
			if loss.Spans != 1000 {
				t.Errorf("%d spans are lost, want 1000", loss.Spans)
			}
			if !strings.HasPrefix(err.Error(), "telemetry lost: 1000 spans: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if again := providers.Shutdown(context.Background()); again != err {
				t.Errorf("the second shutdown returns %v", again)
			}
		})
	}
}

func TestShutdownReturnsTheFailedExportsOfMetrics(t *testing.T) {
	c := newCollector(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusBadRequest) })
	providers := setup(t, map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": c.URL}, quietly(time.Minute))
	err := providers.Shutdown(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "telemetry lost: 1 export of metrics: export of metrics by otlp: ") {
		t.Errorf("got %v", err)
	}
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	c := newCollector(t, func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() })
	providers := setup(t, tracesTo(c.URL), quietly(-1))
	traceSpans(providers, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := providers.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestConsoleWritesSpansAndMetrics(t *testing.T) {
	var console bytes.Buffer
	providers := setup(t, map[string]string{"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "console"},
		tracing.Config{Console: &console, NoRuntimeMetrics: true})
	traceSpans(providers, 1)
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Name":"span"`, `"Name":"sdk.tracing.spans.lost"`} {
		if !strings.Contains(console.String(), want) {
			t.Errorf("%s is missing in %s", want, console.String())
		}
	}
	if strings.Contains(console.String(), "go.goroutine.count") {
		t.Error("there are runtime metrics")
	}
}

func TestContextOfTheCallerIsContinued(t *testing.T) {
	providers := setup(t, nil, tracing.Config{})
	ctx := providers.Propagator().Extract(t.Context(), mapCarrier{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
	_, span := providers.TracerProvider().Tracer("test").Start(ctx, "span", trace.WithAttributes(attribute.Bool("ok", true)))
	defer span.End()
	if got := span.SpanContext().TraceID().String(); got != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("trace id is %s", got)
	}
}

type mapCarrier map[string]string

func (c mapCarrier) Get(key string) string { return c[key] }
func (c mapCarrier) Set(key, value string) { c[key] = value }
func (c mapCarrier) Keys() []string        { return nil }
