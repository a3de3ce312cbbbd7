package httpserver_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/backend-platform/sdk/httpserver"
)

// processKey makes the test binary a service, of the kind that is its value.
const processKey = "HTTPSERVER_TEST_PROCESS"

// signalsAreBack is what the service logs when a second signal would end it.
const signalsAreBack = "a second signal ends the process"

// serveAsProcess is main of a service: it writes its addresses to stdout and its log to stderr.
func serveAsProcess(kind string) error {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	// As in the package's documentation.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop()
		slog.Info(signalsAreBack)
	})

	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(2 * time.Millisecond)
		_, _ = io.WriteString(w, "placed")
	})
	mux.HandleFunc("GET /stuck", hang)
	cfg := httpserver.Config{
		Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
		TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned()}},
	}
	var left http.HandlerFunc
	switch kind {
	case "bare":
		return serveBare(ctx, mux, cfg.TLS)
	case "sdk":
		// The delay is over when the test says that its clients have left, however slow the machine is.
		l, err := net.Listen("tcp", cfg.Addr)
		if err != nil {
			return err
		}
		cfg.Listener, cfg.DrainDelay = l, time.Hour
		left = func(http.ResponseWriter, *http.Request) { _ = l.Close() }
	case "impatient":
		cfg.DrainDelay, cfg.DrainTimeout = -1, 100*time.Millisecond
	case "patient":
		cfg.DrainDelay, cfg.DrainTimeout = -1, -1
	}
	server, err := httpserver.New(mux, cfg)
	if err != nil {
		return err
	}
	if left != nil {
		server.Admin().HandleFunc("POST /left", left)
	}
	fmt.Println(server.URL())
	fmt.Println("http://" + server.AdminAddr().String())
	return server.Run(ctx)
}

// hang does not end, whatever its context says.
func hang(w http.ResponseWriter, _ *http.Request) {
	_ = http.NewResponseController(w).Flush()
	select {}
}

// serveBare is what a service does without this package.
func serveBare(ctx context.Context, h http.Handler, cfg *tls.Config) error {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: cfg.Certificates, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return err
	}
	fmt.Println("https://" + l.Addr().String())
	fmt.Println("none")
	server := &http.Server{Handler: h}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return server.Shutdown(context.WithoutCancel(ctx))
	}
}

// A process is a service in a process of its own.
type process struct {
	*exec.Cmd
	url, admin string
	log        logs
	signalled  chan struct{} // closed when the log says that a second signal ends it
	once       sync.Once
}

// Write takes the log.
func (p *process) Write(b []byte) (int, error) {
	n, err := p.log.Write(b)
	if strings.Contains(p.log.String(), signalsAreBack) {
		p.once.Do(func() { close(p.signalled) })
	}
	return n, err
}

func startProcess(t *testing.T, kind string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(t.Context(), os.Args[0]), signalled: make(chan struct{})}
	p.Env = append(os.Environ(), processKey+"="+kind)
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stderr = p
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for _, s := range []*string{&p.url, &p.admin} {
		if !lines.Scan() {
			_ = p.Wait()
			t.Fatalf("the process did not start:\n%s", &p.log)
		}
		*s = lines.Text()
	}
	return p
}

func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// selfSigned is a certificate that nobody vouches for.
func selfSigned() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// newTransport speaks HTTP/2, or HTTP/1.1 alone.
func newTransport(t *testing.T, http2 bool) *http.Transport {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // its certificate is made up
		MaxIdleConnsPerHost: 64,
		Protocols:           new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// crowd is clients that call a service again and again on connections that they keep, with requests that net/http does
// not repeat by itself where a connection breaks. When a load balancer has seen that the service is not ready, each calls
// twice more and is then taken elsewhere.
type crowd struct {
	served, servedLate, broken atomic.Int64
	fault                      atomic.Value
	warm                       chan struct{} // gets one for each client that has been served for a while
	noticed                    chan struct{} // closed: the load balancer has seen it
	clients                    sync.WaitGroup
}

func (c *crowd) call(ctx context.Context, client *http.Client, url string) {
	for n, late := 0, 0; late < 2; n++ {
		served := &c.served
		select {
		case <-c.noticed:
			served = &c.servedLate
			late++
		default:
		}
		switch err := sendOrder(ctx, client, url); {
		case err == nil:
			served.Add(1)
		case errors.Is(err, errNotSent):
		default:
			c.broken.Add(1)
			c.fault.CompareAndSwap(nil, err.Error())
			if errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
		}
		if n == 30 {
			c.warm <- struct{}{}
		}
	}
}

// errNotSent is for a request of which nothing left the client: net/http does not repeat it either where the connection
// that it was to go by has gone, and it cannot have the body again, although nobody has read it.
var errNotSent = errors.New("the request was not sent")

func sendOrder(ctx context.Context, client *http.Client, url string) error {
	body := &readOnce{Reader: strings.NewReader("order")}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/orders", body)
	if err != nil {
		return err
	}
	req.ContentLength = int64(len("order"))
	res, err := client.Do(req)
	if err != nil {
		if !body.read.Load() && strings.Contains(err.Error(), "cannot rewind body after connection loss") {
			return errNotSent
		}
		return err
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err == nil && string(text) != "placed" {
		err = fmt.Errorf("status %d, body %q", res.StatusCode, text)
	}
	return err
}

// readOnce is a body that net/http cannot have again.
type readOnce struct {
	io.Reader
	read atomic.Bool
}

func (b *readOnce) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.Reader.Read(p)
}

const clientsOfEach = 8

// underLoad sends a service that many clients use a SIGTERM, and returns when it has ended.
func underLoad(t *testing.T, p *process) (*crowd, error) {
	t.Helper()
	c := &crowd{warm: make(chan struct{}, 2*clientsOfEach), noticed: make(chan struct{})}
	for _, http2 := range []bool{false, true} {
		client := &http.Client{Transport: newTransport(t, http2)}
		for range clientsOfEach {
			c.clients.Go(func() { c.call(t.Context(), client, p.url) })
		}
	}
	for range 2 * clientsOfEach {
		<-c.warm
	}
	p.terminate(t)
	if p.admin != "none" {
		probes := time.NewTicker(20 * time.Millisecond)
		defer probes.Stop()
		for ready := true; ready; {
			<-probes.C
			res, err := http.Get(p.admin + "/readyz")
			if err != nil {
				t.Fatalf("the probe at the admin address: %v", err)
			}
			_ = res.Body.Close()
			ready = res.StatusCode == http.StatusOK
		}
		close(c.noticed)
	}
	c.clients.Wait()
	if p.admin != "none" {
		res, err := http.Post(p.admin+"/left", "", nil)
		if err != nil {
			t.Fatalf("the clients have left: %v", err)
		}
		_ = res.Body.Close()
	}
	return c, p.Wait()
}

func TestSIGTERMUnderLoadBreaksNoRequest(t *testing.T) {
	p := startProcess(t, "sdk")
	c, err := underLoad(t, p)
	if err != nil {
		t.Errorf("the process ended with %v:\n%s", err, &p.log)
	}
	if n := c.broken.Load(); n > 0 {
		t.Errorf("%d requests were broken, %d served; the first: %v", n, c.served.Load()+c.servedLate.Load(), c.fault.Load())
	}
	if c.servedLate.Load() == 0 {
		t.Error("when readiness is off nothing is served any more")
	}
	t.Logf("%d requests served, and %d after readiness was off", c.served.Load(), c.servedLate.Load())
}

// The test above is able to fail: http.Server.Shutdown alone does not pass it.
func TestSIGTERMUnderLoadBreaksRequestsOfABareServer(t *testing.T) {
	c, _ := underLoad(t, startProcess(t, "bare"))
	if c.broken.Load() == 0 {
		t.Error("no request was broken")
	}
	t.Logf("%d requests were broken, %d served", c.broken.Load(), c.served.Load())
}

// stuck begins a request that never ends, and returns when its handler runs.
func stuck(t *testing.T, p *process) {
	t.Helper()
	client := &http.Client{Transport: newTransport(t, false)}
	res, err := client.Get(p.url + "/stuck")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
}

func TestSIGTERMEndsAStuckHandlerAtTheBudget(t *testing.T) {
	p := startProcess(t, "impatient")
	stuck(t, p)
	p.terminate(t)
	exit, ok := errors.AsType[*exec.ExitError](p.Wait())
	if !ok || exit.ExitCode() != 1 {
		t.Errorf("the process ended with %v, want exit status 1", exit)
	}
	text := p.log.String()
	for _, want := range []string{"1 requests were cut off after", "of which 1 did not end", "httpserver_test.hang"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q:\n%s", want, text)
		}
	}
}

func TestASecondSIGTERMEndsTheProcessAtOnce(t *testing.T) {
	p := startProcess(t, "patient")
	stuck(t, p)
	p.terminate(t)
	<-p.signalled
	p.terminate(t)
	exit, ok := errors.AsType[*exec.ExitError](p.Wait())
	if !ok {
		t.Fatalf("the process ended with %v", exit)
	}
	if status := exit.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the process ended with %v, want the signal", exit)
	}
}
