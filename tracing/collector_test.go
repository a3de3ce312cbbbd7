package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"github.com/backend-platform/sdk/tracing"
)

// traceSpans ends n spans.
func traceSpans(p *tracing.Providers, n int) {
	tracer := p.TracerProvider().Tracer("test")
	for range n {
		_, span := tracer.Start(context.Background(), "span")
		span.End()
	}
}

// emit emits a log record.
func emit(p *tracing.Providers, body string) {
	var record log.Record
	record.SetBody(attribute.StringValue(body))
	record.SetSeverity(log.SeverityInfo)
	p.LoggerProvider().Logger("test").Emit(context.Background(), record)
}

// quietly is a Config that logs nothing and whose shutdown is soon over.
func quietly(bound time.Duration) tracing.Config {
	return tracing.Config{Logger: slog.New(slog.DiscardHandler), ShutdownTimeout: bound}
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func TestSpansMetricsAndLogsReachTheCollector(t *testing.T) {
	for _, protocol := range protocols {
		for _, compression := range []string{"none", "gzip"} {
			t.Run(protocol+" "+compression, func(t *testing.T) {
				c := newCollector(t, protocol, nil)
				providers := setup(t, c.env(
					"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b%2Cc, x-team = platform ",
					"OTEL_EXPORTER_OTLP_COMPRESSION", compression,
				), quietly(time.Minute))
				traceSpans(providers, 3)
				emit(providers, "order placed")
				counter, err := providers.MeterProvider().Meter("test").Int64Counter("orders.placed")
				if err != nil {
					t.Fatal(err)
				}
				counter.Add(t.Context(), 1)
				if err := providers.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(c.spans) != 3 || !slices.Equal(c.logs, []string{"order placed"}) {
					t.Errorf("got %d spans and logs %v", len(c.spans), c.logs)
				}
				for _, want := range []string{"orders.placed", "sdk.tracing.spans.lost", "sdk.tracing.log_records.lost", "go.goroutine.count"} {
					if !slices.Contains(c.metrics, want) {
						t.Errorf("%s is missing in %v", want, c.metrics)
					}
				}
				if len(c.headers) != 3 {
					t.Errorf("%d requests, want 3", len(c.headers))
				}
				for _, h := range c.headers {
					if h.Get("Api-Key") != "a b,c" || h.Get("X-Team") != "platform" {
						t.Errorf("headers are %v", h)
					}
				}
			})
		}
	}
}

func TestSetupDoesNotDial(t *testing.T) {
	for _, protocol := range protocols {
		c := newCollector(t, protocol, nil)
		providers := setup(t, c.tracesOnly(), quietly(time.Minute))
		if err := providers.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.requests > 0 {
			t.Errorf("%s: %d requests without a span", protocol, c.requests)
		}
	}
}

func TestExportIsRetriedUntilTheCollectorIsBack(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			c := newCollector(t, protocol, func(n int) answer {
				if n == 1 {
					return answer{code: codes.Unavailable}
				}
				return answer{}
			})
			providers := setup(t, c.tracesOnly(), quietly(time.Minute))
			traceSpans(providers, 1)
			if err := providers.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if c.requests != 2 || len(c.spans) != 1 {
				t.Errorf("%d requests and %d spans, want 2 and 1", c.requests, len(c.spans))
			}
		})
	}
}

// Nobody listens at first: the export goes on until somebody does.
func TestExportIsRetriedWhereTheConnectionIsRefused(t *testing.T) {
	address := refusing(t)
	c := &collector{protocol: "grpc", endpoint: "http://" + address}
	var lines bytes.Buffer
	providers := setup(t, c.tracesOnly(), tracing.Config{Logger: textLogger(&lines), ShutdownTimeout: time.Minute})
	traceSpans(providers, 1)
	flushed := make(chan error)
	go func() { flushed <- providers.ForceFlush(context.Background()) }()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.serve(listener))
	if err := <-flushed; err != nil || len(c.names()) != 1 {
		t.Errorf("got %v and %d spans", err, len(c.names()))
	}
}

// refusing returns an address where nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func TestShutdownReturnsWhatWasLost(t *testing.T) {
	for _, protocol := range protocols {
		for name, c := range map[string]struct {
			answer answer
			refuse bool
			want   string
		}{
			"refuses":                      {refuse: true, want: "stopped before everything was exported"},
			"hangs":                        {answer: answer{hang: true}, want: "stopped before everything was exported"},
			"is unavailable":               {answer: answer{code: codes.Unavailable}, want: "stopped before everything was exported"},
			"asks to come back in an hour": {answer: answer{code: codes.ResourceExhausted, after: time.Hour}, want: "stopped before everything was exported"},
			"does not know the key":        {answer: answer{code: codes.Unauthenticated, text: "token=hush is unknown"}, want: "token=REDACTED is unknown"},
		} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				collector := newCollector(t, protocol, func(int) answer { return c.answer })
				if c.refuse {
					collector.endpoint = "http://" + refusing(t)
				}
				bound := 100 * time.Millisecond
				if c.answer.code == codes.Unauthenticated { // which is not tried again
					bound = time.Minute
				}
				providers := setup(t, collector.tracesOnly(), quietly(bound))
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
}

// A collector may repeat the key that it does not know, in no form that tells a secret.
func TestKeyThatTheCollectorRepeatsIsNotTold(t *testing.T) {
	for _, protocol := range protocols {
		for _, value := range []string{"hush-hush-hush", "ApiKey hush-hush-hush"} {
			c := newCollector(t, protocol, func(int) answer {
				return answer{code: codes.Unauthenticated, text: "nobody knows hush-hush-hush here"}
			})
			var lines strings.Builder
			env := c.tracesOnly()
			env["OTEL_EXPORTER_OTLP_HEADERS"] = "x-collector=" + url.PathEscape(value) + ",x-tenant=here"
			providers := setup(t, env, tracing.Config{Logger: textLogger(&lines)})
			traceSpans(providers, 1)
			err := providers.Shutdown(t.Context())
			if all := fmt.Sprintf("%+v %s", errors.Unwrap(err), &lines); strings.Contains(all, "hush") || strings.Count(all, "nobody knows REDACTED here") != 2 {
				t.Errorf("%s: %s", protocol, all)
			}
			if got := c.headers[0].Get("X-Collector"); got != value {
				t.Errorf("%s: the collector got %q", protocol, got)
			}
		}
	}
}

func TestAddressMayHaveAZone(t *testing.T) {
	for _, protocol := range protocols {
		c := &collector{protocol: protocol, endpoint: "http://[fe80::1%25lo]:1"}
		providers := setup(t, c.tracesOnly(), quietly(time.Nanosecond))
		if err := providers.Shutdown(t.Context()); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

// A redirect is not followed: the headers, which hold the collector's key, would go to wherever it leads.
func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := newCollector(t, "http/protobuf", nil)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.endpoint+"/v1/traces", http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	c := &collector{protocol: "http/protobuf", endpoint: server.URL}
	providers := setup(t, c.tracesOnly(), quietly(time.Minute))
	traceSpans(providers, 1)
	if err := providers.Shutdown(t.Context()); err == nil || !strings.Contains(err.Error(), "307 Temporary Redirect") || elsewhere.requests > 0 {
		t.Errorf("%d requests elsewhere, %v", elsewhere.requests, err)
	}
}

func TestShutdownReturnsWhatTheCollectorRejectedOfABatch(t *testing.T) {
	for _, protocol := range protocols {
		for _, c := range []struct {
			answer answer
			want   int64
		}{
			{answer{rejected: 3, text: "too old"}, 3},
			{answer{rejected: 1000}, 10},
			{answer{rejected: -1}, 0},
			{answer{text: "a warning"}, 0},
		} {
			var lines bytes.Buffer
			collector := newCollector(t, protocol, func(int) answer { return c.answer })
			providers := setup(t, collector.tracesOnly(), tracing.Config{Logger: textLogger(&lines)})
			traceSpans(providers, 10)
			err := providers.Shutdown(context.Background())
			var lost int64
			if loss, ok := errors.AsType[*tracing.LossError](err); ok {
				lost = loss.Spans
			} else if err != nil {
				t.Error(err)
			}
			if lost != c.want {
				t.Errorf("%s, %+v: %d spans are lost, want %d", protocol, c.answer, lost, c.want)
			}
			if !strings.Contains(lines.String(), c.answer.text) {
				t.Errorf("%s, %+v: the log lacks it: %s", protocol, c.answer, lines.String())
			}
		}
	}
}

func TestShutdownReturnsTheFailedExportsOfMetricsAndTheLogRecords(t *testing.T) {
	for _, protocol := range protocols {
		c := newCollector(t, protocol, func(int) answer { return answer{code: codes.InvalidArgument} })
		providers := setup(t, c.env("OTEL_TRACES_EXPORTER", "none"), quietly(time.Minute))
		emit(providers, "one")
		emit(providers, "two")
		err := providers.Shutdown(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "telemetry lost: 1 export of metrics, 2 log records: export of logs by otlp: ") {
			t.Errorf("%s: got %v", protocol, err)
		}
	}
}

func TestForceFlushExportsAndReturnsWhatIsLostMeanwhile(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			c := newCollector(t, protocol, func(n int) answer {
				if n == 2 {
					return answer{code: codes.InvalidArgument}
				}
				return answer{}
			})
			providers := setup(t, c.tracesOnly(), quietly(time.Minute))
			for i, want := range []int64{0, 2, 0} {
				traceSpans(providers, 2)
				err := providers.ForceFlush(t.Context())
				var lost int64
				if loss, ok := errors.AsType[*tracing.LossError](err); ok {
					lost = loss.Spans
				}
				if lost != want || (err == nil) != (want == 0) {
					t.Errorf("flush %d: got %v, want %d lost", i+1, err, want)
				}
			}
			if n := len(c.names()); n != 4 {
				t.Errorf("%d spans have arrived, want 4", n)
			}
		})
	}
}

func TestForceFlushEndsWithItsContext(t *testing.T) {
	c := newCollector(t, "grpc", func(int) answer { return answer{hang: true} })
	providers := setup(t, c.tracesOnly(), quietly(-1))
	traceSpans(providers, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := providers.ForceFlush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	for _, protocol := range protocols {
		c := newCollector(t, protocol, func(int) answer { return answer{hang: true} })
		providers := setup(t, c.tracesOnly(), quietly(-1))
		traceSpans(providers, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := providers.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", protocol, err, context.Canceled)
		}
	}
}

func TestConcurrentShutdownsReturnTheSame(t *testing.T) {
	c := newCollector(t, "http/protobuf", func(int) answer { return answer{code: codes.InvalidArgument} })
	providers := setup(t, c.tracesOnly(), quietly(time.Minute))
	traceSpans(providers, 5)
	results := make(chan error, 8)
	for range cap(results) {
		go func() { results <- providers.Shutdown(context.Background()) }()
	}
	first := <-results
	if first == nil {
		t.Error("no error")
	}
	for range cap(results) - 1 {
		if err := <-results; err != first {
			t.Errorf("got %v and %v", first, err)
		}
	}
}

func TestSetupTwiceMakesProvidersThatKnowNothingOfEachOther(t *testing.T) {
	one, other := newCollector(t, "http/protobuf", nil), newCollector(t, "grpc", nil)
	first := setup(t, one.tracesOnly(), quietly(time.Minute))
	second := setup(t, other.tracesOnly(), quietly(time.Minute))
	traceSpans(first, 1)
	traceSpans(second, 2)
	if err := errors.Join(first.Shutdown(t.Context()), second.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
	if len(one.spans) != 1 || len(other.spans) != 2 {
		t.Errorf("%d and %d spans, want 1 and 2", len(one.spans), len(other.spans))
	}
}

func TestConsoleWritesSpansMetricsAndLogs(t *testing.T) {
	var console bytes.Buffer
	providers := setup(t, map[string]string{
		"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "console", "OTEL_LOGS_EXPORTER": "console",
	}, tracing.Config{Console: &console, NoRuntimeMetrics: true})
	traceSpans(providers, 1)
	emit(providers, "order placed")
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Name":"span"`, `"Name":"sdk.tracing.spans.lost"`, `order placed`} {
		if !strings.Contains(console.String(), want) {
			t.Errorf("%s is missing in %s", want, console.String())
		}
	}
	if strings.Contains(console.String(), "go.goroutine.count") {
		t.Error("there are runtime metrics")
	}
}

func TestContextOfTheCallerIsContinued(t *testing.T) {
	for propagators, carrier := range map[string]mapCarrier{
		"":                {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		"b3":              {"b3": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"},
		"tracecontext,b3": {"x-b3-traceid": "4bf92f3577b34da6a3ce929d0e0e4736", "x-b3-spanid": "00f067aa0ba902b7", "x-b3-sampled": "1"},
	} {
		providers := setup(t, map[string]string{"OTEL_PROPAGATORS": propagators}, tracing.Config{})
		ctx := providers.Propagator().Extract(t.Context(), carrier)
		_, span := providers.TracerProvider().Tracer("test").Start(ctx, "span", trace.WithAttributes(attribute.Bool("ok", true)))
		if got := span.SpanContext().TraceID().String(); got != "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("%s: trace id is %s", propagators, got)
		}
		span.End()
	}
}

type mapCarrier map[string]string

func (c mapCarrier) Get(key string) string { return c[key] }
func (c mapCarrier) Set(key, value string) { c[key] = value }
func (c mapCarrier) Keys() []string        { return nil }
