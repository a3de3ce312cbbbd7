// Package telemetry sets up logs, traces and metrics for several services in one process. A service of
// its own process sets the globals once in main and needs none of this.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/tracing"
)

// Config says where a service's telemetry goes besides what the OTEL_ variables say.
type Config struct {
	Logs    io.Writer              // where log lines go
	Spans   sdktrace.SpanProcessor // nil: nowhere else
	Metrics sdkmetric.Reader       // nil: nowhere else
	Drain   time.Duration          // httpserver.Config.DrainDelay
}

// Telemetry is one service's.
type Telemetry struct {
	*tracing.Providers
	Logger *slog.Logger

	drain time.Duration
}

// Setup sets up the telemetry of one service.
func Setup(ctx context.Context, service string, cfg Config) (*Telemetry, error) {
	logger, err := logging.New(service, logging.Config{Output: cfg.Logs, Format: logging.FormatJSON})
	if err != nil {
		return nil, fmt.Errorf("set up logging of %s: %w", service, err)
	}
	t := &Telemetry{Logger: slog.New(logging.NewSlogHandler(logger)), drain: cfg.Drain}
	tracingConfig := tracing.Config{Logger: t.Logger, NoRuntimeMetrics: true}
	if cfg.Spans != nil {
		tracingConfig.SpanProcessors = []sdktrace.SpanProcessor{cfg.Spans}
	}
	if cfg.Metrics != nil {
		tracingConfig.MetricReaders = []sdkmetric.Reader{cfg.Metrics}
	}
	t.Providers, err = tracing.Setup(ctx, service, tracingConfig)
	if err != nil {
		return nil, fmt.Errorf("set up tracing of %s: %w", service, err)
	}
	return t, nil
}

// Server returns the configuration of an HTTP server at addr.
func (t *Telemetry) Server(addr string) httpserver.Config {
	return httpserver.Config{
		Addr: addr, DrainDelay: t.drain, Logger: t.Logger,
		TracerProvider: t.TracerProvider(), MeterProvider: t.MeterProvider(), Propagator: t.Propagator(),
	}
}

// Client returns the configuration of an HTTP client.
func (t *Telemetry) Client() httpclient.Config {
	return httpclient.Config{
		InternalHosts: []string{"127.0.0.1"}, Logger: t.Logger,
		TracerProvider: t.TracerProvider(), MeterProvider: t.MeterProvider(), Propagator: t.Propagator(),
	}
}

// Producer returns the configuration of a producer.
func (t *Telemetry) Producer() kafka.ProducerConfig {
	return kafka.ProducerConfig{
		Logger:         t.Logger,
		TracerProvider: t.TracerProvider(), MeterProvider: t.MeterProvider(), Propagator: t.Propagator(),
	}
}

// Consumer returns the configuration of a consumer.
func (t *Telemetry) Consumer() kafka.ConsumerConfig {
	return kafka.ConsumerConfig{
		Logger:         t.Logger,
		TracerProvider: t.TracerProvider(), MeterProvider: t.MeterProvider(), Propagator: t.Propagator(),
	}
}
