package httpserver_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// discard is a ResponseWriter that costs nothing, so that what is counted is ours.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

type order struct {
	ID    string `json:"id"`
	Items int    `json:"items"`
}

// cost is one request of a kind, ready to be repeated.
func cost(tb testing.TB, target string, cfg httpserver.Config) func() {
	tb.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET /json", httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		return httpserver.WriteJSON(w, http.StatusOK, order{"17", 3})
	}))
	mux.Handle("GET /error", httpserver.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return errors.NotFound.New("There is no such order.")
	}))
	mux.Handle("GET /fault", httpserver.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return errors.Internal.Wrap(io.ErrUnexpectedEOF, "")
	}))
	handler, err := httpserver.NewHandler(mux, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, target, nil)
	w := &discard{make(http.Header)}
	return func() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
}

// quiet is the zero Config but for the logger, which would write to the test's output.
func quiet() httpserver.Config {
	return httpserver.Config{Logger: slog.New(slog.NewJSONHandler(io.Discard, nil))}
}

// withSDK adds span and metric processing without an exporter.
func withSDK(tb testing.TB) httpserver.Config {
	tb.Helper()
	spans := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(sdktrace.NewSimpleSpanProcessor(dropSpans{})))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	tb.Cleanup(func() {
		_ = spans.Shutdown(tb.Context())
		_ = meters.Shutdown(tb.Context())
	})
	cfg := quiet()
	cfg.TracerProvider, cfg.MeterProvider = spans, meters
	return cfg
}

func BenchmarkHandler(b *testing.B) {
	for _, sdk := range []bool{false, true} {
		for _, path := range []string{"/json", "/error", "/fault"} {
			cfg, name := quiet(), path[1:]
			if sdk {
				cfg, name = withSDK(b), name+"WithSDK"
			}
			b.Run(name, func(b *testing.B) {
				call := cost(b, path, cfg)
				b.ReportAllocs()
				for b.Loop() {
					call()
				}
			})
		}
	}
}

func BenchmarkDecodeJSON(b *testing.B) {
	type line struct {
		SKU string `json:"sku"`
		Qty int    `json:"qty"`
	}
	for name, body := range map[string]string{
		"valid":   `{"sku":"17","qty":3}`,
		"invalid": `{"sku":17,"qty":"3","colour":"red"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := jsonRequest(body)
				if _, err := httpserver.DecodeJSON[line](r); (err == nil) != (name == "valid") {
					b.Fatal(err)
				}
			}
		})
	}
}
