package httpserver_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/backend-platform/sdk/httpserver"
)

func TestWhatTheMuxDoesNotKnowIsAProblemDocument(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("POST /orders", failing(nil))
	mux.Handle("GET /own", http.NotFoundHandler())
	mux.Handle("GET /tree/", failing(nil))
	all := observe(t, mux, httpserver.Config{})
	for name, handler := range map[string]http.Handler{"Routes": httpserver.Routes(mux), "all": all} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/nowhere", nil))
			if p := problemOf(t, w); w.Code != 404 || p["reason"] != "NO_ROUTE" || p["domain"] != "httpserver" {
				t.Errorf("answer = %d %v", w.Code, p)
			}
			w = httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders", nil))
			if p := problemOf(t, w); w.Code != 405 || p["reason"] != "METHOD_NOT_ALLOWED" || p["title"] != "Method Not Allowed" {
				t.Errorf("answer = %d %v", w.Code, p)
			}
			if got := w.Header().Get("Allow"); got != "POST" {
				t.Errorf("Allow = %q", got)
			}

			w = httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/own", nil))
			if w.Code != 404 || w.Body.String() != "404 page not found\n" {
				t.Errorf("a handler's own 404 was changed: %d %q", w.Code, w.Body)
			}
			w = httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/tree", nil))
			if w.Code/100 != 3 {
				t.Errorf("the mux's redirect was changed: %d", w.Code)
			}
		})
	}
	if got := len(all.logs.lines(t, "request failed")); got != 2 {
		t.Errorf("%d failures in the log, want 2", got)
	}
}

// The mux's own answer must not follow ours on a real connection either.
func TestUnroutedOverTheWire(t *testing.T) {
	server := httptest.NewServer(httpserver.Routes(http.NewServeMux()))
	defer server.Close()
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != 404 || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v %v", method, res.StatusCode, res.Header, err)
		}
		if method == http.MethodGet && (len(body) == 0 || body[len(body)-2] != '}') {
			t.Errorf("body = %q", body)
		}
	}
}
