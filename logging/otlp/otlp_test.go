package otlp_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/protobuf/proto"

	"github.com/backend-platform/sdk/internal/redact/redacttest"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/logging/otlp"
)

// receiver decodes what an OTLP exporter sends over HTTP.
type receiver struct {
	*httptest.Server

	mu      sync.Mutex
	records []record
}

type record struct {
	*logspb.LogRecord
	scope string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		body := io.Reader(request.Body)
		if request.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(request.Body)
		}
		content, err := io.ReadAll(body)
		var logs collectorpb.ExportLogsServiceRequest
		if err = errors.Join(err, proto.Unmarshal(content, &logs)); err != nil || request.URL.Path != "/v1/logs" {
			t.Errorf("%s: %v", request.URL, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, resource := range logs.GetResourceLogs() {
			for _, scope := range resource.GetScopeLogs() {
				for _, l := range scope.GetLogRecords() {
					r.records = append(r.records, record{l, scope.GetScope().GetName()})
				}
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// newLogger returns a logger that exports to the receiver; flush waits until all has arrived.
func newLogger(t *testing.T, cfg logging.Config) (l *zap.Logger, flush func() []record) {
	t.Helper()
	r := newReceiver(t)
	exporter, err := otlploghttp.New(context.Background(), otlploghttp.WithEndpointURL(r.URL+"/v1/logs"))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter, sdklog.WithMaxQueueSize(1<<14))))
	cfg.Output, cfg.Exports = io.Discard, []zapcore.Core{otlp.NewCore(provider)}
	l, err = logging.New("orders", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l, func() []record {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.records
	}
}

func plain(v *commonpb.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return v.DoubleValue
	case *commonpb.AnyValue_ArrayValue:
		list := []any{}
		for _, e := range v.ArrayValue.GetValues() {
			list = append(list, plain(e))
		}
		return list
	case *commonpb.AnyValue_KvlistValue:
		return attributes(v.KvlistValue.GetValues())
	}
	return nil
}

func attributes(list []*commonpb.KeyValue) map[string]any {
	m := map[string]any{}
	for _, a := range list {
		if _, twice := m[a.GetKey()]; twice {
			m["twice"] = a.GetKey()
		}
		m[a.GetKey()] = plain(a.GetValue())
	}
	return m
}

func TestRecordHasWhatTheLineHas(t *testing.T) {
	l, flush := newLogger(t, logging.Config{NoCaller: true})
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(logging.NewContext(context.Background(), l.Named("kafka")), span)
	ctx = logging.With(ctx, zap.String("route", "/x"))
	logging.FromContext(ctx).With(zap.Int("n", 1)).Warn("hello", zap.Int("n", 2), zap.String("password", "hunter2"), zap.Namespace("in"),
		zap.Strings("list", []string{"a", "token=hunter2"}), zap.Error(fmt.Errorf("call: %w", errors.Join(errors.New("a"), errors.New("b")))))
	records := flush()
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	r := records[0]
	if r.scope != "kafka" || r.GetSeverityNumber() != logspb.SeverityNumber_SEVERITY_NUMBER_WARN || r.GetBody().GetStringValue() != "hello" || r.GetTimeUnixNano() == 0 {
		t.Errorf("got %v", r)
	}
	if got, want := trace.SpanID(r.GetSpanId()), span.SpanID(); got != want || trace.TraceID(r.GetTraceId()) != span.TraceID() || r.GetFlags() != 1 {
		t.Errorf("span %v, want %v", got, want)
	}
	member := func(text string) map[string]any {
		return map[string]any{"message": text, "type": "*errors.errorString"}
	}
	want := map[string]any{"route": "/x", "n": int64(2), "password": "REDACTED", "in": map[string]any{
		"list": []any{"a", "token=REDACTED"},
		"error": map[string]any{"message": "call: a; b", "code": "unknown",
			"causes": []any{map[string]any{"type": "*errors.joinError", "members": []any{member("a"), member("b")}}}},
	}}
	if diff := cmp.Diff(want, attributes(r.GetAttributes())); diff != "" {
		t.Error(diff)
	}
}

func TestErrorOfARecordIsUnderTheNamesOfTheConventions(t *testing.T) {
	l, flush := newLogger(t, logging.Config{NoCaller: true})
	l.Error("failed", zap.Error(errors.New("token=hunter2")))
	slog.New(logging.NewSlogHandler(l)).Error("failed", "err", errors.New("token=hunter2"))
	for _, r := range flush() {
		got := attributes(r.GetAttributes())
		if diff := cmp.Diff(map[string]any{"error.type": "unknown", "exception.message": "token=REDACTED"}, got); diff != "" {
			t.Error(diff)
		}
	}
}

// The bridge by itself exports debug lines of a logger whose level is warn (opentelemetry-go-contrib #6985).
func TestLevelsHoldForExportsToo(t *testing.T) {
	l, flush := newLogger(t, logging.Config{Level: "kafka=trace,*=warn"})
	s := slog.New(logging.NewSlogHandler(l))
	l.Debug("no")
	l.With(zap.Int("n", 1)).Info("no")
	s.Info("no")
	l.Warn("warn")
	slog.New(logging.NewSlogHandler(l.Named("kafka"))).Log(context.Background(), slog.LevelDebug-4, "trace")
	if err := logging.LevelsOf(l).Set("error"); err != nil {
		t.Fatal(err)
	}
	l.Warn("no")
	var got []string
	for _, r := range flush() {
		got = append(got, r.GetSeverityNumber().String()+" "+r.GetBody().GetStringValue())
	}
	if diff := cmp.Diff([]string{"SEVERITY_NUMBER_WARN warn", "SEVERITY_NUMBER_DEBUG trace"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoSecretOfTheCorpusIsExported(t *testing.T) {
	l, flush := newLogger(t, logging.Config{NoCaller: true})
	s := slog.New(logging.NewSlogHandler(l))
	for _, c := range redacttest.Corpus() {
		l.Info(c.Text, zap.String("note", c.Text), zap.Any("in", map[string]string{"note": c.Text}), zap.Error(errors.New(c.Text)))
		s.Info(c.Text, "note", c.Text, "in", map[string]string{"note": c.Text}, "err", errors.New(c.Text))
	}
	records := flush()
	for i, c := range redacttest.Corpus() {
		want := map[string]any{"body": c.Want, "note": c.Want, "in": map[string]any{"note": c.Want}, "exception.message": c.Want, "error.type": "unknown"}
		for _, r := range records[2*i : 2*i+2] {
			got := attributes(r.GetAttributes())
			got["body"] = r.GetBody().GetStringValue()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestRecordWithoutASpanHasNone(t *testing.T) {
	l, flush := newLogger(t, logging.Config{})
	l.Info("hello")
	if r := flush()[0]; len(r.GetTraceId()) != 0 || len(r.GetSpanId()) != 0 {
		t.Errorf("got %v", r)
	}
}
