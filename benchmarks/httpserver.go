package main

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/backend-platform/sdk/httpserver"
)

type stock struct {
	SKU  string `json:"sku"`
	Left int    `json:"left"`
}

func httpserverRow() row {
	return row{"httpserver: a handler that answers with JSON, without an SDK of OpenTelemetry", "request", []contender{
		{"sdk", "zero Config: also access log (to nowhere), panics, deadline, limits", func() (work, func(), error) {
			mux := http.NewServeMux()
			mux.Handle("GET /stock/{sku}", httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				return httpserver.WriteJSON(w, http.StatusOK, stock{r.PathValue("sku"), 3})
			}))
			handler, err := httpserver.NewHandler(mux, httpserver.Config{Logger: slog.New(slog.DiscardHandler)})
			return serve(handler), nil, err
		}},
		{"otelhttp", "around a plain handler", func() (work, func(), error) {
			return serve(otelhttp.NewHandler(plain(), "GET /stock/{sku}")), nil, nil
		}},
		{"net/http", "the floor: a plain handler", func() (work, func(), error) {
			return serve(plain()), nil, nil
		}},
	}, 0}
}

func plain() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stock/{sku}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, err := json.Marshal(stock{r.PathValue("sku"), 3})
		if err != nil {
			http.Error(w, "error", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(body)
	})
	return mux
}

// discard is a ResponseWriter that can be used again.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

func serve(handler http.Handler) work {
	return all(func(n int) error {
		request, err := http.NewRequest(http.MethodGet, "http://inventory.example.com/stock/17", http.NoBody)
		if err != nil {
			return err
		}
		request.RemoteAddr = "127.0.0.1:4711"
		w := &discard{http.Header{}}
		for range n {
			clear(w.header)
			handler.ServeHTTP(w, request)
		}
		return nil
	})
}
