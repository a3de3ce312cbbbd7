package httpserver_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/httpserver"
)

// newSecure is a server on loopback that speaks TLS.
func newSecure(t *testing.T, h http.Handler) *httpserver.Server {
	t.Helper()
	s, err := httpserver.New(h, httpserver.Config{
		Addr: "127.0.0.1:0", DrainDelay: time.Hour,
		TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A context that the http.Server is told to give a connection is made once, and reaches the handler with the values of
// Run's.
func TestHTTP2ConnectionHasOneContext(t *testing.T) {
	type connKey struct{}
	s := newSecure(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto, " ", r.Context().Value(key{}), " ", r.Context().Value(connKey{}))
	}))
	var conns atomic.Int64
	s.HTTPServer().ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conns.Add(1))
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(context.WithValue(t.Context(), key{}, "shard 3")) }()
	client := &http.Client{Transport: newTransport(t, true)}
	for range 2 {
		res, err := client.Get(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(body) != "HTTP/2.0 shard 3 1" {
			t.Errorf("answer = %q, %v", body, err)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("ConnContext was called %d times for one connection", conns.Load())
	}
	_ = s.Close()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
}

// Requests of HTTP/2 are handled as the http.Server that was configured would handle them.
func TestHTTP2IsServedAsConfigured(t *testing.T) {
	asterisk := make(chan bool, 1)
	s := newSecure(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.TLS == nil || !r.TLS.HandshakeComplete {
			t.Errorf("%s, TLS %v", r.Proto, r.TLS)
		}
		asterisk <- r.URL.Path == "*"
	}))
	s.HTTPServer().DisableGeneralOptionsHandler = true
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = "*"
	res, err := newTransport(t, true).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	select {
	case ok := <-asterisk:
		if !ok {
			t.Error("the path is not *")
		}
	default:
		t.Error("the handler was not asked about OPTIONS *")
	}
	_ = s.Close()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestHTTP2ClientsAreToldToLeave(t *testing.T) {
	s := newSecure(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	transport := newTransport(t, true)

	var conns []string
	call := func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		conn, res := dialled(t, transport, req)
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(body) != "HTTP/2.0" {
			t.Fatalf("answer = %q, %v", body, err)
		}
		conns = append(conns, conn)
	}
	call()
	call()
	cancel()
	<-s.Draining()
	call() // answered on the old connection, with GOAWAY
	call() // which the client has left for this one
	if conns[0] != conns[1] || conns[3] == conns[0] {
		t.Errorf("connections = %v", conns)
	}
	_ = s.Close()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
}
