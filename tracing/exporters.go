package tracing

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Retries of one export go on until its own timeout, OTEL_BSP_EXPORT_TIMEOUT or
// OTEL_METRIC_EXPORT_TIMEOUT. The exporter's default first wait of 5 s would use up the whole time of
// a shutdown.
const (
	retryFirstWait   = 500 * time.Millisecond
	retryLongestWait = 5 * time.Second
)

// newSpanExporter makes an exporter. It dials nothing: the first export does.
func newSpanExporter(ctx context.Context, name string, s otlpSettings, client *http.Client, console io.Writer) (sdktrace.SpanExporter, error) {
	if name == exporterConsole {
		return stdouttrace.New(stdouttrace.WithWriter(console))
	}
	compression := otlptracehttp.NoCompression
	if s.gzip {
		compression = otlptracehttp.GzipCompression
	}
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(s.endpoint),
		otlptracehttp.WithHeaders(s.headers),
		otlptracehttp.WithCompression(compression),
		otlptracehttp.WithHTTPClient(client),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirstWait, MaxInterval: retryLongestWait,
		}))
	if err != nil {
		return nil, fmt.Errorf("create the exporter of traces to %s: %w", s.endpoint, err)
	}
	return exporter, nil
}

// newMetricExporter makes an exporter. It dials nothing: the first export does.
func newMetricExporter(ctx context.Context, name string, s otlpSettings, client *http.Client, console io.Writer) (sdkmetric.Exporter, error) {
	if name == exporterConsole {
		return stdoutmetric.New(stdoutmetric.WithWriter(console))
	}
	compression := otlpmetrichttp.NoCompression
	if s.gzip {
		compression = otlpmetrichttp.GzipCompression
	}
	exporter, err := otlpmetrichttp.New(ctx,
		otlpmetrichttp.WithEndpointURL(s.endpoint),
		otlpmetrichttp.WithHeaders(s.headers),
		otlpmetrichttp.WithCompression(compression),
		otlpmetrichttp.WithHTTPClient(client),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirstWait, MaxInterval: retryLongestWait,
		}))
	if err != nil {
		return nil, fmt.Errorf("create the exporter of metrics to %s: %w", s.endpoint, err)
	}
	return exporter, nil
}

// newOTLPClient returns the client of one exporter. It follows no redirect: the headers, which hold
// the collector's key, would go to wherever that leads.
func newOTLPClient(timeout time.Duration, config *tls.Config) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{
		Timeout: timeout,
		Transport: persistent{&http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialer.DialContext,
			TLSClientConfig:     config,
			TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     90 * time.Second,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// persistent marks a failed connection as temporary, which the OTLP exporters take as a reason to try
// again. Otherwise they give up at once when the connection is refused or reset, as it is for some
// seconds whenever a collector restarts.
type persistent struct{ *http.Transport }

func (p persistent) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := p.Transport.RoundTrip(request)
	var network *net.OpError
	if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = temporary{err}
	}
	return response, err
}

// temporary is asked for by url.Error, which is what an http.Client returns.
type temporary struct{ error }

func (t temporary) Temporary() bool { return true }
func (t temporary) Unwrap() error   { return t.error }

// serialWriter lets the console exporters of traces and metrics share a writer.
type serialWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *serialWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
