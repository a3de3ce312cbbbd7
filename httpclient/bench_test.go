package httpclient_test

import (
	"net/http"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
	"go.opentelemetry.io/otel/propagation"
)

// stub answers at once and allocates as little as it can: what is measured is the client.
type stub struct{}

func (stub) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}, nil
}

func withSDK() httpclient.Config {
	return httpclient.Config{
		TracerProvider: sdktrace.NewTracerProvider(),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
		Propagator:     propagation.TraceContext{},
	}
}

func get(tb testing.TB, client *http.Client) {
	req, err := http.NewRequestWithContext(tb.Context(), "GET", target, nil)
	if err != nil {
		tb.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	_ = resp.Body.Close()
}

func TestAllocationsOfACall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	bare := &http.Client{Transport: stub{}}
	floor := testing.AllocsPerRun(200, func() { get(t, bare) })
	for name, tc := range map[string]struct {
		cfg  httpclient.Config
		most float64 // more than net/http alone
	}{
		"without OpenTelemetry SDK": {httpclient.Config{}, 12},
		"with OpenTelemetry SDK":    {withSDK(), 25},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, stub{}, tc.cfg)
			got := testing.AllocsPerRun(200, func() { get(t, client) })
			t.Logf("%v allocations, of which net/http makes %v", got, floor)
			if got > floor+tc.most {
				t.Errorf("%v allocations, want at most %v more than net/http's %v", got, tc.most, floor)
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for name, client := range map[string]*http.Client{
		"net/http": {Transport: stub{}},
		"sdk":      newClient(b, stub{}, httpclient.Config{}),
		"sdk+otel": newClient(b, stub{}, withSDK()),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				get(b, client)
			}
		})
	}
}

func BenchmarkGetJSON(b *testing.B) {
	client := newClient(b, httpclienttest.NewTransport(httpclienttest.JSON(200, `{"sku":"17","stock":3}`)), httpclient.Config{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := httpclient.Get[item](b.Context(), client, target); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpload sends 64 MiB three times: two attempts fail.
func BenchmarkUpload(b *testing.B) {
	base := &discards{}
	client := newClient(b, base, httpclient.Config{
		Retry:   resilience.RetryConfig{Backoff: resilience.Backoff{Base: -1}},
		Breaker: resilience.BreakerConfig{FailureRatio: -1},
	})
	b.ReportAllocs()
	for b.Loop() {
		*base = discards{}
		resp, err := client.Do((&upload{size: 64 << 20}).request(b))
		if err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}

// BenchmarkLoopback is the price of a call where it matters: over a connection.
func BenchmarkLoopback(b *testing.B) {
	server, _ := countingServer(b, func(http.ResponseWriter, *http.Request) {})
	for name, client := range map[string]*http.Client{
		"net/http": {Transport: &http.Transport{}},
		"sdk":      ownClient(b, httpclient.Config{}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				resp, err := send(b, client, "GET", server.URL, "")
				if err != nil {
					b.Fatal(err)
				}
				_ = resp.Body.Close()
			}
		})
		client.CloseIdleConnections()
	}
}
