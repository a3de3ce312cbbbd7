package httpserver_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/internal/policy"
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
		"everything": failing(full()),
		"deep":       failing(deep(errors.Internal.Wrap(cause, ""), 1000)),
		"own decoder": httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			_, err := httpserver.DecodeJSON[struct {
				Pin tellTale `json:"pin"`
			}](r)
			return err
		}),
		"wrong type": httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			_, err := httpserver.DecodeJSON[struct {
				Pin int `json:"pin"`
			}](r)
			return err
		}),
		"panic with a stack": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(fmt.Sprintf("%+v", errors.Internal.Wrap(cause, "")))
		}),
		"trailer of a panic": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(marked)
		}),
	}
	for name, handler := range handlers {
		for kind, stack := range everyMiddleware(t, handler) {
			server := httptest.NewUnstartedServer(stack)
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Start()
			for _, accept := range []string{"application/json", "text/html"} {
				// The caller's own secrets do not come back either.
				raw := exchangeBytes(t, server.Listener.Addr(), "POST /orders?token=%s HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n"+
					"Accept: %s\r\nAuthorization: Bearer %s\r\nCookie: session=%s\r\nUser-Agent: %s\r\nRequest-Timeout-Ms: %s\r\n"+
					"Traceparent: %s\r\nBaggage: password=%s\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"pin\":\"hunter2\"}",
					marked, accept, marked, marked, marked, marked, marked, marked)
				if strings.Contains(raw, marked) || strings.Contains(raw, "db.internal") {
					t.Errorf("%s, %s, %s: response:\n%s", name, kind, accept, raw)
				}
				if raw == "" && !strings.Contains(name, "panic") {
					t.Errorf("%s, %s, %s: no response", name, kind, accept)
				}
			}
			server.Close()
		}
	}
}

// What comes before any handler: TLS that fails, plain HTTP where TLS is spoken, and requests that are none.
func TestNothingPrivateIsOnTheWireBeforeTheHandler(t *testing.T) {
	files, others := newCertFiles(t), newCertFiles(t)
	files.issue(t, "server", "orders")
	for name, cfg := range map[string]httpserver.Config{
		"plain": {},
		"tls":   {CertFile: files.path("server.crt"), KeyFile: files.path("server.key")},
		"mtls":  {CertFile: files.path("server.crt"), KeyFile: files.path("server.key"), ClientCAFile: others.path("ca.pem")},
	} {
		cfg.Addr, cfg.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
		cfg.DrainDelay, cfg.ReadHeaderTimeout = -1, 100*time.Millisecond
		s, err := httpserver.New(failing(fmt.Errorf("%s", marked)), cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.Health().Check(marked, func(context.Context) error { return fmt.Errorf("%s", marked) })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		for _, request := range []string{
			"GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\nCookie: hunter2\r\n\r\n",
			"GET /readyz HTTP/1.1\r\nHost: orders\r\nConnection: close\r\nCookie: hunter2\r\n\r\n",
			"hunter2\r\n\r\n",
			"GET / HTTP/1.1\r\nhunter2\r\n\r\n",
			"GET / HTTP/9.9\r\nHost: hunter2\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: orders\r\nContent-Length: hunter2\r\n\r\n",
			"\x16\x03\x01\x00\x07hunter2", // the beginning of a handshake
		} {
			raw := exchangeBytes(t, s.Addr(), "%s", request)
			if strings.Contains(raw, marked) || strings.Contains(raw, files.dir) {
				t.Errorf("%s, %.20q: response: %q", name, request, raw)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

type secretive struct{}

// tellTale says what it was given.
type tellTale struct{}

func (*tellTale) UnmarshalJSON(b []byte) error { return fmt.Errorf("cannot take %s", b) }

// deep wraps an error many times.
func deep(err error, levels int) error {
	for range levels {
		err = &cyclic{err}
	}
	return err
}

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

// Neither do probes, the admin pages and the documentation of errors tell more than they should.
func TestNothingPrivateIsOnTheAdminPages(t *testing.T) {
	health, err := httpserver.NewHealth(httpserver.HealthConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	health.Check("db", func(context.Context) error { return fmt.Errorf("password %s refused", marked) })
	health.Check("cache", func(context.Context) error { panic(marked) })
	health.Check("queue", func(context.Context) error {
		return errors.Unavailable.New(marked).WithAttrs(slog.String("password", marked))
	})
	health.SetReady(true)
	owner := &secretPolicy{}
	policy.Register("private test", "owner", owner)
	admin := httpserver.NewAdminMux(health)
	mux := http.NewServeMux()
	mux.Handle("/", admin)
	mux.Handle("/errors/", httpserver.CatalogueHandler(newCatalogue()))
	server := served(t, mux)
	for _, path := range []string{"/livez", "/readyz", "/debug/sdk", "/debug/none", "/errors/", "/errors/" + marked, "/errors/CLOSED"} {
		for _, accept := range []string{"*/*", browser} {
			raw := exchangeBytes(t, server.Listener.Addr(), "GET %s HTTP/1.1\r\nHost: orders\r\nConnection: close\r\nAccept: %s\r\n\r\n", path, accept)
			if strings.Contains(raw, marked) || !strings.HasPrefix(raw, "HTTP/1.1 ") {
				t.Errorf("%s: %s", path, raw)
			}
			if path == "/debug/sdk" && !strings.Contains(raw, "private test") {
				t.Errorf("the policy is not shown: %s", raw)
			}
		}
	}
	runtime.KeepAlive(owner)
}

// secretPolicy has secrets where somebody may have put them.
type secretPolicy struct{ _ *int }

func (*secretPolicy) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("password", marked),
		slog.String("url", "https://app:"+marked+"@db.example.com/?token="+marked),
		slog.Group("headers", slog.String("Authorization", "Bearer "+marked)),
		slog.Any("error", fmt.Errorf("dial postgres://app:%s@db.example.com", marked)),
	)
}
