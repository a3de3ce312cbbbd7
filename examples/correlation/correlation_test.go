// Package correlation_test shows what main does so that logs, spans and metrics of a service reach one collector
// and are found by one trace id.
package correlation_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/protobuf/proto"

	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/logging/otlp"
	"github.com/backend-platform/sdk/tracing"
)

// A receiver is a collector that keeps what it gets.
type receiver struct {
	mu     sync.Mutex
	bodies map[string][]byte // by path; a later one replaces an earlier one
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies[request.URL.Path] = body
}

func TestOneTraceIDLeadsFromTheLineToTheRecordAndTheSpan(t *testing.T) {
	collector := &receiver{bodies: make(map[string][]byte)}
	server := httptest.NewServer(collector)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)

	telemetry, err := tracing.Setup(t.Context(), "orders", tracing.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	logger, err := logging.New("orders", logging.Config{
		Output:  &lines,
		Exports: []zapcore.Core{otlp.NewCore(telemetry.LoggerProvider())},
	})
	if err != nil {
		t.Fatal(err)
	}

	ctx, span := telemetry.TracerProvider().Tracer("orders").Start(logging.NewContext(t.Context(), logger), "reserve")
	failure := errors.New("the store says: password=hush")
	logging.FromContext(ctx).Error("not reserved", zap.Error(failure), zap.String("api_key", "hush"))
	tracing.RecordError(span, failure)
	span.End()
	if err := telemetry.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	var spans tracepb.ExportTraceServiceRequest
	var records logspb.ExportLogsServiceRequest
	collector.decode(t, "/v1/traces", &spans)
	collector.decode(t, "/v1/logs", &records)
	gotSpan := spans.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0]
	gotRecord := records.GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords()[0]
	var line struct {
		TraceID string `json:"trace_id"`
		SpanID  string `json:"span_id"`
	}
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	want := span.SpanContext()
	if line.TraceID != want.TraceID().String() || line.SpanID != want.SpanID().String() {
		t.Errorf("the line has %+v, want %v", line, want)
	}
	for what, ids := range map[string][2][]byte{
		"span":   {gotSpan.GetTraceId(), gotSpan.GetSpanId()},
		"record": {gotRecord.GetTraceId(), gotRecord.GetSpanId()},
	} {
		if hex.EncodeToString(ids[0]) != line.TraceID || hex.EncodeToString(ids[1]) != line.SpanID {
			t.Errorf("the %s has %x, want those of %+v", what, ids, line)
		}
	}
	for _, resource := range []*resourcepb.Resource{spans.GetResourceSpans()[0].GetResource(), records.GetResourceLogs()[0].GetResource()} {
		if name := value(resource, "service.name"); name != "orders" {
			t.Errorf("service.name is %q", name)
		}
	}
	for where, text := range map[string][]byte{"line": lines.Bytes(), "span": collector.bodies["/v1/traces"], "record": collector.bodies["/v1/logs"]} {
		if bytes.Contains(text, []byte("hush")) {
			t.Errorf("a secret is in the %s: %q", where, text)
		}
	}
	if _, ok := collector.bodies["/v1/metrics"]; !ok {
		t.Error("no metrics")
	}
}

func (r *receiver) decode(t *testing.T, path string, message proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(r.bodies[path], message); err != nil || len(r.bodies[path]) == 0 {
		t.Fatalf("%s: %d bytes, %v", path, len(r.bodies[path]), err)
	}
}

func value(resource *resourcepb.Resource, key attribute.Key) string {
	for _, a := range resource.GetAttributes() {
		if a.GetKey() == string(key) {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}
