package httpserver_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/internal/logctx"
)

func TestAccessLogLine(t *testing.T) {
	o := observe(t, ordersMux(), httpserver.Config{})
	r := httptest.NewRequest(http.MethodPost, "/orders/17?token=hunter2", nil)
	r.Header.Set("User-Agent", "test/1")
	o.call(r)
	line := o.logs.line(t, "request served")
	for _, key := range []string{"time", "duration"} {
		if line[key] == nil {
			t.Errorf("no %s", key)
		}
		delete(line, key)
	}
	want := map[string]any{
		"level": "INFO", "msg": "request served",
		"http.request.method": "POST", "url.path": "/orders/17", "http.route": "/orders/{id}",
		"http.response.status_code": 201.0, "http.response.body.size": 5.0,
		"client.address": "192.0.2.1", "user_agent.original": "test/1",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

// One line, and only one, tells of a failure.
func TestFailureIsLoggedOnce(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		o := observe(t, failing(errors.Internal.Wrap(io.ErrUnexpectedEOF, "Broken.")), httpserver.Config{NoAccessLog: quiet})
		o.get("/orders")
		if got := strings.Count(o.logs.String(), "\n"); got != 1 {
			t.Errorf("NoAccessLog %v: %d lines:\n%s", quiet, got, o.logs)
		}
	}
}

func TestNoAccessLogLeavesSuccessesOut(t *testing.T) {
	o := observe(t, failing(nil), httpserver.Config{NoAccessLog: true})
	o.get("/")
	if got := o.logs.String(); got != "" {
		t.Errorf("log = %s", got)
	}
}

func TestPlainHandlersFaultIsLoggedAtError(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), httpserver.Config{})
	o.get("/")
	if got := o.logs.line(t, "request served")["level"]; got != "ERROR" {
		t.Errorf("level = %v", got)
	}
}

func TestRequestAttributesReachTheLinesOfTheHandler(t *testing.T) {
	var got []slog.Attr
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(_ http.ResponseWriter, r *http.Request) {
		ctx := logctx.With(r.Context(), slog.String("order", "17"))
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		got = logctx.Append(ctx, nil)
	})
	outer := logctx.With(t.Context(), slog.String("shard", "3"))
	for _, handler := range []http.Handler{httpserver.LogAttrs(mux), observe(t, mux, httpserver.Config{})} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(outer, http.MethodGet, "/orders/17", nil))
		want := []string{"shard=3", "http.request.method=GET", "http.route=/orders/{id}", "order=17"}
		var texts []string
		for _, a := range got {
			texts = append(texts, a.String())
		}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Errorf("attributes (-want +got):\n%s", diff)
		}
	}
}

func TestAccessLogOfAnIgnoredLevelCostsNoLine(t *testing.T) {
	var l logs
	warn := slog.New(slog.NewJSONHandler(&l, &slog.HandlerOptions{Level: slog.LevelWarn}))
	httpserver.AccessLog(failing(errors.NotFound.New("")), warn).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if l.String() != "" {
		t.Errorf("log = %s", &l)
	}
}
