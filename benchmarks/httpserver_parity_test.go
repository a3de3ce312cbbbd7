package main_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// differences are all facts of a server's spans and metrics in which this SDK differs from otelhttp.
var differences = []difference{
	{
		facts: []string{"span.attribute.http.route"},
		why:   "otelhttp looks before the mux has found the route, so the span does not have it; the conventions require it where it is known",
	},
	{
		facts: []string{"*.attribute.error.type"},
		in:    []string{"status 500", "status 503", "error of the server", "panic", "panic after the first byte", "abort"},
		why:   "otelhttp has none; the conventions require it of a failed request, and the code of the error is of a small set",
	},
	{
		facts: []string{"span.status.description"},
		in:    []string{"error of the server", "panic", "panic after the first byte"},
		why:   "otelhttp knows no error, this SDK has its redacted text",
	},
	{
		facts: []string{"span.name", "span.status", "metric.*"},
		in:    panics,
		why:   "a panic passes otelhttp by: no route, no status, and no sample in any metric; here it is counted as what the client gets",
	},
	{
		facts: []string{"span.attribute.http.response.status_code"},
		in:    []string{"panic", "panic after the first byte", "abort"},
		why:   "see above",
	},
	{
		facts: []string{"span.event.0"},
		in:    panics,
		why:   "OpenTelemetry's SDK notes a panic that passes it as an event, with its value as it is; here it is answered, and its stack is in the log line that has the trace id",
	},
	{
		facts: []string{"span.attribute.http.response.body.size", "metric.http.server.response.body.size.sum"},
		in:    []string{"no route", "no such method", "lower-case method", "panic"},
		why:   "the body is a problem document instead of the mux's text, or none",
	},
	{
		facts: []string{"span.attribute.http.response.body.size"},
		in:    []string{"panic after the first byte"},
		why:   "what was sent before a panic was sent",
	},
	{
		facts: []string{"*.attribute.http.response.status_code"},
		in:    []string{"hijack"},
		why:   "what a hijacked connection answered is not known, and is rarely 200: a switch of protocols is what it is for",
	},
	{
		facts: []string{"metric.http.server.active_requests.*"},
		why:   "otelhttp does not have this metric of the conventions",
	},
	{
		facts: []string{"metric.*.attribute.server.address", "metric.*.attribute.server.port"},
		why:   "from the Host of the request, by which a caller could make any number of series: the conventions have them as opt-in, with a warning",
	},
	{
		facts: []string{"metric.*.attribute.network.protocol.name"},
		why:   "always http, in which case the conventions leave it out",
	},
	{
		facts: []string{"*.attribute.network.protocol.version"},
		in:    []string{"HTTP/2 over TLS", "POST over HTTP/2", "stream over HTTP/2"},
		why:   "the conventions name 2 as the version of HTTP/2, otelhttp says 2.0",
	},
	{
		facts: []string{"metric.http.server.request.body.size.buckets", "metric.http.server.response.body.size.buckets"},
		why:   "the conventions advise none; the defaults of the SDK of OpenTelemetry, which otelhttp takes, are milliseconds and end at 10 kB",
	},
	{
		facts: []string{"metric.http.server.request.body.size.sum", "span.attribute.http.request.body.size"},
		in:    []string{"POST not read"},
		why:   "otelhttp counts what the handler read, this SDK tells the Content-Length, which is what was sent; without one it counts, too",
	},
	{
		facts: []string{"*.attribute.http.request.method", "span.name"},
		in:    []string{"lower-case method"},
		why:   "methods are case-sensitive (RFC 9110, section 9.1), so get is not GET, which net/http and the conventions agree on",
	},
	{
		facts: []string{"span.attribute.client.address"},
		in:    []string{"proxy"},
		why:   "a caller can write into X-Forwarded-For what it likes, so it is not believed",
	},
	{
		facts: []string{"span.attribute.url.query"},
		in:    []string{"query"},
		why:   "otelhttp leaves it out; the conventions require it, and values that look secret are redacted",
	},
	{
		facts: []string{"span.attribute.server.port"},
		in:    []string{"host without port", "HTTP/1.0"},
		why:   "where the Host names no port, it is the scheme's, which the conventions want with server.address; otelhttp leaves it out",
	},
}

var panics = []string{"panic", "panic after the first byte", "abort"}

// A scenario is what one client does to one server.
type scenario struct {
	name    string
	http2   bool
	public  bool
	request func(ctx context.Context, url string) (*http.Request, error)
	raw     string // sent as it is, instead of a request
}

func get(path string, header ...string) func(context.Context, string) (*http.Request, error) {
	return call(http.MethodGet, path, nil, header...)
}

func call(method, path string, body func() io.Reader, header ...string) func(context.Context, string) (*http.Request, error) {
	return func(ctx context.Context, url string) (*http.Request, error) {
		var b io.Reader
		if body != nil {
			b = body()
		}
		r, err := http.NewRequestWithContext(ctx, method, url+path, b)
		if err != nil {
			return nil, err
		}
		r.Header.Set("User-Agent", "parity/1")
		for i := 0; i < len(header); i += 2 {
			if header[i] == "Host" {
				r.Host = header[i+1]
				continue
			}
			r.Header.Set(header[i], header[i+1])
		}
		return r, nil
	}
}

func known() io.Reader   { return strings.NewReader(`{"sku":"17"}`) }
func unknown() io.Reader { return io.MultiReader(strings.NewReader(`{"sku":"17"}`)) } // sent in chunks

var scenarios = []scenario{
	{name: "GET", request: get("/stock/17")},
	{name: "query", request: get("/stock/17?page=2&token=hunter2")},
	{name: "HTTP/2 over TLS", http2: true, request: get("/stock/17")},
	{name: "HTTP/1.0", raw: "GET /stock/17 HTTP/1.0\r\nHost: inventory.example.com\r\nUser-Agent: parity/1\r\n\r\n"},
	{name: "HEAD", request: call(http.MethodHead, "/stock/17", nil)},
	{name: "no user agent", request: get("/stock/17", "User-Agent", "")},
	{name: "host without port", request: get("/stock/17", "Host", "inventory.example.com")},
	{name: "host of IPv6", request: get("/stock/17", "Host", "[2001:db8::1]:8080")},
	{name: "proxy", request: get("/stock/17", "X-Forwarded-For", "203.0.113.9, 10.0.0.1")},
	{name: "caller's trace", request: get("/stock/17", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")},
	{name: "caller's trace, public", public: true, request: get("/stock/17", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")},
	{name: "POST", request: call(http.MethodPost, "/stock", known)},
	{name: "POST in chunks", request: call(http.MethodPost, "/stock", unknown)},
	{name: "POST not read", request: call(http.MethodPost, "/unread", known)},
	{name: "POST over HTTP/2", http2: true, request: call(http.MethodPost, "/stock", unknown)},
	{name: "unknown method", request: call("BREW", "/pot", nil)},
	{name: "lower-case method", request: call("get", "/stock/17", nil)},
	{name: "no route", request: get("/nowhere")},
	{name: "no such method", request: call(http.MethodDelete, "/stock/17", nil)},
	{name: "status 404", request: get("/status/404")},
	{name: "status 500", request: get("/status/500")},
	{name: "status 503", request: get("/status/503")},
	{name: "error of the caller", request: get("/error/caller")},
	{name: "error of the server", request: get("/error/server")},
	{name: "says nothing", request: get("/nothing")},
	{name: "early hints", request: get("/hints")},
	{name: "stream", request: get("/stream")},
	{name: "stream over HTTP/2", http2: true, request: get("/stream")},
	{name: "hijack", request: get("/hijack")},
	{name: "panic", request: get("/panic")},
	{name: "panic after the first byte", request: get("/panic/late")},
	{name: "abort", request: get("/abort")},
}

// shop has the same handlers for both.
func shop() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stock/{sku}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"left":3}`) })
	mux.HandleFunc("POST /stock", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("POST /unread", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("BREW /pot", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	mux.HandleFunc("GET /status/{status}", func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscan(r.PathValue("status"), &status)
		w.WriteHeader(status)
	})
	mux.Handle("GET /error/caller", httpserver.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return errors.NotFound.New("There is no such SKU.")
	}))
	mux.Handle("GET /error/server", httpserver.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return errors.Internal.Wrap(io.ErrUnexpectedEOF, "")
	}))
	mux.HandleFunc("GET /nothing", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /hints", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "data: 17\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("GET /hijack", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: bell\r\n\r\n")
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
	mux.HandleFunc("GET /panic/late", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("boom")
	})
	mux.HandleFunc("GET /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	return mux
}

// recorded keeps what a server reports.
type recorded struct {
	spans   *tracetest.SpanRecorder
	reader  *sdkmetric.ManualReader
	tracer  *sdktrace.TracerProvider
	meter   *sdkmetric.MeterProvider
	propage propagation.TextMapPropagator
}

func newRecorded() *recorded {
	r := &recorded{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader(), propage: propagation.TraceContext{}}
	r.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r.spans))
	r.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader))
	return r
}

func ours(t *testing.T, r *recorded, s scenario) http.Handler {
	h, err := httpserver.NewHandler(shop(), httpserver.Config{
		Logger: slog.New(slog.DiscardHandler), Public: s.public,
		TracerProvider: r.tracer, MeterProvider: r.meter, Propagator: r.propage,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func theirs(_ *testing.T, r *recorded, s scenario) http.Handler {
	return otelhttp.NewHandler(shop(), "shop",
		otelhttp.WithTracerProvider(r.tracer), otelhttp.WithMeterProvider(r.meter), otelhttp.WithPropagators(r.propage),
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return s.public }))
}

// observe lets one server meet the scenario and returns the facts that it reports.
func observe(t *testing.T, s scenario, newHandler func(*testing.T, *recorded, scenario) http.Handler) map[string]string {
	t.Helper()
	r := newRecorded()
	handler, served := newHandler(t, r, s), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		handler.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.EnableHTTP2 = s.http2
	if s.http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	if s.raw != "" {
		sendRaw(t, server.Listener.Addr().String(), s.raw)
	} else {
		send(t, server, s)
	}
	<-served
	server.Close()
	replace := strings.NewReplacer(server.Listener.Addr().(*net.TCPAddr).AddrPort().String(), "SERVER",
		fmt.Sprint(server.Listener.Addr().(*net.TCPAddr).Port), "PORT")
	facts := spanFacts(t, r)
	maps.Copy(facts, metricFacts(t, r))
	for fact, value := range facts {
		facts[fact] = replace.Replace(value)
	}
	return facts
}

func send(t *testing.T, server *httptest.Server, s scenario) {
	t.Helper()
	request, err := s.request(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Transport.RoundTrip(request)
	if err != nil {
		return // what the client sees of a panic is no fact of telemetry
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

func sendRaw(t *testing.T, address, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, conn)
}

func spanFacts(t *testing.T, r *recorded) map[string]string {
	t.Helper()
	ended := r.spans.Ended()
	if len(ended) != 1 || len(r.spans.Started()) != 1 {
		t.Fatalf("%d spans were started, %d ended, want 1", len(r.spans.Started()), len(ended))
	}
	span := ended[0]
	facts := map[string]string{
		"span.name":               span.Name(),
		"span.kind":               span.SpanKind().String(),
		"span.status":             span.Status().Code.String(),
		"span.status.description": span.Status().Description,
		"span.parent":             span.Parent().TraceID().String(),
		"span.parent.remote":      fmt.Sprint(span.Parent().IsRemote()),
	}
	for i, link := range span.Links() {
		facts[fmt.Sprintf("span.link.%d", i)] = link.SpanContext.TraceID().String()
	}
	for i, event := range span.Events() {
		facts[fmt.Sprintf("span.event.%d", i)] = event.Name
	}
	for _, kv := range span.Attributes() {
		value := kv.Value.String()
		if kv.Key == "network.peer.port" {
			value = "any"
		}
		facts["span.attribute."+string(kv.Key)] = kv.Value.Type().String() + " " + value
	}
	return facts
}

func metricFacts(t *testing.T, r *recorded) map[string]string {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	facts := make(map[string]string)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if !strings.HasPrefix(m.Name, "http.") {
				continue // retries and breakers, of which otelhttp knows nothing
			}
			prefix := "metric." + m.Name
			facts[prefix+".unit"], facts[prefix+".description"] = m.Unit, m.Description
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				histogramFacts(facts, prefix, data)
				delete(facts, prefix+".sum") // time
			case metricdata.Histogram[int64]:
				histogramFacts(facts, prefix, data)
			case metricdata.Sum[int64]:
				facts[prefix+".type"] = fmt.Sprintf("sum, monotonic %v", data.IsMonotonic)
				facts[prefix+".points"] = fmt.Sprint(len(data.DataPoints))
				for _, point := range data.DataPoints {
					facts[prefix+".sum"] = fmt.Sprint(point.Value)
					attributeFacts(facts, prefix, point.Attributes)
				}
			default:
				t.Fatalf("%s is a %T", m.Name, data)
			}
		}
	}
	return facts
}

func histogramFacts[N int64 | float64](facts map[string]string, prefix string, data metricdata.Histogram[N]) {
	facts[prefix+".type"] = "histogram"
	facts[prefix+".points"] = fmt.Sprint(len(data.DataPoints))
	for _, point := range data.DataPoints {
		facts[prefix+".count"] = fmt.Sprint(point.Count)
		facts[prefix+".sum"] = fmt.Sprint(point.Sum)
		facts[prefix+".buckets"] = fmt.Sprint(point.Bounds)
		facts[prefix+".exemplars"] = fmt.Sprint(len(point.Exemplars))
		attributeFacts(facts, prefix, point.Attributes)
	}
}

func attributeFacts(facts map[string]string, prefix string, set attribute.Set) {
	for _, kv := range set.ToSlice() {
		facts[prefix+".attribute."+string(kv.Key)] = kv.Value.Type().String() + " " + kv.Value.String()
	}
}

func TestServerTelemetryIsThatOfOtelhttp(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // what a HandlerFunc without an access log writes to
	judge := newJudge(t, differences)
	for _, s := range scenarios {
		judge.compare(s.name, observe(t, s, ours), observe(t, s, theirs))
	}
	judge.finish()
}
