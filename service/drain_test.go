package service_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/backend-platform/sdk/internal/certs/certstest"
)

// bare are the ways in which a service stops without this SDK: net/http's own, at once, after a delay, and after a delay in
// which no connection is kept, which closes those that are idle under clients that are about to use them (golang/go#23829).
var bare = map[string]func(*http.Server){
	"bare":                      func(*http.Server) {},
	"bare, delayed":             func(*http.Server) { time.Sleep(bareDelay) },
	"bare, without keep-alives": func(s *http.Server) { s.SetKeepAlivesEnabled(false); time.Sleep(bareDelay) },
}

// bareDelay is much longer than a request takes.
const bareDelay = 300 * time.Millisecond

// serveBare is such a service.
func serveBare(delay func(*http.Server)) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("{\"body\":\"service ready\",\"addr\":%q}\n", l.Addr())
	server := &http.Server{Handler: orders()}
	go func() {
		if cert := os.Getenv("TEST_CERT"); cert != "" {
			_ = server.ServeTLS(l, cert, os.Getenv("TEST_KEY"))
		} else {
			_ = server.Serve(l)
		}
	}()
	<-ctx.Done()
	delay(server)
	_ = server.Shutdown(context.WithoutCancel(ctx))
}

// protocol is how the clients of a crowd call.
type protocol struct {
	name    string
	http2   bool
	clients int
}

var protocols = []protocol{{"HTTP/1.1", false, 64}, {"HTTP/2", true, 32}}

// crowd is clients that call without a pause, on connections that they keep, until a load balancer takes them elsewhere.
type crowd struct {
	served, late, broken atomic.Int64
	refused              atomic.Int64   // clients that nobody answers any more: not a broken request, but no service either
	fault                atomic.Value   // the first
	warm                 sync.WaitGroup // done when each client was served 20 times
	gone                 atomic.Bool    // the load balancer has seen that the service is not ready
}

// call is one client. It leaves a little after it was told to: what is on its way then has to be served as well.
func (c *crowd) call(ctx context.Context, client *http.Client, url string) {
	for n, late := 1, 0; late < 5; n++ {
		if c.gone.Load() {
			late++
		}
		err := place(ctx, client, url)
		switch {
		case n > 20 && errors.Is(err, syscall.ECONNREFUSED):
			c.refused.Add(1)
			return
		case err != nil:
			c.broken.Add(1)
			c.fault.CompareAndSwap(nil, err.Error())
		case late > 0:
			c.late.Add(1)
		default:
			c.served.Add(1)
		}
		if n == 20 {
			c.warm.Done()
		}
	}
}

// place orders. For HTTP/1.1 net/http does not send a POST a second time once it has begun to send it; for HTTP/2 it does
// where the server says that it has not looked at it.
func place(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/orders", strings.NewReader("order"))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err == nil && string(text) != "placed" {
		err = fmt.Errorf("status %d, body %q", res.StatusCode, text)
	}
	return err
}

// terminated sends a process that a crowd calls a SIGTERM and returns when both are at their end.
func terminated(t *testing.T, p *process, proto protocol, roots *tls.Config) (*crowd, int) {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: proto.clients, TLSClientConfig: roots, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!proto.http2)
	transport.Protocols.SetHTTP2(proto.http2)
	defer transport.CloseIdleConnections()
	c := &crowd{}
	c.warm.Add(proto.clients)
	var clients sync.WaitGroup
	for range proto.clients {
		clients.Go(func() { c.call(t.Context(), &http.Client{Transport: transport}, p.url) })
	}
	c.warm.Wait()
	p.signal(t, syscall.SIGTERM)
	for p.admin != "" && !c.gone.Load() {
		res, err := http.Get(p.admin + "/readyz")
		if err != nil {
			t.Fatalf("the probe: %v", err)
		}
		_ = res.Body.Close()
		c.gone.Store(res.StatusCode != http.StatusOK)
	}
	clients.Wait()
	code, _ := p.end(t)
	return c, code
}

// certificate is the environment of a process that speaks TLS, and the configuration of its clients.
func certificate(t *testing.T) ([]string, *tls.Config) {
	t.Helper()
	authority := certstest.NewAuthority(t, "drain test")
	cert, key := authority.Issue(t, certstest.Request{Hosts: []string{"127.0.0.1"}})
	dir := t.TempDir()
	return []string{
		"TEST_CERT=" + certstest.Write(t, dir, "cert.pem", cert), "TEST_KEY=" + certstest.Write(t, dir, "key.pem", key),
	}, &tls.Config{RootCAs: authority.Pool()}
}

const (
	stops     = 5
	bareStops = 20 // nearly always one is enough: a stop may find no connection at a bad moment
)

// A stop under load breaks no request, five times, and what net/http offers does. Connections that are refused after its end
// do not count.
func TestSIGTERMUnderLoad(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto.name, func(t *testing.T) {
			var env []string
			var roots *tls.Config
			if proto.http2 {
				env, roots = certificate(t)
			}
			t.Run("service", func(t *testing.T) {
				var served, late int64
				for range stops {
					p := startProcess(t, "serve", append(env, "SERVICE_DRAIN_DELAY=3s")...).ready(t)
					c, code := terminated(t, p, proto, roots)
					if n, refused := c.broken.Load(), c.refused.Load(); n > 0 || refused > 0 || code != 0 {
						t.Errorf("%d requests were broken, the first: %v; %d clients were refused; exit code %d", n, c.fault.Load(), refused, code)
					}
					served, late = served+c.served.Load(), late+c.late.Load()
				}
				if late == 0 {
					t.Error("nothing was served after readiness was off")
				}
				t.Logf("%d stops, %d requests served before and %d after readiness was off", stops, served, late)
			})
			if proto.http2 {
				return // GOAWAY tells its clients, and net/http's send again what nobody has looked at
			}
			for kind := range bare {
				t.Run(kind, func(t *testing.T) {
					var c *crowd
					n := 0
					for ; n < bareStops && (n == 0 || c.broken.Load() == 0); n++ {
						p := startProcess(t, kind, env...).ready(t)
						p.admin = ""
						c, _ = terminated(t, p, proto, roots)
					}
					if c.broken.Load() == 0 {
						t.Errorf("no request was broken in %d stops: the test cannot fail", n)
					}
					t.Logf("stop %d: %d requests broken, the first: %v; %d served", n, c.broken.Load(), c.fault.Load(), c.served.Load())
				})
			}
		})
	}
}
