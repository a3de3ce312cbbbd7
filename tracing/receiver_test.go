package tracing_test

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logsv1 "go.opentelemetry.io/proto/otlp/logs/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // lets the server take what is compressed
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// A collector is a real OTLP receiver, over HTTP or over gRPC, that keeps what it gets.
type collector struct {
	protocol string
	endpoint string
	answer   func(n int) answer // to the n-th request, from 1; nil: it takes everything

	mu       sync.Mutex
	requests int
	headers  []http.Header
	spans    []*span
	metrics  []string
	logs     []string

	rawSpans   []*tracev1.Span
	rawMetrics []*metricsv1.Metric
	rawLogs    []*logsv1.LogRecord
}

// A span as it arrived.
type span struct {
	name       string
	flags      uint32
	message    string // of the status
	attributes map[string]string
	events     []map[string]string
}

// An answer of a collector. The zero value takes everything.
type answer struct {
	hang     bool       // until the caller goes away
	code     codes.Code // over HTTP as the status that means it
	text     string
	after    time.Duration // Retry-After, or RetryInfo
	rejected int64         // of a partial success
}

var statuses = map[codes.Code]int{
	codes.Unavailable: 503, codes.ResourceExhausted: 429, codes.Unauthenticated: 401, codes.InvalidArgument: 400,
}

var protocols = []string{"http/protobuf", "grpc"}

// newCollector starts a collector that the end of the test stops.
func newCollector(t *testing.T, protocol string, answer func(n int) answer, options ...grpc.ServerOption) *collector {
	t.Helper()
	c := &collector{protocol: protocol, answer: answer}
	if protocol == "grpc" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.endpoint = "http://" + listener.Addr().String()
		t.Cleanup(c.serve(listener, options...))
		return c
	}
	server := httptest.NewServer(c)
	c.endpoint = server.URL
	t.Cleanup(server.Close)
	return c
}

// serve serves gRPC until the function that it returns is called.
func (c *collector) serve(listener net.Listener, options ...grpc.ServerOption) (stop func()) {
	server := grpc.NewServer(options...)
	tracepb.RegisterTraceServiceServer(server, traceService{c: c})
	metricspb.RegisterMetricsServiceServer(server, metricsService{c: c})
	logspb.RegisterLogsServiceServer(server, logsService{c: c})
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	return func() { server.Stop(); running.Wait() }
}

// env are the variables that send everything to the collector.
func (c *collector) env(more ...string) map[string]string {
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": c.protocol}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

// tracesOnly are the variables that send traces, and only traces, to the collector.
func (c *collector) tracesOnly() map[string]string {
	return c.env("OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")
}

func (c *collector) next(header http.Header) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	c.headers = append(c.headers, header)
	if c.answer == nil {
		return answer{}
	}
	return c.answer(c.requests)
}

// names returns those of the spans.
func (c *collector) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, s := range c.spans {
		names = append(names, s.name)
	}
	return names
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	content, _ := io.ReadAll(body)
	a := c.next(r.Header.Clone())
	switch {
	case a.hang:
		<-r.Context().Done()
		return
	case a.code != codes.OK:
		if a.after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(a.after.Seconds())))
		}
		w.WriteHeader(statuses[a.code])
		_, _ = io.WriteString(w, a.text)
		return
	}
	var request proto.Message
	switch r.URL.Path {
	case "/v1/traces":
		request = &tracepb.ExportTraceServiceRequest{}
	case "/v1/metrics":
		request = &metricspb.ExportMetricsServiceRequest{}
	case "/v1/logs":
		request = &logspb.ExportLogsServiceRequest{}
	}
	if request == nil || proto.Unmarshal(content, request) != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	c.keep(request)
	w.Header().Set("Content-Type", "application/x-protobuf")
	reply, _ := proto.Marshal(&tracepb.ExportTraceServiceResponse{PartialSuccess: a.partial()})
	_, _ = w.Write(reply)
}

func (a answer) partial() *tracepb.ExportTracePartialSuccess {
	if a.rejected == 0 && a.text == "" {
		return nil
	}
	return &tracepb.ExportTracePartialSuccess{RejectedSpans: a.rejected, ErrorMessage: a.text}
}

func (c *collector) call(ctx context.Context, request proto.Message) (answer, error) {
	header := http.Header{}
	incoming, _ := metadata.FromIncomingContext(ctx)
	for name, values := range incoming {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	a := c.next(header)
	switch {
	case a.hang:
		<-ctx.Done()
		return a, ctx.Err()
	case a.code != codes.OK:
		s := status.New(a.code, a.text)
		if a.after > 0 {
			s, _ = s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(a.after)})
		}
		return a, s.Err()
	}
	c.keep(request)
	return a, nil
}

type traceService struct {
	tracepb.UnimplementedTraceServiceServer
	c *collector
}

func (s traceService) Export(ctx context.Context, request *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	a, err := s.c.call(ctx, request)
	return &tracepb.ExportTraceServiceResponse{PartialSuccess: a.partial()}, err
}

type metricsService struct {
	metricspb.UnimplementedMetricsServiceServer
	c *collector
}

func (s metricsService) Export(ctx context.Context, request *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	_, err := s.c.call(ctx, request)
	return &metricspb.ExportMetricsServiceResponse{}, err
}

type logsService struct {
	logspb.UnimplementedLogsServiceServer
	c *collector
}

func (s logsService) Export(ctx context.Context, request *logspb.ExportLogsServiceRequest) (*logspb.ExportLogsServiceResponse, error) {
	_, err := s.c.call(ctx, request)
	return &logspb.ExportLogsServiceResponse{}, err
}

func (c *collector) keep(request proto.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch request := request.(type) {
	case *tracepb.ExportTraceServiceRequest:
		for _, r := range request.GetResourceSpans() {
			for _, s := range r.GetScopeSpans() {
				for _, received := range s.GetSpans() {
					kept := &span{
						name: received.GetName(), flags: received.GetFlags(),
						message: received.GetStatus().GetMessage(), attributes: map[string]string{},
					}
					for _, a := range received.GetAttributes() {
						kept.attributes[a.GetKey()] = a.GetValue().GetStringValue()
					}
					for _, e := range received.GetEvents() {
						event := map[string]string{"name": e.GetName()}
						for _, a := range e.GetAttributes() {
							event[a.GetKey()] = a.GetValue().GetStringValue()
						}
						kept.events = append(kept.events, event)
					}
					c.spans = append(c.spans, kept)
					c.rawSpans = append(c.rawSpans, received)
				}
			}
		}
	case *metricspb.ExportMetricsServiceRequest:
		for _, r := range request.GetResourceMetrics() {
			for _, s := range r.GetScopeMetrics() {
				for _, m := range s.GetMetrics() {
					c.metrics = append(c.metrics, m.GetName())
					c.rawMetrics = append(c.rawMetrics, m)
				}
			}
		}
	case *logspb.ExportLogsServiceRequest:
		for _, r := range request.GetResourceLogs() {
			for _, s := range r.GetScopeLogs() {
				for _, l := range s.GetLogRecords() {
					c.logs = append(c.logs, l.GetBody().GetStringValue())
					c.rawLogs = append(c.rawLogs, l)
				}
			}
		}
	}
}
