package httpclient_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/resilience"
)

// countingServer counts the connections that are made to it.
func countingServer(t testing.TB, handler http.HandlerFunc) (server *httptest.Server, connections *atomic.Int64) {
	t.Helper()
	connections = new(atomic.Int64)
	server = httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server, connections
}

// few is how many connections may be made where one is enough: net/http gives up a connection whose write
// is not acknowledged within 50 ms, which happens on a busy machine.
const few = 3

// ownClient has the transport that a client has by default.
func ownClient(t testing.TB, cfg httpclient.Config) *http.Client {
	t.Helper()
	client := newClient(t, nil, cfg)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestHelpersReuseTheConnectionWhateverTheResponse(t *testing.T) {
	server, connections := countingServer(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/problem":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(404)
			_, _ = io.WriteString(w, `{"code":"not_found"}`+strings.Repeat(" ", 200_000))
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, strings.Repeat("<p>", 50_000))
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{}`+strings.Repeat(" ", 20_000))
		}
	})
	client := ownClient(t, httpclient.Config{})
	for range 3 {
		for _, path := range []string{"/json", "/problem", "/html"} {
			_, err := httpclient.Get[struct{ A int }](t.Context(), client, server.URL+path)
			if (err != nil) != (path != "/json") {
				t.Errorf("%s: %v", path, err)
			}
		}
		if err := httpclient.Delete(t.Context(), client, server.URL+"/json"); err != nil {
			t.Error(err)
		}
	}
	if got := connections.Load(); got > few {
		t.Errorf("%d connections for 12 calls, want 1", got)
	}
}

func TestServesHTTP2OverTLSAndRefusesUnknownCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.Proto+" "+req.UserAgent())
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	resp, err := send(t, ownClient(t, httpclient.Config{TLS: &tls.Config{RootCAs: roots}, UserAgent: "orders/1.4.2"}), "GET", server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := readAndClose(t, resp); !strings.HasPrefix(got, "HTTP/2.0 orders/1.4.2 sdk-httpclient/") {
		t.Errorf("got %q", got)
	}

	_, err = send(t, ownClient(t, httpclient.Config{}), "GET", server.URL, "")
	if errors.CodeOf(err) != errors.Unavailable || errors.Retryable(err) {
		t.Errorf("%v: code %v, retryable %v; want unavailable and never retried", err, errors.CodeOf(err), errors.Retryable(err))
	}
	if _, retried := errors.AsType[*resilience.AttemptsError](err); retried {
		t.Errorf("%v: was retried", err)
	}
}

func TestRefusesOldTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	if resp, err := send(t, ownClient(t, httpclient.Config{TLS: &tls.Config{RootCAs: roots}}), "GET", server.URL, ""); err == nil {
		_ = resp.Body.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

func TestResponseHeadersAreLimited(t *testing.T) {
	server, _ := countingServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 300<<10))
	})
	if resp, err := send(t, ownClient(t, httpclient.Config{Retry: once}), "GET", server.URL, ""); err == nil {
		_ = resp.Body.Close()
		t.Error("300 KiB of headers were accepted")
	}
}

func TestWhatCannotBeSentIsNotRetried(t *testing.T) {
	client := ownClient(t, httpclient.Config{})
	for name, change := range map[string]func(*http.Request){
		"scheme":       func(r *http.Request) { r.URL.Scheme = "gopher" },
		"no host":      func(r *http.Request) { r.URL.Host = "" },
		"header name":  func(r *http.Request) { r.Header["X Y"] = []string{"1"} },
		"header value": func(r *http.Request) { r.Header["X"] = []string{"a\nb"} },
		"method":       func(r *http.Request) { r.Method = "GET IT" },
	} {
		t.Run(name, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:1/", nil)
			change(req)
			_, err := client.Do(req)
			if err == nil || errors.Retryable(err) {
				t.Errorf("%v: retryable %v", err, errors.Retryable(err))
			}
			if _, retried := errors.AsType[*resilience.AttemptsError](err); retried {
				t.Errorf("%v: was retried", err)
			}
		})
	}
	var wrapped *url.Error
	if _, err := client.Get("http://%zz/"); !errors.As(err, &wrapped) {
		t.Errorf("%v is no url.Error", err)
	}
}

func TestTruncatedBodyIsAnErrorOfTheRead(t *testing.T) {
	server, _ := countingServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"a":`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err := httpclient.Get[map[string]int](t.Context(), ownClient(t, httpclient.Config{}), server.URL)
	if errors.CodeOf(err) != errors.Unavailable || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v: code %v, want unavailable from an unexpected EOF", err, errors.CodeOf(err))
	}
}

func TestReverseProxyCanUseTheTransport(t *testing.T) {
	backend, _ := countingServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	to, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, _ := countingServer(t, (&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: ownClient(t, httpclient.Config{}).Transport,
		ErrorLog:  log.New(io.Discard, "", 0),
	}).ServeHTTP)
	resp, err := send(t, ownClient(t, httpclient.Config{}), "POST", proxy.URL, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if body := readAndClose(t, resp); resp.StatusCode != 200 || body != "hello" {
		t.Errorf("status %d, body %q", resp.StatusCode, body)
	}
}
