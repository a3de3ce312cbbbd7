package httpserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// marked is what must never be seen by a caller.
const marked = "hunter2"

// A secret is in every place that is private: causes, panics, attributes, Validate's plain errors. The
// raw bytes of every response of every middleware are searched for it.
func TestNothingPrivateIsOnTheWire(t *testing.T) {
	cause := fmt.Errorf("dial postgres://app:%s@db.internal", marked)
	handlers := map[string]http.Handler{
		"uncoded":  failing(cause),
		"wrapped":  failing(errors.Internal.Wrap(cause, "")),
		"message":  failing(errors.NotFound.Wrap(cause, "There is no such order.")),
		"attrs":    failing(errors.InvalidArgument.New("No.").WithAttrs(slog.String("password", marked))),
		"joined":   failing(errors.Join(cause, errors.Internal.Wrap(cause, ""))),
		"defined":  failing(httpserver.ErrInvalidBody.Wrap(cause, "")),
		"marked":   failing(errors.MarkRetryable(fmt.Errorf("%s: %w", marked, errors.Unavailable), true)),
		"remote":   failing(errors.Unavailable.Wrap(remote(t, errors.Internal), "")),
		"canceled": failing(fmt.Errorf("%s: %w", marked, context.Canceled)),
		"deadline": failing(fmt.Errorf("%s: %w", marked, context.DeadlineExceeded)),
		"panic":    http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(marked) }),
		"panicked error": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(errors.NotFound.New(marked))
		}),
		"unencodable": httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			return httpserver.WriteJSON(w, 200, secretive{})
		}),
		"validate": httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			_, err := httpserver.DecodeJSON[secretive](r)
			return err
		}),
		"unreadable": httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			r.Body = io.NopCloser(iotest.ErrReader(cause))
			_, err := httpserver.DecodeJSON[secretive](r)
			return err
		}),
		"late": httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusAccepted)
			return cause
		}),
		"trailer of a panic": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(marked)
		}),
	}
	for name, handler := range handlers {
		for kind, stack := range everyMiddleware(t, handler) {
			for _, accept := range []string{"application/json", "text/html"} {
				t.Run(name+"/"+kind+"/"+accept, func(t *testing.T) {
					r := jsonRequest(`{}`)
					r.Header.Set("Accept", accept)
					if raw := rawResponse(t, stack, r); bytes.Contains(raw, []byte(marked)) || bytes.Contains(raw, []byte("db.internal")) {
						t.Errorf("response:\n%s", raw)
					}
				})
			}
		}
	}
}

type secretive struct{}

func (secretive) Validate() error              { return fmt.Errorf("the rule says %s", marked) }
func (secretive) MarshalJSON() ([]byte, error) { return nil, fmt.Errorf("the type says %s", marked) }

// everyMiddleware returns the handler inside each of them alone, and inside all.
func everyMiddleware(t *testing.T, next http.Handler) map[string]http.Handler {
	t.Helper()
	silent := slog.New(slog.DiscardHandler)
	mux := http.NewServeMux()
	mux.Handle("/orders", next)
	traced, err := httpserver.Trace(next, httpserver.TraceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := httpserver.NewHandler(mux, httpserver.Config{Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]http.Handler{
		"none":             next,
		"Trace":            traced,
		"LogAttrs":         httpserver.LogAttrs(next),
		"AccessLog":        httpserver.AccessLog(next, silent),
		"Recover":          httpserver.Recover(next, silent),
		"Deadline":         httpserver.Deadline(next, 0),
		"LimitBody":        httpserver.LimitBody(next, 0),
		"LimitConcurrency": httpserver.LimitConcurrency(next, 0, silent),
		"Routes":           httpserver.Routes(mux),
		"all":              all,
	}
}

// rawResponse is everything that a handler sends; a panic that it lets through sends nothing more.
func rawResponse(t *testing.T, handler http.Handler, r *http.Request) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	func() {
		defer func() { _ = recover() }()
		handler.ServeHTTP(w, r)
	}()
	raw, err := httputil.DumpResponse(w.Result(), true)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Neither do probes and the admin pages tell more than they should.
func TestNothingPrivateIsOnTheAdminPages(t *testing.T) {
	health, err := httpserver.NewHealth(httpserver.HealthConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	health.Check("db", func(context.Context) error { return fmt.Errorf("password %s refused", marked) })
	health.Check("cache", func(context.Context) error { panic(marked) })
	health.SetReady(true)
	for _, path := range []string{"/livez", "/readyz", "/debug/sdk"} {
		w := httptest.NewRecorder()
		httpserver.NewAdminMux(health).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if strings.Contains(w.Body.String(), marked) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}
