package httpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// In whatever order the middleware is put together, a request has one span, one document, one sample
// and one line that tells of its error.
func TestMiddlewareWorksInEveryOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		order := random.Perm(7)
		for path, want := range map[string]int{"/ok": 200, "/error": 404, "/panic": 500, "/nowhere": 404, "/large": 413, "/plain": 500} {
			o := assembled(t, order)
			method, body := http.MethodGet, io.Reader(nil)
			if path == "/large" {
				method, body = http.MethodPost, strings.NewReader(strings.Repeat("x", 101))
			}
			w := o.call(httptest.NewRequest(method, path, body))
			name := fmt.Sprintf("%v %s", order, path)
			if w.Code != want {
				t.Errorf("%s: status = %d, want %d", name, w.Code, want)
			}
			if want >= 400 && path != "/plain" {
				decoder := json.NewDecoder(w.Body)
				var document map[string]any
				if err := decoder.Decode(&document); err != nil || document["status"] != float64(want) || decoder.More() {
					t.Errorf("%s: document %v, %v", name, document, err)
				}
			}
			if got := len(o.spans.Ended()); got != 1 {
				t.Errorf("%s: %d spans", name, got)
			}
			if got := o.samples(t); got != 1 {
				t.Errorf("%s: %d samples", name, got)
			}
			told := 0
			for _, line := range o.logs.lines(t, "request") {
				if line["error"] != nil {
					told++
				}
			}
			if failed := want >= 400 && path != "/plain"; (told == 1) != failed || told > 1 {
				t.Errorf("%s: %d lines tell of an error:\n%s", name, told, o.logs)
			}
		}
	}
}

// assembled puts the middleware together by hand, the first of the order outermost.
func assembled(t *testing.T, order []int) observed {
	t.Helper()
	o := observed{logs: new(logs), spans: tracetest.NewSpanRecorder(), metrics: sdkmetric.NewManualReader()}
	logger := o.logs.logger()
	mux := http.NewServeMux()
	mux.Handle("GET /ok", failing(nil))
	mux.Handle("GET /error", failing(errors.NotFound.New("Lost.")))
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
	mux.HandleFunc("GET /plain", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.Handle("POST /large", httpserver.HandlerFunc(swallow))
	o.Handler = httpserver.Routes(mux)
	wrap := []func(http.Handler) http.Handler{
		func(next http.Handler) http.Handler {
			traced, err := httpserver.Trace(next, httpserver.TraceConfig{
				TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(o.spans)),
				MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.metrics)),
				Propagator:     propagation.TraceContext{},
			})
			if err != nil {
				t.Fatal(err)
			}
			return traced
		},
		httpserver.LogAttrs,
		func(next http.Handler) http.Handler { return httpserver.AccessLog(next, logger) },
		func(next http.Handler) http.Handler { return httpserver.Recover(next, logger) },
		func(next http.Handler) http.Handler { return httpserver.Deadline(next, 0) },
		func(next http.Handler) http.Handler { return httpserver.LimitBody(next, 100) },
		func(next http.Handler) http.Handler { return httpserver.LimitConcurrency(next, 10, logger) },
	}
	for i := len(order) - 1; i >= 0; i-- {
		o.Handler = wrap[order[i]](o.Handler)
	}
	return o
}

// downstream is a service that answers with err, and a function that calls it as the SDK's client does:
// over HTTP, by the document and the headers.
func downstream(t *testing.T, err error) func(context.Context) error {
	t.Helper()
	server := served(t, observe(t, failing(err), httpserver.Config{}))
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		return errors.DecodeProblem(errors.Response{
			Status: res.StatusCode, Body: body, RetryExhausted: res.Header.Get("Retry-Exhausted") != "",
		})
	}
}

// Two services in a row: what the first answers is not what the second answers, unless it says so.
func TestRemoteErrorOverTwoHops(t *testing.T) {
	for _, code := range errors.Codes() {
		if code == errors.Canceled {
			continue // a server says so only to a caller that is gone
		}
		call := downstream(t, code.New("The inventory's own words.").WithReason("inventory", "WHY").WithMetadata("sku", "17").
			WithViolation("#/sku", "is wrong", "WRONG"))
		ours := errors.Internal
		switch code {
		case errors.Unavailable, errors.ResourceExhausted:
			ours = errors.Unavailable
		case errors.DeadlineExceeded:
			ours = errors.DeadlineExceeded
		}
		var seen error
		mux := http.NewServeMux()
		mux.Handle("/returned", httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			seen = call(r.Context())
			return seen
		}))
		mux.Handle("/wrapped", httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			return fmt.Errorf("reserve: %w", call(r.Context()))
		}))
		mux.Handle("/decided", httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			return errors.FailedPrecondition.Wrap(call(r.Context()), "Not now.")
		}))
		mux.Handle("/passed", httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			return errors.PassOn(fmt.Errorf("reserve: %w", call(r.Context())))
		}))
		o := observe(t, mux, httpserver.Config{})
		server := served(t, o)
		for path, want := range map[string]errors.Code{
			"/returned": ours, "/wrapped": ours, "/decided": errors.FailedPrecondition, "/passed": code,
		} {
			d := ask9457(t, server.URL+path, "application/json")
			if d.status != want.HTTPStatus() || d.members["code"] != want.String() {
				t.Errorf("%v, %s: answer = %d %s", code, path, d.status, d.body)
			}
			passed := path == "/passed"
			for _, word := range []string{"inventory", "WHY", "sku"} {
				if strings.Contains(string(d.body), word) != passed {
					t.Errorf("%v, %s: %q is told, or not: %s", code, path, word, d.body)
				}
			}
		}
		if !errors.Is(seen, code) || errors.ReasonOf(seen) != "WHY" {
			t.Errorf("%v: the service in between sees %v", code, seen)
		}
	}
}

func TestExhaustedRetriesAreToldOverTwoHops(t *testing.T) {
	call := downstream(t, errors.MarkExhausted(errors.Unavailable.New("Down.")))
	server := served(t, observe(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		return call(r.Context())
	}), httpserver.Config{}))
	d := ask9457(t, server.URL, "application/json")
	if d.status != 503 || d.header.Get("Retry-Exhausted") != "1" || d.members["retry_exhausted"] != true {
		t.Errorf("answer = %d %v %s", d.status, d.header, d.body)
	}
}

// What is for operators is at the admin address only.
func TestAdminPagesAreNotPublic(t *testing.T) {
	s, err := httpserver.New(http.NewServeMux(), httpserver.Config{
		Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DrainDelay: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Admin().HandleFunc("GET /debug/level", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "info") })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for _, path := range []string{"/debug/sdk", "/debug/level", "/debug/pprof/", "/metrics"} {
		if d := ask9457(t, s.URL()+path, "*/*"); d.status != 404 {
			t.Errorf("%s is public: %d", path, d.status)
		}
	}
	admin := "http://" + s.AdminAddr().String()
	for path, want := range map[string]int{"/debug/sdk": 200, "/debug/level": 200, "/livez": 200, "/readyz": 200, "/debug/pprof/": 404} {
		if d := ask9457(t, admin+path, "*/*"); d.status != want {
			t.Errorf("admin %s: %d", path, d.status)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
