package httpserver_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/internal/memnet"
)

func TestConfigNamesEveryFault(t *testing.T) {
	_, err := httpserver.New(failing(nil), httpserver.Config{
		RequestTimeout: time.Minute, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: -1,
	})
	for _, want := range []string{"ReadTimeout: 30s", "WriteTimeout: 1m0s", "MaxHeaderBytes: -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, lacks %q", err, want)
		}
	}
	if _, err := httpserver.NewHandler(failing(nil), httpserver.Config{RequestTimeout: -1, ReadTimeout: time.Hour}); err == nil {
		t.Error("a ReadTimeout under no RequestTimeout is taken")
	}
	if _, err := httpserver.New(nil, httpserver.Config{Listener: memnet.Listen()}); err == nil {
		t.Error("a nil handler is taken")
	}
	if _, err := httpserver.New(failing(nil), httpserver.Config{TLS: new(tls.Config)}); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("TLS without a certificate: %v", err)
	}
}

func TestTakenPortIsAnErrorOfNew(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	if _, err := httpserver.New(failing(nil), httpserver.Config{Addr: addr}); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("err = %v", err)
	}
	// A server that fails half-way frees what it had taken.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	freed := free.Addr().String()
	_ = free.Close()
	if _, err := httpserver.New(failing(nil), httpserver.Config{Addr: freed, AdminAddr: addr}); err == nil || !strings.Contains(err.Error(), "admin") {
		t.Errorf("err = %v", err)
	}
	again, err := net.Listen("tcp", freed)
	if err != nil {
		t.Fatalf("the first address is still taken: %v", err)
	}
	_ = again.Close()
}

func TestServerHasSafeTimeouts(t *testing.T) {
	s, err := httpserver.New(failing(nil), httpserver.Config{Listener: memnet.Listen()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := s.HTTPServer()
	if h.ReadHeaderTimeout != 5*time.Second || h.ReadTimeout != 35*time.Second || h.WriteTimeout != 40*time.Second ||
		h.IdleTimeout != 2*time.Minute || h.MaxHeaderBytes != 64<<10 {
		t.Errorf("timeouts = %v %v %v %v, header %d", h.ReadHeaderTimeout, h.ReadTimeout, h.WriteTimeout, h.IdleTimeout, h.MaxHeaderBytes)
	}
}

// started is a server in memory that runs until the test ends.
func started(t *testing.T, handler http.Handler, cfg httpserver.Config) (l *memnet.Listener, s *httpserver.Server, stop func() error, lines *logs) {
	t.Helper()
	l, lines = memnet.Listen(), new(logs)
	cfg.Listener, cfg.Logger = l, lines.logger()
	s, err := httpserver.New(handler, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() {
		_ = s.Close()
		_ = stop()
		time.Sleep(time.Second) // in virtual time: net/http lingers for a moment on a connection that it ends
	})
	synctest.Wait()
	return l, s, stop, lines
}

func get(t *testing.T, client *http.Client, path string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://orders.example.com"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestSlowHeaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, _, _ := started(t, failing(nil), httpserver.Config{})
		conn, err := l.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		began := time.Now()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: orders"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("read: %v", err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("cut off after %v, want 5s", took)
		}
	})
}

func TestSlowBodyIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, _, lines := started(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			_, err := httpserver.DecodeJSON[item](r)
			return err
		}), httpserver.Config{})
		// Not by http.Client, which may see that it cannot write before it sees the answer.
		conn, err := l.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: orders\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		dripping := make(chan struct{})
		go func() {
			defer close(dripping)
			for {
				if _, err := io.WriteString(conn, " "); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); res.StatusCode != http.StatusRequestTimeout || took != 35*time.Second {
			t.Errorf("status = %d after %v, want 408 after 35s", res.StatusCode, took)
		}
		_ = conn.Close()
		<-dripping
		if line := lines.line(t, "request failed"); line["level"] != "INFO" {
			t.Errorf("line = %v", line)
		}
	})
}

// A handler that takes all its time can still answer: no timeout of the connection comes before.
func TestDeadlineComesBeforeTheConnectionsTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		})
		mux := http.NewServeMux()
		mux.Handle("/", wait)
		mux.Handle("/long", httpserver.Deadline(wait, 10*time.Minute))
		l, _, _, _ := started(t, mux, httpserver.Config{})
		for path, limit := range map[string]time.Duration{"/": 30 * time.Second, "/long": 10 * time.Minute} {
			began := time.Now()
			res, body := get(t, clientOf(t, l), path)
			if took := time.Since(began); res.StatusCode != 504 || took != limit || !strings.Contains(body, "deadline_exceeded") {
				t.Errorf("%s: %d after %v: %s", path, res.StatusCode, took, body)
			}
		}
	})
}

// A stream lives longer than any timeout, and ends when the server drains.
func TestStreamWithoutADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *httpserver.Server
		events := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for {
				select {
				case <-time.After(20 * time.Second):
					_, _ = io.WriteString(w, "tick\n")
					w.(http.Flusher).Flush()
				case <-s.Draining():
					return
				case <-r.Context().Done():
					return
				}
			}
		})
		mux := http.NewServeMux()
		mux.Handle("GET /events", httpserver.Deadline(events, -1))
		l, server, stop, _ := started(t, mux, httpserver.Config{})
		s = server
		time.AfterFunc(10*time.Minute+time.Second, func() { _ = stop() })
		if _, body := get(t, clientOf(t, l), "/events"); strings.Count(body, "tick") != 30 {
			t.Errorf("%d ticks", strings.Count(body, "tick"))
		}
	})
}

func TestClientThatGoesAwayEndsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, _, lines := started(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return context.Cause(r.Context())
		}), httpserver.Config{})
		ctx, leave := context.WithTimeout(t.Context(), 3*time.Second)
		defer leave()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders.example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := clientOf(t, l).Do(req); err == nil {
			_ = res.Body.Close()
			t.Error("there is an answer")
		}
		synctest.Wait()
		line := lines.line(t, "request failed")
		if line["level"] != "DEBUG" || line["http.response.status_code"] != 499.0 {
			t.Errorf("line = %v", line)
		}
	})
}

func TestProbesAreAnsweredBesideTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		admin := memnet.Listen()
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		l, s, _, lines := started(t, handler, httpserver.Config{AdminListener: admin, MaxConcurrent: 1})
		s.Health().Check("db", func(context.Context) error { return errors.Unavailable.New("") })
		client := clientOf(t, l)
		for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/other": 418} {
			if res, body := get(t, client, path); res.StatusCode != want || strings.Contains(body, "db") {
				t.Errorf("%s = %d %s", path, res.StatusCode, body)
			}
		}
		if res, body := get(t, clientOf(t, admin), "/readyz"); res.StatusCode != 503 || !strings.Contains(body, `"db":{"status":"failed","code":"unavailable"`) {
			t.Errorf("admin = %d %s", res.StatusCode, body)
		}
		if got := len(lines.lines(t, "request served")); got != 1 {
			t.Errorf("%d access lines, want only that of /other", got)
		}
	})
}

// A profile takes longer than any request.
func TestAdminHandlersHaveTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		admin := memnet.Listen()
		_, s, _, _ := started(t, failing(nil), httpserver.Config{AdminListener: admin})
		s.Admin().HandleFunc("GET /debug/profile", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Minute)
			if err := r.Context().Err(); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, "done")
		})
		if _, body := get(t, clientOf(t, admin), "/debug/profile"); body != "done" {
			t.Errorf("body = %q", body)
		}
	})
}

func TestProbesCanBeLeftToTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		l, _, _, _ := started(t, handler, httpserver.Config{NoProbes: true})
		if res, _ := get(t, clientOf(t, l), "/livez"); res.StatusCode != http.StatusTeapot {
			t.Errorf("status = %d", res.StatusCode)
		}
	})
}

// A probe that a handler mounts itself is not logged either.
func TestMountedProbeIsNotLogged(t *testing.T) {
	h, _ := newHealth(t, httpserver.HealthConfig{})
	o := observe(t, h.Livez(), httpserver.Config{})
	o.get("/health")
	if got := o.logs.String(); got != "" {
		t.Errorf("log = %s", got)
	}
}

func TestURL(t *testing.T) {
	for addr, prefix := range map[string]string{"127.0.0.1:0": "http://127.0.0.1:", ":0": "http://127.0.0.1:"} {
		s, err := httpserver.New(failing(nil), httpserver.Config{Addr: addr})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.URL(); !strings.HasPrefix(got, prefix) || strings.HasSuffix(got, ":0") {
			t.Errorf("%s: URL = %s", addr, got)
		}
		if s.AdminAddr() != nil {
			t.Error("there is an admin address")
		}
		_ = s.Close()
	}
}

func TestRunIsForOneTime(t *testing.T) {
	s, err := httpserver.New(failing(nil), httpserver.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ended); err != nil {
		t.Errorf("a context that has ended: %v", err)
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("Run ran twice")
	}
	if conn, err := net.Dial("tcp", s.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the address is still bound")
	}
}

// The values of Run's context reach the handlers, its end does not.
func TestRequestsOutliveRunsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		s, err := httpserver.New(httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			time.Sleep(8 * time.Second) // beyond the end of Run's context, and beyond the drain's delay
			if err := r.Context().Err(); err != nil {
				return err
			}
			return httpserver.WriteJSON(w, 200, r.Context().Value(key{}))
		}), httpserver.Config{Listener: l})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "shard 3"), time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		res, body := get(t, clientOf(t, l), "/")
		if res.StatusCode != 200 || body != "\"shard 3\"\n" {
			t.Errorf("answer = %d %q", res.StatusCode, body)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestServeFailureEndsRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := httpserver.New(failing(nil), httpserver.Config{Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // under the server's feet
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve HTTP") {
		t.Errorf("err = %v", err)
	}
}
