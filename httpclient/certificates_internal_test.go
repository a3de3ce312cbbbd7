package httpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/certs/certstest"
	"github.com/backend-platform/sdk/internal/locked"
)

// An authority issues certificates into files.
type authority struct {
	*certstest.Authority
	dir string
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	return &authority{certstest.NewAuthority(t, "authority"), dir}
}

// issue returns a certificate for a name, and its two files in PEM.
func (a *authority) issue(t *testing.T, name string) (pair tls.Certificate, cert, key []byte) {
	t.Helper()
	cert, key = a.Issue(t, certstest.Request{Subject: name, Hosts: []string{name}})
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair, cert, key
}

func (a *authority) write(t *testing.T, name string, content []byte) string {
	t.Helper()
	return certstest.Write(t, a.dir, name, content)
}

// A pipeServer is a net/http server over TLS whose connections are in memory, for bubbles.
type pipeServer struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	wrap   func(net.Conn) net.Conn // what the client gets; nil: the connection itself
}

func newPipeServer(t *testing.T, cfg *tls.Config, handler http.HandlerFunc) *pipeServer {
	t.Helper()
	p := &pipeServer{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, TLSConfig: cfg, ErrorLog: log.New(io.Discard, "", 0)}
	var running sync.WaitGroup
	running.Go(func() { _ = server.ServeTLS(p, "", "") })
	t.Cleanup(func() {
		_ = server.Close()
		running.Wait()
	})
	return p
}

func (p *pipeServer) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeServer) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipeServer) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipeServer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, net.ErrClosed
	}
	client = newQueuedConn(client)
	if p.wrap != nil {
		client = p.wrap(client)
	}
	return client, nil
}

// A queuedConn is a pipe whose writes do not wait for the reader, as those to a socket do not: both ends
// may send before they look at what came.
type queuedConn struct {
	net.Conn
	queue chan []byte
	done  chan struct{}
	once  sync.Once
}

func newQueuedConn(conn net.Conn) net.Conn {
	c := &queuedConn{Conn: conn, queue: make(chan []byte, 1024), done: make(chan struct{})}
	go func() {
		defer conn.Close()
		for {
			select {
			case p := <-c.queue:
				if _, err := conn.Write(p); err != nil {
					return
				}
			case <-c.done:
				return
			}
		}
	}()
	return c
}

func (c *queuedConn) Write(p []byte) (int, error) {
	select {
	case c.queue <- bytes.Clone(p):
		return len(p), nil
	case <-c.done:
		return 0, net.ErrClosed
	}
}

func (c *queuedConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
}

// client returns one whose own transport connects to the server.
func (p *pipeServer) client(t *testing.T, cfg Config) *http.Client {
	t.Helper()
	client, err := New("inventory", cfg)
	if err != nil {
		t.Fatal(err)
	}
	own := client.Transport.(*transport).base.(*pool)
	fresh := own.fresh
	own.fresh = func(roots *x509.CertPool) *http.Transport {
		transport := fresh(roots)
		transport.Proxy, transport.DialContext = nil, p.dial
		return transport
	}
	own.current.Store(own.generation())
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func whoIsThere(client *http.Client) (string, error) {
	resp, err := client.Get("https://inventory/")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// A lockedBuffer is a log that is read while it may be written to.
type lockedBuffer struct{ locked.Buffer }

func (b *lockedBuffer) lines(part string) int {
	return strings.Count(b.String(), part)
}

func TestReplacedCertificateIsUsedByTheNextConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, t.TempDir())
		serverPair, _, _ := ca.issue(t, "inventory")
		server := newPipeServer(t, &tls.Config{Certificates: []tls.Certificate{serverPair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()},
			func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, r.Proto, " ", r.TLS.PeerCertificates[0].Subject.CommonName)
			})
		_, cert, key := ca.issue(t, "first")
		var lines lockedBuffer
		client := server.client(t, Config{
			CertFile: ca.write(t, "tls.crt", cert), KeyFile: ca.write(t, "tls.key", key), CAFile: ca.write(t, "ca.crt", ca.PEM),
			Logger: slog.New(slog.NewTextHandler(&lines, nil)),
		})
		ask := func(want string) {
			t.Helper()
			client.CloseIdleConnections()
			if got, err := whoIsThere(client); err != nil || got != "HTTP/2.0 "+want {
				t.Errorf("%q, %v; want %q", got, err, "HTTP/2.0 "+want)
			}
		}
		ask("first")

		_, cert, key = ca.issue(t, "second")
		ca.write(t, "tls.crt", cert)
		ca.write(t, "tls.key", key)
		time.Sleep(11 * time.Second) // the files are looked at every 10 s
		ask("second")

		for reason, broken := range map[string][]byte{"half": cert[:len(cert)/2], "nothing": nil, "text": []byte("not a certificate")} {
			before := lines.lines("not replaced")
			ca.write(t, "tls.crt", broken)
			time.Sleep(11 * time.Second)
			ask("second")
			if lines.lines("not replaced") == before {
				t.Errorf("%s: nothing is said", reason)
			}
			ca.write(t, "tls.crt", cert) // or the same reason would not be said again
			time.Sleep(11 * time.Second)
			ask("second")
		}
	})
}

func TestReplacedAuthoritiesAreUsedByTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := newAuthority(t, t.TempDir()), newAuthority(t, t.TempDir())
		pair, _, _ := before.issue(t, "inventory")
		var mu sync.Mutex
		server := newPipeServer(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			mu.Lock()
			defer mu.Unlock()
			return new(pair), nil
		}}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
		var lines lockedBuffer
		client := server.client(t, Config{CAFile: before.write(t, "ca.crt", before.PEM), Logger: slog.New(slog.NewTextHandler(&lines, nil))})
		if _, err := whoIsThere(client); err != nil {
			t.Fatal(err)
		}

		// The old authority is taken back: the connection that it vouched for is used no longer.
		before.write(t, "ca.crt", after.PEM)
		time.Sleep(11 * time.Second)
		_, err := whoIsThere(client)
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || errors.Retryable(err) {
			t.Errorf("got %v, want an authority that is not trusted", err)
		}
		mu.Lock()
		pair, _, _ = after.issue(t, "inventory")
		mu.Unlock()
		if _, err := whoIsThere(client); err != nil {
			t.Error(err)
		}

		before.write(t, "ca.crt", []byte("broken"))
		time.Sleep(11 * time.Second)
		if _, err := whoIsThere(client); err != nil {
			t.Errorf("with a broken replacement: %v", err)
		}
		if lines.lines("not replaced") != 1 {
			t.Errorf("the broken replacement is mentioned %d times, want once", lines.lines("not replaced"))
		}
	})
}

func TestCertificateFilesAreCheckedByNew(t *testing.T) {
	ca := newAuthority(t, t.TempDir())
	_, cert, key := ca.issue(t, "orders")
	_, _, otherKey := ca.issue(t, "other")
	certFile, keyFile, caFile := ca.write(t, "tls.crt", cert), ca.write(t, "tls.key", key), ca.write(t, "ca.crt", ca.PEM)
	missing := filepath.Join(ca.dir, "missing")
	for want, cfg := range map[string]Config{
		"":                                   {CertFile: certFile, KeyFile: keyFile, CAFile: caFile},
		"CertFile: is given without KeyFile": {CertFile: certFile},
		"KeyFile: is given without CertFile": {KeyFile: keyFile},
		"CertFile: read":                     {CertFile: certFile, KeyFile: missing},
		"private key does not match":         {CertFile: certFile, KeyFile: ca.write(t, "other.key", otherKey)},
		"CAFile: read":                       {CAFile: missing},
		"CAFile: is given, and so is TLS":    {CAFile: caFile, TLS: &tls.Config{RootCAs: ca.Pool()}},
		"CAFile: is given, and so is Trans":  {CAFile: caFile, Transport: http.DefaultTransport},
		"CertFile: is given, and so is a":    {CertFile: certFile, KeyFile: keyFile, TLS: &tls.Config{Certificates: []tls.Certificate{{}}}},
		"CertFile: is given, and so is Tr":   {CertFile: certFile, KeyFile: keyFile, Transport: http.DefaultTransport},
	} {
		_, err := New("inventory", cfg)
		if (err == nil) != (want == "") || err != nil && strings.Count(err.Error(), want) != 1 {
			t.Errorf("got %v, want %q once", err, want)
		}
	}
}

// A silentConn loses everything from a moment on, as when the peer's machine is gone.
type silentConn struct {
	net.Conn
	gone chan struct{}
}

func (c *silentConn) Write(p []byte) (int, error) {
	select {
	case <-c.gone:
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

// An HTTP/2 connection whose peer is gone would otherwise be used until TCP gives up, which takes a
// quarter of an hour.
func TestDeadConnectionsAreFoundByPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, t.TempDir())
		pair, _, _ := ca.issue(t, "inventory")
		server := newPipeServer(t, &tls.Config{Certificates: []tls.Certificate{pair}},
			func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
		gone, dialled := make(chan struct{}), 0
		server.wrap = func(conn net.Conn) net.Conn {
			if dialled++; dialled == 1 {
				return &silentConn{conn, gone}
			}
			return conn
		}
		client := server.client(t, Config{TLS: &tls.Config{RootCAs: ca.Pool()}, Timeout: -1, AttemptTimeout: -1})
		if got, err := whoIsThere(client); err != nil || got != "HTTP/2.0" {
			t.Fatalf("%q, %v", got, err)
		}
		close(gone)
		start := time.Now()
		got, err := whoIsThere(client)
		if took := time.Since(start); err != nil || took > pingAfter+pingTimeout+5*time.Second || dialled != 2 {
			t.Errorf("%q, %v after %v and %d connections; want an answer over the second one within 50 s", got, err, took, dialled)
		}
	})
}
