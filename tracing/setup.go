package tracing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	contribruntime "go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/backend-platform/sdk/internal/policy"
)

// Providers are what the other modules, and other libraries, take: the sources of spans and metrics.
// [Setup] makes them. All methods are safe for concurrent use.
type Providers struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	resource   *resource.Resource

	service  string
	settings settings
	timeout  time.Duration // negative: none
	errors   failureLog    // of OpenTelemetry itself, after SetGlobal

	spanPipelines   []*spanPipeline
	metricPipelines []*metricPipeline
	shutdowns       []func(context.Context) error
	idle            []func() // close idle connections

	once sync.Once
	err  error // of Shutdown
}

// Setup reads the OTEL_* variables and returns the providers of traces and metrics for a service.
//
// The name of the service must not be empty; OTEL_SERVICE_NAME wins over it. ctx is used for the
// set-up only. Setup does not dial: a collector that is down or hangs neither fails nor delays it.
//
// Every faulty variable and every fault of cfg is an error, all joined, each with the variable and its
// value (a secret is not shown). Setup has then started nothing.
//
// Where no exporter is configured, spans have ids and go nowhere, and metrics cost nothing. With
// OTEL_SDK_DISABLED=true there are no ids either, and cfg.SpanProcessors and cfg.MetricReaders are not
// used; the context of a caller is still passed on.
func Setup(ctx context.Context, service string, cfg Config) (*Providers, error) {
	cfg, err := cfg.withDefaults(service)
	env := &environment{lookup: os.Getenv}
	s := env.settings()
	if err := errors.Join(err, errors.Join(env.faults...)); err != nil {
		return nil, fmt.Errorf("set up tracing of %q: %w", service, err)
	}
	p := &Providers{
		tracers:    tracenoop.NewTracerProvider(),
		meters:     metricnoop.NewMeterProvider(),
		propagator: newPropagator(s.propagators),
		resource:   newResource(service, cfg, s),
		service:    service,
		settings:   s,
		timeout:    cfg.ShutdownTimeout,
		errors:     failureLog{logger: cfg.Logger, about: []slog.Attr{slog.String("component", "opentelemetry")}},
	}
	if s.disabled {
		return p, nil
	}
	if err := p.start(ctx, cfg); err != nil {
		_ = p.Shutdown(ctx) // nothing was recorded yet, so nothing can be lost
		return nil, fmt.Errorf("set up tracing of %q: %w", service, err)
	}
	policy.Register("tracing", service, p)
	return p, nil
}

func (p *Providers) start(ctx context.Context, cfg Config) error {
	console := &serialWriter{w: cfg.Console}
	return errors.Join(p.startTraces(ctx, cfg, console), p.startMetrics(ctx, cfg, console))
}

// startTraces lets the processors of the Config come first, and the exporter that may hang last: the
// SDK shuts them down one after the other, within one deadline.
func (p *Providers) startTraces(ctx context.Context, cfg Config, console io.Writer) error {
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(p.resource),
		sdktrace.WithSampler(p.settings.sampler),
	}
	for _, processor := range cfg.SpanProcessors {
		options = append(options, sdktrace.WithSpanProcessor(processor))
	}
	for _, name := range otlpLast(p.settings.traceExporters) {
		exporter, err := newSpanExporter(ctx, name, p.settings.traceOTLP, p.client(p.settings.traceOTLP), console)
		if err != nil {
			return err
		}
		pipeline := newSpanPipeline(name, exporter, p.settings.batch, cfg.Logger)
		p.spanPipelines = append(p.spanPipelines, pipeline)
		options = append(options, sdktrace.WithSpanProcessor(pipeline))
	}
	provider := sdktrace.NewTracerProvider(options...)
	p.tracers = provider
	p.shutdowns = append(p.shutdowns, provider.Shutdown)
	return nil
}

// startMetrics leaves the no-op provider in place where nobody reads metrics.
func (p *Providers) startMetrics(ctx context.Context, cfg Config, console io.Writer) error {
	if len(p.settings.metricExporters)+len(cfg.MetricReaders) == 0 {
		return nil
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(p.resource)}
	for _, reader := range cfg.MetricReaders {
		options = append(options, sdkmetric.WithReader(reader))
	}
	for _, name := range otlpLast(p.settings.metricExporters) {
		exporter, err := newMetricExporter(ctx, name, p.settings.metricOTLP, p.client(p.settings.metricOTLP), console)
		if err != nil {
			return err
		}
		pipeline := newMetricPipeline(name, exporter, cfg.Logger)
		p.metricPipelines = append(p.metricPipelines, pipeline)
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(pipeline,
			sdkmetric.WithInterval(p.settings.metricInterval), sdkmetric.WithTimeout(p.settings.metricTimeout))))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	p.meters = provider
	p.shutdowns = append(p.shutdowns, provider.Shutdown)
	if err := p.ownMetrics(); err != nil {
		return err
	}
	if cfg.NoRuntimeMetrics {
		return nil
	}
	if err := contribruntime.Start(contribruntime.WithMeterProvider(provider)); err != nil {
		return fmt.Errorf("start the metrics of the Go runtime: %w", err)
	}
	return nil
}

func (p *Providers) client(s otlpSettings) *http.Client {
	client := newOTLPClient(s.timeout, s.tls)
	p.idle = append(p.idle, client.CloseIdleConnections)
	return client
}

// otlpLast returns the names with otlp, the one that may hang, at the end.
func otlpLast(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted) // console, otlp
	return sorted
}
