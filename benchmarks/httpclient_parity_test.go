package main_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/go-retryablehttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/resilience"
)

// clientDifferences are all facts of a client's spans and metrics in which this SDK differs from otelhttp.
var clientDifferences = []difference{
	{
		facts: []string{"span.name"},
		why:   "the conventions name a client's span by its method alone, or HTTP where that is not known; open-telemetry/opentelemetry-go-contrib#726",
	},
	{
		facts: []string{"span.attribute.url.full"},
		in:    []string{"query", "user and password"},
		why:   "values that look secret are redacted: otelhttp shows the query as it is (open-telemetry/opentelemetry-go-contrib#6987), and leaves out that there was a user",
	},
	{
		facts: []string{"metric.*.attribute.error.type"},
		in:    []string{"unknown method", "lower-case method", "status 404", "status 500", "status 503"},
		why:   "otelhttp has none in its metrics; the conventions require it of a failed request, and its spans have it",
	},
	{
		facts: []string{"*.attribute.error.type"},
		in:    []string{"refused", "gone"},
		why:   "the code of the error is of a small set and says what happened, the name of a Go type does not",
	},
	{
		facts: []string{"*.attribute.network.protocol.version", "metric.*.attribute.network.protocol.name"},
		in:    []string{"refused", "gone"},
		why:   "without a response it is not known which version of HTTP it would have been; otelhttp says 1.1",
	},
	{
		facts: []string{"*.attribute.network.protocol.version"},
		in:    []string{"HTTP/2 over TLS", "POST over HTTP/2"},
		why:   "the conventions name 2 as the version of HTTP/2, otelhttp says 2.0",
	},
	{
		facts: []string{"*.attribute.server.port"},
		in:    []string{"usual port", "usual port, written"},
		why:   "the conventions require the port of a client always; otelhttp leaves out the scheme's own",
	},
	{
		facts: []string{"*.attribute.server.address"},
		in:    []string{"upper-case host"},
		why:   "a host's name is the same in any case, and so is its metric series",
	},
	{
		facts: []string{"*.attribute.http.request.method"},
		in:    []string{"lower-case method"},
		why:   "methods are case-sensitive (RFC 9110, section 9.1), so get is not GET, which net/http and the conventions agree on",
	},
	{
		facts: []string{"metric.http.client.request.body.size.*"},
		in:    withoutBody(),
		why:   "a request without a body has no size of one; otelhttp records 0 for each",
	},
	{
		facts: []string{"metric.http.client.request.body.size.buckets"},
		why:   "the conventions advise none; the defaults of the SDK of OpenTelemetry, which otelhttp takes, are milliseconds and end at 10 kB",
	},
	{
		facts: []string{"metric.http.client.active_requests.*", "metric.http.client.response.body.size.*"},
		why:   "otelhttp does not have these metrics of the conventions",
	},
}

func withoutBody() []string {
	var names []string
	for _, s := range clientScenarios {
		if !strings.HasPrefix(s.name, "POST") {
			names = append(names, s.name)
		}
	}
	return names
}

// A clientScenario is one attempt: otelhttp knows no others.
type clientScenario struct {
	name    string
	http2   bool
	request func(ctx context.Context, url string) (*http.Request, error)
	fails   error // of the connection
	late    bool  // the caller goes away before there is an answer
}

var clientScenarios = []clientScenario{
	{name: "GET", request: get("/stock/17")},
	{name: "query", request: get("/stock/17?page=2&token=hunter2")},
	{name: "user and password", request: func(ctx context.Context, url string) (*http.Request, error) {
		return get("/stock/17")(ctx, strings.Replace(url, "//", "//user:password@", 1))
	}},
	{name: "fragment", request: get("/stock/17#there")},
	{name: "usual port", request: at("http://inventory.example.com")},
	{name: "usual port, written", request: at("http://inventory.example.com:80")},
	{name: "usual port of the other scheme", request: at("http://inventory.example.com:443")},
	{name: "upper-case host", request: at("http://INVENTORY.example.com:8080")},
	{name: "IPv6", request: at("http://[2001:db8::1]:8080")},
	{name: "another Host", request: func(ctx context.Context, url string) (*http.Request, error) {
		r, err := get("/stock/17")(ctx, url)
		if err == nil {
			r.Host = "orders.example.com"
		}
		return r, err
	}},
	{name: "HTTP/2 over TLS", http2: true, request: get("/stock/17")},
	{name: "HEAD", request: call(http.MethodHead, "/stock/17", nil)},
	{name: "POST", request: call(http.MethodPost, "/stock", known)},
	{name: "POST in chunks", request: call(http.MethodPost, "/stock", unknown)},
	{name: "POST over HTTP/2", http2: true, request: call(http.MethodPost, "/stock", unknown)},
	{name: "unknown method", request: call("BREW", "/pot", nil)},
	{name: "lower-case method", request: call("get", "/stock/17", nil)},
	{name: "status 302", request: get("/status/302")},
	{name: "status 404", request: get("/status/404")},
	{name: "status 500", request: get("/status/500")},
	{name: "status 503", request: get("/status/503")},
	{name: "stream", request: get("/stream")},
	{name: "refused", request: get("/stock/17"), fails: syscall.ECONNREFUSED},
	{name: "gone", request: get("/stock/17"), late: true},
}

func at(origin string) func(context.Context, string) (*http.Request, error) {
	return func(ctx context.Context, _ string) (*http.Request, error) { return get("/stock/17")(ctx, origin) }
}

func ourTransport(t *testing.T, r *recorded, base http.RoundTripper) http.RoundTripper {
	client, err := httpclient.New("inventory", httpclient.Config{
		Transport: base, Retry: resilience.RetryConfig{Attempts: -1}, Logger: slog.New(slog.DiscardHandler),
		TracerProvider: r.tracer, MeterProvider: r.meter, Propagator: r.propage,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client.Transport
}

func theirTransport(_ *testing.T, r *recorded, base http.RoundTripper) http.RoundTripper {
	return otelhttp.NewTransport(base,
		otelhttp.WithTracerProvider(r.tracer), otelhttp.WithMeterProvider(r.meter), otelhttp.WithPropagators(r.propage))
}

// observeClient makes one request and returns the facts that its client reports.
func observeClient(t *testing.T, s clientScenario, newTransport func(*testing.T, *recorded, http.RoundTripper) http.RoundTripper) map[string]string {
	t.Helper()
	r := newRecorded()
	parent := ""
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		parent = req.Header.Get("Traceparent")
		if s.late {
			cancel()
			<-req.Context().Done()
			return
		}
		shop().ServeHTTP(w, req)
	}))
	server.EnableHTTP2 = s.http2
	if s.http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	defer server.Close()
	base := server.Client().Transport.(*http.Transport)
	base.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if s.fails != nil {
			return nil, s.fails
		}
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	req, err := s.request(ctx, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	body := &closedBody{ReadCloser: req.Body, closed: make(chan struct{})}
	if req.Body != nil {
		req.Body = body
	}
	resp, err := newTransport(t, r, base).RoundTrip(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if req.Body != nil {
		<-body.closed // net/http closes it whenever it likes, and otelhttp records then
	}
	base.CloseIdleConnections()
	server.Close()
	facts := spanFacts(t, r)
	maps.Copy(facts, metricFacts(t, r))
	span := r.spans.Ended()[0].SpanContext()
	facts["propagated"] = fmt.Sprint(strings.Contains(parent, span.TraceID().String()+"-"+span.SpanID().String()))
	replace := strings.NewReplacer(server.Listener.Addr().(*net.TCPAddr).AddrPort().String(), "SERVER",
		fmt.Sprint(server.Listener.Addr().(*net.TCPAddr).Port), "PORT")
	for fact, value := range facts {
		facts[fact] = replace.Replace(value)
	}
	return facts
}

// closedBody tells when it was closed.
type closedBody struct {
	io.ReadCloser
	once   sync.Once
	closed chan struct{}
}

func (b *closedBody) Close() error {
	defer b.once.Do(func() { close(b.closed) })
	return b.ReadCloser.Close()
}

func TestClientTelemetryIsThatOfOtelhttp(t *testing.T) {
	judge := newJudge(t, clientDifferences)
	for _, s := range clientScenarios {
		judge.compare(s.name, observeClient(t, s, ourTransport), observeClient(t, s, theirTransport))
	}
	judge.finish()
}

// otelhttp cannot know that an attempt is not the first: inside a retrying client its spans look alike.
func TestAttemptsAreToldApart(t *testing.T) {
	resends := func(newClient func(r *recorded, base http.RoundTripper) *http.Client) []string {
		calls := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer server.Close()
		r := newRecorded()
		resp, err := newClient(r, server.Client().Transport).Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		var counts []string
		for _, span := range r.spans.Ended() {
			count := ""
			for _, kv := range span.Attributes() {
				if kv.Key == "http.request.resend_count" {
					count = kv.Value.String()
				}
			}
			counts = append(counts, count)
		}
		return counts
	}
	bare := resends(func(r *recorded, base http.RoundTripper) *http.Client {
		retry := retryablehttp.NewClient()
		retry.Logger, retry.RetryWaitMin, retry.RetryWaitMax = nil, 1, 1
		retry.HTTPClient.Transport = theirTransport(t, r, base)
		return retry.StandardClient()
	})
	if !slices.Equal(bare, []string{"", "", ""}) {
		t.Errorf("otelhttp tells attempts apart: %q", bare)
	}
	ours := resends(func(r *recorded, base http.RoundTripper) *http.Client {
		client, err := httpclient.New("inventory", httpclient.Config{
			Transport: base, Retry: resilience.RetryConfig{Backoff: resilience.Backoff{Base: -1}}, Logger: slog.New(slog.DiscardHandler),
			TracerProvider: r.tracer, MeterProvider: r.meter, Propagator: r.propage,
		})
		if err != nil {
			t.Fatal(err)
		}
		return client
	})
	if !slices.Equal(ours, []string{"", "1", "2"}) {
		t.Errorf("got %q, want the number of each attempt after the first", ours)
	}
}
