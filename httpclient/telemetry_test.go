package httpclient_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/google/go-cmp/cmp"
)

// recorder is an OpenTelemetry SDK in memory.
type recorder struct {
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
	config httpclient.Config
}

func newRecorder() *recorder {
	r := &recorder{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	r.config = httpclient.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r.spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)),
		Propagator:     propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
	return r
}

func attributes(set []attribute.KeyValue) map[string]string {
	m := make(map[string]string, len(set))
	for _, kv := range set {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

func (r *recorder) durations(t testing.TB) map[string]uint64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	counts := map[string]uint64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "http.client.request.duration" {
				continue
			}
			if m.Unit != "s" {
				t.Errorf("unit %q, want s", m.Unit)
			}
			for _, point := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				counts[point.Attributes.Encoded(attribute.DefaultEncoder())] += point.Count
			}
		}
	}
	return counts
}

func TestEachAttemptHasAClientSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		script := httpclienttest.NewTransport(
			httpclienttest.Fail(syscall.ECONNREFUSED), httpclienttest.Status(503), httpclienttest.Status(200))
		client := newClient(t, script, r.config)
		ctx, parent := r.config.TracerProvider.Tracer("test").Start(t.Context(), "parent")
		ctx = httpclient.With(ctx, httpclient.Call{Route: "/items/{sku}"})
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://user:pass@inventory:8080/items/17?token=s3cret&page=2", nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		parent.End()

		start := map[string]string{
			"http.request.method": "GET", "server.address": "inventory", "server.port": "8080", "url.template": "/items/{sku}",
			"url.full": "http://REDACTED:REDACTED@inventory:8080/items/17?token=REDACTED&page=2",
		}
		with := func(more ...string) map[string]string {
			m := map[string]string{}
			maps.Copy(m, start)
			for i := 0; i < len(more); i += 2 {
				m[more[i]] = more[i+1]
			}
			return m
		}
		want := []map[string]string{
			with("error.type", "unavailable"),
			with("error.type", "503", "http.response.status_code", "503", "network.protocol.version", "1.1", "http.request.resend_count", "1"),
			with("http.response.status_code", "200", "network.protocol.version", "1.1", "http.request.resend_count", "2"),
		}
		spans := r.spans.Ended()
		if len(spans) != 4 {
			t.Fatalf("%d spans, want 3 and the parent", len(spans))
		}
		for i, w := range want {
			span := spans[i]
			if diff := cmp.Diff(w, attributes(span.Attributes())); diff != "" {
				t.Errorf("attempt %d: %s", i+1, diff)
			}
			if span.Name() != "GET /items/{sku}" || span.SpanKind() != trace.SpanKindClient || span.Parent().SpanID() != parent.SpanContext().SpanID() {
				t.Errorf("attempt %d: name %q, kind %v", i+1, span.Name(), span.SpanKind())
			}
			if got := span.Status().Code == codes.Error; got != (i < 2) {
				t.Errorf("attempt %d: status %v", i+1, span.Status())
			}
			if got := script.Requests()[i].Header.Get("Traceparent"); !strings.Contains(got, span.SpanContext().SpanID().String()) {
				t.Errorf("attempt %d: traceparent %q, want that of its span", i+1, got)
			}
		}
	})
}

func TestClientErrorsAreErrorsOfTheSpan(t *testing.T) {
	r := newRecorder()
	client := newClient(t, httpclienttest.NewTransport(httpclienttest.Status(404)), r.config)
	resp, err := send(t, client, "PURGE", "https://inventory/items", "")
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
	span := r.spans.Ended()[0]
	want := map[string]string{
		"http.request.method": "_OTHER", "http.request.method_original": "PURGE", "server.address": "inventory", "server.port": "443",
		"url.full": "https://inventory/items", "http.response.status_code": "404", "error.type": "404", "network.protocol.version": "1.1",
	}
	if diff := cmp.Diff(want, attributes(span.Attributes())); diff != "" || span.Name() != "HTTP" || span.Status().Code != codes.Error {
		t.Errorf("name %q, status %v: %s", span.Name(), span.Status(), diff)
	}
}

func TestDurationOfEachAttemptIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		client := newClient(t, httpclienttest.NewTransport(
			httpclienttest.Fail(syscall.ECONNREFUSED), httpclienttest.Status(503), httpclienttest.Status(200)), r.config)
		for range 2 {
			resp, err := send(t, client, "GET", target, "")
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
		}
		want := map[string]uint64{
			"error.type=unavailable,http.request.method=GET,server.address=inventory,server.port=8080,url.scheme=http":                                                                               1,
			"error.type=503,http.request.method=GET,http.response.status_code=503,network.protocol.name=http,network.protocol.version=1.1,server.address=inventory,server.port=8080,url.scheme=http": 1,
			"http.request.method=GET,http.response.status_code=200,network.protocol.name=http,network.protocol.version=1.1,server.address=inventory,server.port=8080,url.scheme=http":                2,
		}
		if diff := cmp.Diff(want, r.durations(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBaggageAndRemainingTimeGoToInternalHostsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := newRecorder().config
		cfg.InternalHosts = []string{"inventory", "*.svc.example.com", "only:8080"}
		script := httpclienttest.NewTransport()
		client := newClient(t, script, cfg)
		member, _ := baggage.NewMember("tenant", "acme")
		bag, _ := baggage.New(member)
		ctx := baggage.ContextWithBaggage(t.Context(), bag)
		for host, internal := range map[string]bool{
			"inventory": true, "INVENTORY:9090": true, "a.svc.example.com": true, "only:8080": true,
			"only:8081": false, "svc.example.com": false, "inventory.example.org": false, "xinventory": false,
		} {
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+host+"/", nil)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
			requests := script.Requests()
			header := requests[len(requests)-1].Header
			if header.Get("Traceparent") == "" {
				t.Errorf("%s: no trace context", host)
			}
			if got := header.Get("Baggage"); (got == "tenant=acme") != internal {
				t.Errorf("%s: baggage %q", host, got)
			}
			if got := header.Get("Request-Timeout-Ms"); (got == "10000") != internal {
				t.Errorf("%s: Request-Timeout-Ms %q", host, got)
			}
		}
	})
}

func TestRemainingTimeIsTheSmallestOfAllLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Status: 503, Header: http.Header{"Retry-After": {"0"}}, Delay: 2 * time.Second}, httpclienttest.Status(200))
		client := newClient(t, script, httpclient.Config{
			Timeout: 5 * time.Second, AttemptTimeout: 4 * time.Second, InternalHosts: []string{"inventory"},
		})
		resp, err := send(t, client, "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		first, second := script.Requests()[0], script.Requests()[1]
		if got := first.Header.Get("Request-Timeout-Ms"); got != "4000" {
			t.Errorf("first attempt: %q, want that of the attempt, 4000", got)
		}
		if got := second.Header.Get("Request-Timeout-Ms"); len(got) != 4 || got > "3000" {
			t.Errorf("second attempt: %q, want what is left of 5 s", got)
		}
		resp, err = send(t, client, "GET", target, "", "Request-Timeout-Ms", "7")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		if got := script.Requests()[2].Header.Get("Request-Timeout-Ms"); got != "7" {
			t.Errorf("the caller's own value became %q", got)
		}
	})
}

func TestResendCountGoesOnAfterARedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		client := newClient(t, httpclienttest.NewTransport(
			httpclienttest.Status(503), redirect("/b"), httpclienttest.Status(503), httpclienttest.Status(200)), r.config)
		resp, err := send(t, client, "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		var got []string
		for _, span := range r.spans.Ended() {
			got = append(got, attributes(span.Attributes())["http.request.resend_count"])
		}
		if diff := cmp.Diff([]string{"", "1", "2", "3"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestUnknownMethodsAndStatusesMakeNoEndlessSeries(t *testing.T) {
	r := newRecorder()
	client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
	}), r.config)
	for _, method := range []string{"A", "B", "C", "D"} {
		resp, err := send(t, client, method, target, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
	}
	if got := r.durations(t); len(got) != 1 {
		t.Errorf("%d series, want 1: %v", len(got), got)
	}
}

// measured returns the sum and the count of each series of a metric.
func (r *recorder) measured(t testing.TB, name string) map[string][2]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	found := map[string][2]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					found[p.Attributes.Encoded(attribute.DefaultEncoder())] = [2]int64{p.Sum, int64(p.Count)}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					found[p.Attributes.Encoded(attribute.DefaultEncoder())] = [2]int64{int64(p.Sum), int64(p.Count)}
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					found[p.Attributes.Encoded(attribute.DefaultEncoder())] = [2]int64{p.Value, 1}
				}
			}
		}
	}
	return found
}
