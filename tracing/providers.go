package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"
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

// LoggerProvider returns where log records go that a bridge makes, such as that of package logging. It is an
// SDK provider (go.opentelemetry.io/otel/sdk/log), or a no-op where nobody takes log records.
func (p *Providers) LoggerProvider() log.LoggerProvider { return p.loggers }

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
// use that are given none. The errors of OpenTelemetry itself, which would go to standard error, then go to
// the Config's logger. Main calls it once.
func (p *Providers) SetGlobal() {
	otel.SetTracerProvider(p.tracers)
	otel.SetMeterProvider(p.meters)
	otel.SetLoggerProvider(p.loggers)
	otel.SetTextMapPropagator(p.propagator)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { p.errors.failed(err, 0) }))
	otel.SetLogger(logr.FromSlogHandler(internalLog{failures: &p.errors}))
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
		slog.Int("error_buffer", p.config.ErrorBuffer),
		slog.Any("metrics", s.metricExporters),
		slog.Any("logs", s.logExporters),
		slog.Any("propagators", s.propagators),
	}
	for _, sig := range []struct {
		name string
		otlp otlpSettings
	}{{"traces", s.traceOTLP}, {"metrics", s.metricOTLP}, {"logs", s.logOTLP}} {
		if sig.otlp.endpoint == "" {
			continue
		}
		protocol := "http/protobuf"
		if sig.otlp.grpc {
			protocol = "grpc"
		}
		attrs = append(attrs,
			slog.String(sig.name+"_endpoint", sig.otlp.endpoint),
			slog.String(sig.name+"_protocol", protocol))
	}
	return slog.GroupValue(attrs...)
}

// ForceFlush exports what has ended so far, such as before a process is frozen. It returns when that is
// done, when ctx ends or when Config.ShutdownTimeout is over. A [*LossError] says what was lost while it
// ran; what is still waiting then is not lost.
func (p *Providers) ForceFlush(ctx context.Context) error {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	before := make([]int64, len(p.accounts))
	for i, a := range p.accounts {
		before[i] = a.failed.Load() + a.dropped.Load()
	}
	err := p.each(ctx, running.ForceFlush)
	return p.loss(err, func(i int, a *account) int64 { return a.failed.Load() + a.dropped.Load() - before[i] })
}

// Shutdown exports what is waiting and stops everything that Setup started, once; every later call
// waits for the first and returns its result. The first returns when ctx ends or Config.ShutdownTimeout is
// over, whatever the collector does; spans that end later are lost.
//
// A [*LossError] says what was lost since Setup, also to failures long ago. Any other error is one of
// the Config's processors and readers, or the end of ctx where nothing is known to be lost.
func (p *Providers) Shutdown(ctx context.Context) error {
	p.once.Do(func() { p.err = p.shutdown(ctx) })
	return p.err
}

func (p *Providers) shutdown(ctx context.Context) error {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	stopped := p.each(ctx, running.Shutdown)
	for _, a := range p.accounts {
		a.log.end()
		a.abort()
	}
	for _, closeConnections := range p.closers {
		closeConnections()
	}
	return p.loss(stopped, func(_ int, a *account) int64 { return a.lost() })
}

func (p *Providers) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.config.ShutdownTimeout > 0 {
		return context.WithTimeout(ctx, p.config.ShutdownTimeout)
	}
	return ctx, func() {}
}

// each does the same to traces, metrics and logs at once, so that none waits for another's collector. It
// does not wait longer than ctx: a callback of the service, which a collection of metrics runs, need not
// come back.
func (p *Providers) each(ctx context.Context, do func(running, context.Context) error) error {
	var group sync.WaitGroup
	results := make(chan error, len(p.running))
	for _, provider := range p.running {
		group.Go(func() { results <- do(provider, ctx) })
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()

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

// loss returns what lost says of the accounts as an error, or what stopped the exports where nothing is
// lost.
func (p *Providers) loss(stopped error, lost func(int, *account) int64) error {
	loss := &LossError{}
	var failures []error
	for i, a := range p.accounts {
		n := lost(i, a)
		switch a.signal {
		case "traces":
			loss.Spans += n
		case "metrics":
			loss.MetricExports += n
		case "logs":
			loss.LogRecords += n
		}
		if n > 0 {
			failures = append(failures, a.err())
		}
	}
	if loss.Spans == 0 && loss.MetricExports == 0 && loss.LogRecords == 0 {
		return stopped
	}
	loss.Err = errors.Join(append(failures, stopped)...)
	return loss
}
