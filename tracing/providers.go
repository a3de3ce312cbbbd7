package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// TracerProvider returns the source of spans. It is an SDK provider (go.opentelemetry.io/otel/sdk/trace),
// or a no-op where OTEL_SDK_DISABLED is true.
func (p *Providers) TracerProvider() trace.TracerProvider { return p.tracers }

// MeterProvider returns the source of metrics. It is an SDK provider (go.opentelemetry.io/otel/sdk/metric),
// or a no-op where nobody reads metrics.
func (p *Providers) MeterProvider() metric.MeterProvider { return p.meters }

// Propagator returns what carries the trace context and the baggage from process to process: W3C
// Trace Context and Baggage, unless OTEL_PROPAGATORS says otherwise.
func (p *Providers) Propagator() propagation.TextMapPropagator { return p.propagator }

// Resource returns the description of this process that all telemetry carries.
func (p *Providers) Resource() *resource.Resource { return p.resource }

// ServiceName returns the name of the service as telemetry carries it: OTEL_SERVICE_NAME, else
// service.name of OTEL_RESOURCE_ATTRIBUTES, else the name given to Setup.
func (p *Providers) ServiceName() string {
	name, _ := p.resource.Set().Value(semconv.ServiceNameKey)
	return name.AsString()
}

// SetGlobal makes the providers and the propagator OpenTelemetry's global ones, which is what libraries
// use that are given none, and sends the errors of OpenTelemetry itself to the Config's logger. It is
// for main to call, once.
func (p *Providers) SetGlobal() {
	otel.SetTracerProvider(p.tracers)
	otel.SetMeterProvider(p.meters)
	otel.SetTextMapPropagator(p.propagator)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { p.errors.failed(err, 0) }))
}

// LogValue shows the effective set-up, for one log line at start. It holds no secret.
func (p *Providers) LogValue() slog.Value {
	s := p.settings
	if s.disabled {
		return slog.GroupValue(slog.Bool("disabled", true))
	}
	attrs := []slog.Attr{
		slog.String("service", p.ServiceName()),
		slog.Any("traces", s.traceExporters),
		slog.String("sampler", s.sampler.Description()),
		slog.Any("metrics", s.metricExporters),
		slog.Any("propagators", s.propagators),
	}
	if s.traceOTLP.endpoint != "" {
		attrs = append(attrs, slog.String("traces_endpoint", s.traceOTLP.endpoint))
	}
	if s.metricOTLP.endpoint != "" {
		attrs = append(attrs, slog.String("metrics_endpoint", s.metricOTLP.endpoint))
	}
	return slog.GroupValue(attrs...)
}

// Shutdown exports what is waiting and stops everything that Setup started, once; every later call
// waits for the first and returns its result. The first returns when ctx ends or Config.ShutdownTimeout is
// over, whatever the collector does; spans that end later are lost.
//
// A [*LossError] says what was lost since Setup, also to failures long ago. Any other error is one of
// Config.SpanProcessors or Config.MetricReaders, or the end of ctx where nothing is known to be lost.
func (p *Providers) Shutdown(ctx context.Context) error {
	p.once.Do(func() { p.err = p.shutdown(ctx) })
	return p.err
}

func (p *Providers) shutdown(ctx context.Context) error {
	if p.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.timeout)
		defer cancel()
	}
	stopped := p.stopAll(ctx)
	for _, pipeline := range p.spanPipelines {
		pipeline.abort()
	}
	for _, closeIdle := range p.idle {
		closeIdle()
	}
	return p.loss(stopped)
}

// stopAll stops traces and metrics at once, so that neither waits for the other's collector. It does
// not wait longer than ctx: a callback of the service, which the last collection of metrics runs, need
// not come back.
func (p *Providers) stopAll(ctx context.Context) error {
	var running sync.WaitGroup
	results := make(chan error, len(p.shutdowns))
	for _, shutdown := range p.shutdowns {
		running.Go(func() { results <- shutdown(ctx) })
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()

	var all []error
	early := false
	select {
	case <-done:
	case <-ctx.Done():
		early = true
		all = append(all, fmt.Errorf("stopped before everything was exported: %w", ctx.Err()))
	}
	for {
		select {
		case err := <-results:
			if said := early && errors.Is(err, ctx.Err()); err != nil && !said {
				all = append(all, err)
			}
		default:
			return errors.Join(all...)
		}
	}
}

// loss returns the account as an error, or what stopped the shutdown where nothing is lost.
func (p *Providers) loss(stopped error) error {
	loss := &LossError{}
	var failures []error
	for _, pipeline := range p.spanPipelines {
		loss.Spans += pipeline.lost()
		failures = append(failures, pipeline.err())
	}
	for _, pipeline := range p.metricPipelines {
		loss.MetricExports += pipeline.failed.Load()
		failures = append(failures, pipeline.err())
	}
	if loss.Spans == 0 && loss.MetricExports == 0 {
		return stopped
	}
	loss.Err = errors.Join(append(failures, stopped)...)
	return loss
}
