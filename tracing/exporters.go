package tracing

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Retries of one export go on until its own timeout, OTEL_BSP_EXPORT_TIMEOUT,
// OTEL_METRIC_EXPORT_TIMEOUT or OTEL_BLRP_EXPORT_TIMEOUT. The exporters' default first wait of 5 s would
// use up the whole time of a shutdown.
const (
	retryFirstWait   = 500 * time.Millisecond
	retryLongestWait = 5 * time.Second
)

// noTimeout leaves the bound of an attempt to the connection, so that it has one meaning over HTTP and
// over gRPC, whose exporters apply theirs to all attempts together.
const noTimeout = 0

// The exporters below dial nothing: the first export does. What the exporters read from the environment
// by themselves is overridden.

func (p *Providers) newSpanExporter(ctx context.Context, name string, s otlpSettings, console io.Writer) (sdktrace.SpanExporter, error) {
	switch {
	case name == exporterConsole:
		return stdouttrace.New(stdouttrace.WithWriter(console))
	case s.grpc:
		conn, err := p.grpcConn(s)
		if err != nil {
			return nil, err
		}
		return otlptracegrpc.New(ctx,
			otlptracegrpc.WithGRPCConn(conn),
			otlptracegrpc.WithHeaders(s.headers),
			otlptracegrpc.WithTimeout(noTimeout),
			otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
				Enabled: true, InitialInterval: retryFirstWait, MaxInterval: retryLongestWait,
			}))
	}
	compression := otlptracehttp.NoCompression
	if s.gzip {
		compression = otlptracehttp.GzipCompression
	}
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(s.endpoint),
		otlptracehttp.WithHeaders(s.headers),
		otlptracehttp.WithCompression(compression),
		otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf),
		otlptracehttp.WithHTTPClient(p.httpClient(s)),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirstWait, MaxInterval: retryLongestWait,
		}))
	if err != nil {
		return nil, fmt.Errorf("create the exporter of traces to %s: %w", s.endpoint, err)
	}
	return exporter, nil
}

func (p *Providers) newMetricExporter(ctx context.Context, name string, s otlpSettings, console io.Writer) (sdkmetric.Exporter, error) {
	switch {
	case name == exporterConsole:
		return stdoutmetric.New(stdoutmetric.WithWriter(console))
	case s.grpc:
		conn, err := p.grpcConn(s)
		if err != nil {
			return nil, err
		}
		return otlpmetricgrpc.New(ctx,
			otlpmetricgrpc.WithGRPCConn(conn),
			otlpmetricgrpc.WithHeaders(s.headers),
			otlpmetricgrpc.WithTimeout(noTimeout),
			otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{
				Enabled: true, InitialInterval: retryFirstWait, MaxInterval: retryLongestWait,
			}))
	}
	compression := otlpmetrichttp.NoCompression
	if s.gzip {
		compression = otlpmetrichttp.GzipCompression
	}
	exporter, err := otlpmetrichttp.New(ctx,
		otlpmetrichttp.WithEndpointURL(s.endpoint),
		otlpmetrichttp.WithHeaders(s.headers),
		otlpmetrichttp.WithCompression(compression),
		otlpmetrichttp.WithHTTPClient(p.httpClient(s)),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirstWait, MaxInterval: retryLongestWait,
		}))
	if err != nil {
		return nil, fmt.Errorf("create the exporter of metrics to %s: %w", s.endpoint, err)
	}
	return exporter, nil
}

func (p *Providers) newLogExporter(ctx context.Context, name string, s otlpSettings, console io.Writer) (sdklog.Exporter, error) {
	switch {
	case name == exporterConsole:
		return stdoutlog.New(stdoutlog.WithWriter(console))
	case s.grpc:
		conn, err := p.grpcConn(s)
		if err != nil {
			return nil, err
		}
		return otlploggrpc.New(ctx,
			otlploggrpc.WithGRPCConn(conn),
			otlploggrpc.WithHeaders(s.headers),
			otlploggrpc.WithTimeout(noTimeout),
			otlploggrpc.WithRetry(otlploggrpc.RetryConfig{
				Enabled: true, InitialInterval: retryFirstWait, MaxInterval: retryLongestWait,
			}))
	}
	compression := otlploghttp.NoCompression
	if s.gzip {
		compression = otlploghttp.GzipCompression
	}
	exporter, err := otlploghttp.New(ctx,
		otlploghttp.WithEndpointURL(s.endpoint),
		otlploghttp.WithHeaders(s.headers),
		otlploghttp.WithCompression(compression),
		otlploghttp.WithHTTPClient(p.httpClient(s)),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirstWait, MaxInterval: retryLongestWait,
		}))
	if err != nil {
		return nil, fmt.Errorf("create the exporter of logs to %s: %w", s.endpoint, err)
	}
	return exporter, nil
}

// serialWriter lets the console exporters share a writer.
type serialWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *serialWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
