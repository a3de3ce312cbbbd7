package tracing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"

	contribruntime "go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/log"
	lognoop "go.opentelemetry.io/otel/log/noop"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/backend-platform/sdk/internal/policy"
)

// Providers are what the other modules, and other libraries, take: the sources of spans, metrics and log
// records. [Setup] makes them. All methods are safe for concurrent use.
type Providers struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	loggers    log.LoggerProvider
	propagator propagation.TextMapPropagator
	resource   *resource.Resource

	service  string
	config   Config
	settings settings
	errors   failureLog // of OpenTelemetry itself, after SetGlobal

	running  []running
	accounts []*account
	tail     *errorBuffer // nil: none
	closers  []func()     // close connections

	once sync.Once
	err  error // of Shutdown
}

// running is one of the SDK's providers.
type running interface {
	ForceFlush(context.Context) error
	Shutdown(context.Context) error
}

// Setup reads the OTEL_* variables and returns the providers of traces, metrics and logs for a service.
//
// The name of the service must not be empty; OTEL_SERVICE_NAME wins over it. ctx is used for the
// set-up only. Setup does not dial: a collector that is down or hangs neither fails nor delays it.
//
// Every faulty variable and every fault of cfg is an error, all joined, each with the variable and its
// value (a secret is not shown). Setup has then started nothing.
//
// Where no exporter is configured, spans have ids and go nowhere, and metrics and log records cost
// nothing. With OTEL_SDK_DISABLED=true there are no ids either, and what cfg has of processors, readers
// and exporters is not used; the context of a caller is still passed on.
//
// Several Setups in one process make providers that know nothing of each other.
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
		loggers:    lognoop.NewLoggerProvider(),
		propagator: newPropagator(s.propagators),
		resource:   newResource(service, cfg, s),
		service:    service,
		config:     cfg,
		settings:   s,
		errors:     failureLog{logger: cfg.Logger, about: []slog.Attr{slog.String("component", "opentelemetry")}},
	}
	if s.disabled {
		return p, nil
	}
	if err := p.start(ctx); err != nil {
		_ = p.Shutdown(ctx) // nothing was recorded yet, so nothing can be lost
		return nil, fmt.Errorf("set up tracing of %q: %w", service, err)
	}
	policy.Register("tracing", service, p)
	return p, nil
}

func (p *Providers) start(ctx context.Context) error {
	console := &serialWriter{w: p.config.Console}
	// Metrics last: their callbacks, which may run at once, read the accounts of the others.
	return errors.Join(p.startTraces(ctx, console), p.startLogs(ctx, console), p.startMetrics(ctx, console))
}

// startTraces lets the processors of the Config come first, and the exporter that may hang last: the
// SDK shuts them down one after the other, within one deadline.
func (p *Providers) startTraces(ctx context.Context, console io.Writer) error {
	var exports []sdktrace.SpanProcessor
	export := func(name string, exporter sdktrace.SpanExporter) {
		pipeline := newSpanPipeline(name, exporter, p.settings.batch, p.config.Logger)
		p.accounts = append(p.accounts, pipeline.account)
		exports = append(exports, pipeline)
	}
	for i, exporter := range p.config.SpanExporters {
		export(fmt.Sprintf("SpanExporters[%d]", i), exporter)
	}
	for _, name := range otlpLast(p.settings.traceExporters) {
		exporter, err := p.newSpanExporter(ctx, name, p.settings.traceOTLP, console)
		if err != nil {
			return err
		}
		export(name, exporter)
	}

	if p.config.Sampler != nil {
		p.settings.sampler = p.config.Sampler(p.settings.sampler)
	}
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(p.resource),
		sdktrace.WithoutPanicRecording(), // it would record the raw value, which may be a secret
	}
	for _, processor := range p.config.SpanProcessors {
		options = append(options, sdktrace.WithSpanProcessor(processor))
	}
	if p.config.ErrorBuffer > 0 && len(exports) > 0 {
		p.settings.sampler = recordAll{p.settings.sampler}
		p.tail = newErrorBuffer(p.config.ErrorBuffer, exports)
		options = append(options, sdktrace.WithSpanProcessor(p.tail))
	}
	for _, pipeline := range exports {
		options = append(options, sdktrace.WithSpanProcessor(pipeline))
	}
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSampler(p.settings.sampler))...)
	p.tracers = provider
	p.running = append(p.running, provider)
	return nil
}

// startMetrics leaves the no-op provider in place where nobody reads metrics.
func (p *Providers) startMetrics(ctx context.Context, console io.Writer) error {
	var options []sdkmetric.Option
	for _, reader := range p.config.MetricReaders {
		options = append(options, sdkmetric.WithReader(reader))
	}
	export := func(name string, exporter sdkmetric.Exporter) {
		pipeline := newMetricPipeline(name, exporter, p.config.Logger)
		p.accounts = append(p.accounts, pipeline.account)
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(pipeline,
			sdkmetric.WithInterval(p.settings.metricInterval), sdkmetric.WithTimeout(p.settings.metricTimeout))))
	}
	for i, exporter := range p.config.MetricExporters {
		export(fmt.Sprintf("MetricExporters[%d]", i), exporter)
	}
	for _, name := range otlpLast(p.settings.metricExporters) {
		exporter, err := p.newMetricExporter(ctx, name, p.settings.metricOTLP, console)
		if err != nil {
			return err
		}
		export(name, exporter)
	}
	if len(options) == 0 {
		return nil
	}
	options = append(options, sdkmetric.WithResource(p.resource), sdkmetric.WithView(p.config.Views...))
	provider := sdkmetric.NewMeterProvider(options...)
	p.meters = provider
	p.running = append(p.running, provider)
	if err := p.ownMetrics(); err != nil {
		return err
	}
	if p.config.NoRuntimeMetrics {
		return nil
	}
	if err := contribruntime.Start(contribruntime.WithMeterProvider(provider)); err != nil {
		return fmt.Errorf("start the metrics of the Go runtime: %w", err)
	}
	return nil
}

// startLogs leaves the no-op provider in place where nobody takes log records.
func (p *Providers) startLogs(ctx context.Context, console io.Writer) error {
	var options []sdklog.LoggerProviderOption
	for _, processor := range p.config.LogProcessors {
		options = append(options, sdklog.WithProcessor(processor))
	}
	export := func(name string, exporter sdklog.Exporter) {
		pipeline := newLogPipeline(name, exporter, p.settings.logBatch, p.config.Logger)
		p.accounts = append(p.accounts, pipeline.account)
		options = append(options, sdklog.WithProcessor(pipeline))
	}
	for i, exporter := range p.config.LogExporters {
		export(fmt.Sprintf("LogExporters[%d]", i), exporter)
	}
	for _, name := range otlpLast(p.settings.logExporters) {
		exporter, err := p.newLogExporter(ctx, name, p.settings.logOTLP, console)
		if err != nil {
			return err
		}
		export(name, exporter)
	}
	if len(options) == 0 {
		return nil
	}
	provider := sdklog.NewLoggerProvider(append(options, sdklog.WithResource(p.resource))...)
	p.loggers = provider
	p.running = append(p.running, provider)
	return nil
}

// otlpLast returns the names with otlp, the one that may hang, at the end.
func otlpLast(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted) // console, otlp
	return sorted
}
