package httpserver_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/backend-platform/sdk/httpserver"
)

// globally makes a handler that uses OpenTelemetry's globals, of which provider is one, and returns a request to it.
func globally(t *testing.T, provider trace.TracerProvider) (call func()) {
	t.Helper()
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	otel.SetTracerProvider(provider)
	handler, err := httpserver.Trace(ordersMux(), httpserver.TraceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/plain/?page=2", nil))
	}
}

func TestTheFirstRequestAfterAnSDKIsInstalledHasAWholeSpan(t *testing.T) {
	before := new(switched)
	call := globally(t, before)
	for range 3 {
		call()
	}
	if before.started != 1 {
		t.Errorf("%d spans were started for nobody, want 1", before.started)
	}
	spans := tracetest.NewSpanRecorder()
	sdk := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	before.sdk = sdk.Tracer("sdk") // as OpenTelemetry's own global provider does it
	otel.SetTracerProvider(sdk)
	call()
	ended := spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans, want 1", len(ended))
	}
	if got := attrsOf(ended[0].Attributes()); got["url.query"] != "page=2" || got["http.route"] != "/plain/" {
		t.Errorf("the span has the attributes %v", got)
	}
}

// Instrumentation from outside of the process makes the spans of a provider that stays the same.
func TestASilentProviderIsTriedEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider := new(switched)
		call := globally(t, provider)
		call()
		call()
		if provider.started != 1 {
			t.Errorf("%d spans were started for nobody, want 1", provider.started)
		}
		spans := tracetest.NewSpanRecorder()
		provider.sdk = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("sdk")
		time.Sleep(time.Second)
		for range 3 {
			call()
		}
		if got := len(spans.Ended()); got != 3 {
			t.Errorf("%d spans, want 3", got)
		}
	})
}
