package httpclient

import (
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"
)

// A call that took the old generation just before it ended makes the old transport keep connections again.
// An HTTP/2 connection that was busy then is kept, too.
func TestConnectionsOfOldGenerationsAreClosed(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			closed, more := make(chan struct{}, 10), make(chan struct{})
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != version {
					t.Errorf("%s", r.Proto)
				}
				_ = http.NewResponseController(w).Flush()
				if r.URL.Path == "/slow" {
					<-more
				}
			}))
			server.EnableHTTP2 = version == "HTTP/2.0"
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					closed <- struct{}{}
				}
			}
			server.StartTLS()
			defer server.Close()
			trusted := x509.NewCertPool()
			trusted.AddCert(server.Certificate())
			p := newPool(time.Hour, func() *x509.CertPool { return trusted }, func(roots *x509.CertPool) *http.Transport {
				own := server.Client().Transport.(*http.Transport).Clone()
				own.TLSClientConfig.RootCAs = roots
				return own
			})
			old := p.transport()
			slow := get(t, p, server.URL+"/slow")
			trusted = trusted.Clone()
			p.transport() // begins a generation
			consume(t, get(t, old, server.URL))
			close(more)
			consume(t, slow)
			for left := map[string]int{"HTTP/1.1": 2, "HTTP/2.0": 1}[version]; left > 0; {
				select {
				case <-closed:
					left--
				default: // an HTTP/2 connection is idle a moment after its last stream has ended
					p.CloseIdleConnections()
					runtime.Gosched()
				}
			}
		})
	}
}

func get(t *testing.T, by http.RoundTripper, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := by.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func consume(t *testing.T, resp *http.Response) {
	t.Helper()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	_ = resp.Body.Close()
}
