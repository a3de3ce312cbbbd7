package httpserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent  = "00-" + callersTrace + "-00f067aa0ba902b7-01"
)

func ordersMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("POST /orders/{id}", httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		_, _ = io.Copy(io.Discard, r.Body)
		return httpserver.WriteJSON(w, http.StatusCreated, r.PathValue("id"))
	}))
	mux.Handle("GET example.com/plain/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	}))
	return mux
}

func TestServerSpan(t *testing.T) {
	o := observe(t, ordersMux(), httpserver.Config{})
	r := httptest.NewRequest(http.MethodPost, "/orders/17?token=hunter2&page=2", strings.NewReader("0123456789"))
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("User-Agent", "test/1")
	o.call(r)

	span := o.span(t)
	if span.Name() != "POST /orders/{id}" || span.SpanKind() != trace.SpanKindServer {
		t.Errorf("span = %q %v", span.Name(), span.SpanKind())
	}
	if span.Parent().TraceID().String() != callersTrace || !span.Parent().IsRemote() {
		t.Errorf("parent = %v", span.Parent())
	}
	want := map[string]any{
		"http.request.method":       "POST",
		"http.request.body.size":    int64(10),
		"http.response.status_code": int64(201),
		"http.response.body.size":   int64(5), // "17" and a newline
		"http.route":                "/orders/{id}",
		"url.scheme":                "http",
		"url.path":                  "/orders/17",
		"url.query":                 "token=REDACTED&page=2",
		"server.address":            "example.com",
		"server.port":               int64(80),
		"client.address":            "192.0.2.1",
		"network.peer.address":      "192.0.2.1",
		"network.peer.port":         int64(1234),
		"network.protocol.version":  "1.1",
		"user_agent.original":       "test/1",
	}
	if diff := cmp.Diff(want, attrsOf(span.Attributes())); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if span.Status().Code != codes.Unset {
		t.Errorf("status = %v", span.Status())
	}
}

func TestSpanOfAPlainHandlersFault(t *testing.T) {
	o := observe(t, ordersMux(), httpserver.Config{})
	o.get("/plain/x")
	span := o.span(t)
	attrs := attrsOf(span.Attributes())
	if span.Name() != "GET /plain/" || attrs["http.route"] != "/plain/" || attrs["error.type"] != "502" || span.Status().Code != codes.Error {
		t.Errorf("span = %q %v %v", span.Name(), span.Status(), attrs)
	}
}

func TestUnknownMethodAndUnknownRouteMakeNoNames(t *testing.T) {
	o := observe(t, ordersMux(), httpserver.Config{})
	o.call(httptest.NewRequest("BREW", "/coffee", nil))
	span := o.span(t)
	attrs := attrsOf(span.Attributes())
	if span.Name() != "HTTP" || attrs["http.request.method"] != "_OTHER" || attrs["http.request.method_original"] != "BREW" {
		t.Errorf("span = %q %v", span.Name(), attrs)
	}
	if _, ok := attrs["http.route"]; ok {
		t.Error("a path that nobody serves has a route")
	}
}

func TestRouteOfANestedMux(t *testing.T) {
	inner := http.NewServeMux()
	inner.Handle("GET /items/{item}", failing(errors.NotFound.New("")))
	outer := http.NewServeMux()
	outer.Handle("/v1/", http.StripPrefix("/v1", inner))
	o := observe(t, outer, httpserver.Config{})
	o.get("/v1/items/3")
	if got := o.span(t).Name(); got != "GET /items/{item}" {
		t.Errorf("span = %q", got)
	}
}

// A middleware that copies the request hides what the mux notes on it, but for Routes.
func TestRouteBehindACopiedRequest(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(http.ResponseWriter, *http.Request) {})
	routes := httpserver.Routes(mux)
	o := observe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routes.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "user")))
	}), httpserver.Config{})
	o.get("/orders/17")
	if got := o.span(t).Name(); got != "GET /orders/{id}" {
		t.Errorf("span = %q", got)
	}
}

type key struct{}

func TestFaultIsDescribedOnTheSpanWithoutSecrets(t *testing.T) {
	o := observe(t, failing(fmt.Errorf("dial postgres://app:hunter2@db: %s", strings.Repeat("é", 500))), httpserver.Config{})
	o.get("/")
	got := o.span(t).Status().Description
	if !strings.HasPrefix(got, "dial postgres://") || strings.Contains(got, "hunter2") || len(got) > 256 {
		t.Errorf("description = %q", got)
	}
}

func TestMetrics(t *testing.T) {
	o := observe(t, ordersMux(), httpserver.Config{})
	for range 3 {
		o.call(httptest.NewRequest(http.MethodPost, "/orders/17", strings.NewReader("0123456789")))
	}
	o.get("/plain/")
	want := map[string]map[string]any{
		"/orders/{id}": {
			"http.request.method": "POST", "http.route": "/orders/{id}", "http.response.status_code": int64(201),
			"url.scheme": "http", "network.protocol.version": "1.1",
		},
		"/plain/": {
			"http.request.method": "GET", "http.route": "/plain/", "http.response.status_code": int64(502),
			"url.scheme": "http", "network.protocol.version": "1.1", "error.type": "502",
		},
	}
	got := make(map[string]map[string]any)
	duration := o.metric(t, "http.server.request.duration")
	for _, point := range duration.Data.(metricdata.Histogram[float64]).DataPoints {
		attrs := attrsOf(point.Attributes.ToSlice())
		got[attrs["http.route"].(string)] = attrs
		if attrs["http.route"] == "/orders/{id}" && point.Count != 3 {
			t.Errorf("count = %d, want 3", point.Count)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || duration.Unit != "s" {
		t.Errorf("unit %q, attributes (-want +got):\n%s", duration.Unit, diff)
	}
	sizes := o.metric(t, "http.server.request.body.size").Data.(metricdata.Histogram[int64]).DataPoints
	if len(sizes) != 2 {
		t.Errorf("request sizes = %v", sizes)
	}
	for _, point := range o.metric(t, "http.server.active_requests").Data.(metricdata.Sum[int64]).DataPoints {
		if point.Value != 0 {
			t.Errorf("active = %d after all requests", point.Value)
		}
	}
}

// Middleware that lets a header override the method writes to the request.
func TestOverriddenMethodIsCountedAsItWasSent(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Method = http.MethodPut }), httpserver.Config{})
	o.call(httptest.NewRequest(http.MethodPost, "/", nil))
	for _, point := range o.metric(t, "http.server.active_requests").Data.(metricdata.Sum[int64]).DataPoints {
		if point.Value != 0 {
			t.Errorf("active = %d after all requests, of %v", point.Value, point.Attributes.ToSlice())
		}
	}
	duration := o.metric(t, "http.server.request.duration").Data.(metricdata.Histogram[float64])
	if got := attrsOf(duration.DataPoints[0].Attributes.ToSlice())["http.request.method"]; got != "POST" {
		t.Errorf("method of the duration = %v, want POST", got)
	}
	if got := o.logs.line(t, "request served")["http.request.method"]; got != "POST" {
		t.Errorf("method in the log = %v, want POST", got)
	}
}

func TestPublicServerTrustsNoCaller(t *testing.T) {
	seen := make(chan baggage.Baggage, 1)
	o := observe(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		seen <- baggage.FromContext(r.Context())
		if at, ok := r.Context().Deadline(); !ok || at.IsZero() {
			t.Error("no deadline")
		}
		return nil
	}), httpserver.Config{Public: true})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("Baggage", "user=alice")
	o.call(r)
	span := o.span(t)
	if span.Parent().IsValid() || span.SpanContext().TraceID().String() == callersTrace {
		t.Errorf("the span continues the caller's trace: %v", span.Parent())
	}
	links := span.Links()
	if len(links) != 1 || links[0].SpanContext.TraceID().String() != callersTrace {
		t.Errorf("links = %v", links)
	}
	if b := <-seen; b.Len() != 0 {
		t.Errorf("baggage = %v", b)
	}
}

// A server behind a mesh reads the caller's baggage.
func TestInternalServerReadsBaggage(t *testing.T) {
	seen := make(chan string, 1)
	o := observe(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		seen <- baggage.FromContext(r.Context()).Member("user").Value()
		return nil
	}), httpserver.Config{})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Baggage", "user=alice")
	o.call(r)
	if got := <-seen; got != "alice" {
		t.Errorf("baggage = %q", got)
	}
}

func TestSamplerSeesAttributesAtTheStart(t *testing.T) {
	s := &sampler{}
	handler, err := httpserver.Trace(ordersMux(), httpserver.TraceConfig{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(s)),
	})
	if err != nil {
		t.Fatal(err)
	}
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/plain/", nil))
	if s.seen["url.path"] != "/plain/" || s.seen["http.request.method"] != "GET" {
		t.Errorf("the sampler sees %v", s.seen)
	}
}

type sampler struct{ seen map[string]any }

func (s *sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.seen = attrsOf(p.Attributes)
	return sdktrace.AlwaysSample().ShouldSample(p)
}

func (s *sampler) Description() string { return "test" }

func TestConcurrentRequestsShareOneAttributeCache(t *testing.T) {
	o := observe(t, ordersMux(), httpserver.Config{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				o.call(httptest.NewRequestWithContext(context.Background(), http.MethodPost, fmt.Sprintf("/orders/%d", i*j), nil))
			}
		})
	}
	wg.Wait()
	points := o.metric(t, "http.server.request.duration").Data.(metricdata.Histogram[float64]).DataPoints
	if len(points) != 1 || points[0].Count != 400 {
		t.Errorf("points = %v", points)
	}
}

// An SDK that is installed while requests are served gets its spans with all attributes; without one none are made.
func TestAnSDKInstalledLaterGetsWholeSpans(t *testing.T) {
	provider := new(switched)
	handler, err := httpserver.Trace(ordersMux(), httpserver.TraceConfig{TracerProvider: provider})
	if err != nil {
		t.Fatal(err)
	}
	call := func() {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/plain/?page=2", nil))
	}
	call()
	if provider.options == 0 {
		t.Error("the first span was started without attributes, and a sampler would have needed them")
	}
	call()
	if provider.options != 0 {
		t.Error("attributes are made although there is no SDK")
	}
	spans := tracetest.NewSpanRecorder()
	provider.sdk = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("sdk")
	for range 2 {
		call()
	}
	for i, span := range spans.Ended() {
		if got := attrsOf(span.Attributes()); got["url.query"] != "page=2" || got["http.route"] != "/plain/" {
			t.Errorf("span %d has the attributes %v", i, got)
		}
	}
	if provider.options == 0 {
		t.Error("with an SDK, spans are started without attributes")
	}
}

// switched is what OpenTelemetry's global provider is: one that may get an SDK later.
type switched struct {
	noop.TracerProvider
	switchedTracer
}

func (s *switched) Tracer(string, ...trace.TracerOption) trace.Tracer { return &s.switchedTracer }

type switchedTracer struct {
	noop.Tracer
	sdk     trace.Tracer
	options int // attributes of the last start
	started int
}

func (s *switchedTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	config := trace.NewSpanStartConfig(options...)
	s.options = len(config.Attributes())
	s.started++
	if s.sdk != nil {
		return s.sdk.Start(ctx, name, options...)
	}
	return s.Tracer.Start(ctx, name, options...)
}

func TestSizeOfABodyInChunksIsWhatWasRead(t *testing.T) {
	o := observe(t, ordersMux(), httpserver.Config{})
	r := httptest.NewRequest(http.MethodPost, "/orders/17", io.MultiReader(strings.NewReader("0123456789")))
	r.ContentLength = -1
	o.call(r)
	if got := attrsOf(o.span(t).Attributes())["http.request.body.size"]; got != int64(10) {
		t.Errorf("http.request.body.size = %v, want 10", got)
	}
	sizes := o.metric(t, "http.server.request.body.size").Data.(metricdata.Histogram[int64]).DataPoints
	if len(sizes) != 1 || sizes[0].Sum != 10 {
		t.Errorf("sizes = %v", sizes)
	}
}

// net/http removes the files of a form when the request is over, and knows only the request that it made.
func TestFilesOfAFormAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	handler := observe(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
		if files, _ := os.ReadDir(os.TempDir()); len(files) == 0 {
			t.Error("the form has no file, and the test shows nothing")
		}
	}), httpserver.Config{MaxBodyBytes: 64 << 20})
	served := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		close(served)
	}))
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "orders.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(make([]byte, 16<<20)) // beyond the 10 MB that are kept in memory in any case
	_ = form.Close()
	res, err := server.Client().Post(server.URL, form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	<-served
	server.Close() // when net/http has finished the request
	if files, _ := os.ReadDir(os.TempDir()); len(files) > 0 {
		t.Errorf("%d files are left", len(files))
	}
}
