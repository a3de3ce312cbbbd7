package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A spanPipeline is the SDK's batch processor with an account of what became of each span. The SDK
// keeps none: with a collector that is down, its Shutdown loses everything and returns nil (measured
// with v1.47.0).
//
//	OnEnd → batch processor's queue → ExportSpans → exporter
//
// Every sampled span is pending from OnEnd until the exporter has had it, and is then delivered or
// failed. The processor's own queue never overflows, because OnEnd refuses what would be too much.
type spanPipeline struct {
	sdktrace.SpanProcessor // the batch processor, which feeds the accountant

	*accountant
	limit int64
}

// newSpanPipeline starts a pipeline, which Shutdown and then abort stop.
func newSpanPipeline(name string, exporter sdktrace.SpanExporter, batch batchSettings, logger *slog.Logger) *spanPipeline {
	a := &accountant{
		exporter: exporter,
		name:     name,
		log:      failureLog{logger: logger, about: []slog.Attr{slog.String("signal", "traces"), slog.String("exporter", name)}},
		stop:     make(chan struct{}),
	}
	processor := sdktrace.NewBatchSpanProcessor(a,
		sdktrace.WithMaxQueueSize(batch.queueSize),
		sdktrace.WithMaxExportBatchSize(batch.batchSize),
		sdktrace.WithBatchTimeout(batch.delay),
		sdktrace.WithExportTimeout(batch.timeout))
	return &spanPipeline{SpanProcessor: processor, accountant: a, limit: int64(batch.queueSize)}
}

// OnEnd queues a span, or drops it where the queue is full: a service never waits for its telemetry.
func (p *spanPipeline) OnEnd(span sdktrace.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	p.ended.Add(1)
	if p.pending.Add(1) > p.limit {
		p.pending.Add(-1)
		p.dropped.Add(1)
		return
	}
	p.SpanProcessor.OnEnd(span)
}

// Shutdown exports what is queued, as far as ctx allows.
func (p *spanPipeline) Shutdown(ctx context.Context) error { return p.SpanProcessor.Shutdown(ctx) }

// An accountant is an exporter that counts what another one exports.
type accountant struct {
	exporter sdktrace.SpanExporter
	name     string
	log      failureLog
	stop     chan struct{}
	stopOnce sync.Once

	ended     atomic.Int64
	pending   atomic.Int64 // ended, not yet delivered, failed or dropped
	delivered atomic.Int64
	failed    atomic.Int64
	dropped   atomic.Int64
	lastErr   atomic.Pointer[error]
}

// ExportSpans returns nil also where the export failed: the SDK would pass the error on to the global
// error handler, which writes it to standard error.
func (a *accountant) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := a.export(ctx, spans)
	a.pending.Add(-int64(len(spans)))
	if err != nil {
		a.failed.Add(int64(len(spans)))
		a.lastErr.Store(&err)
		a.log.failed(err, len(spans))
		return nil
	}
	a.delivered.Add(int64(len(spans)))
	a.log.succeeded()
	return nil
}

// export does not begin after abort, so that an exporter that ignores its context holds up nothing
// more than the one export it is in.
func (a *accountant) export(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	select {
	case <-a.stop:
		return errStopped
	default:
	}
	ctx, cancel := a.withStop(ctx)
	defer cancel()
	return a.exporter.ExportSpans(ctx, validSpans(spans))
}

// Shutdown shuts the exporter down.
func (a *accountant) Shutdown(ctx context.Context) error { return a.exporter.Shutdown(ctx) }

// abort ends the export in flight and every later one, so that the batch processor's goroutine ends.
func (a *accountant) abort() { a.stopOnce.Do(func() { close(a.stop) }) }

// withStop returns a context that abort ends as well.
func (a *accountant) withStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-a.stop:
			cancel(errStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

var errStopped = errors.New("the time for the shutdown was up")

// lost returns how many spans are lost once the pipeline is shut down. It is right also while an export
// that was aborted is on its way out.
func (a *accountant) lost() int64 {
	delivered := a.delivered.Load() // first: it only grows, and never beyond what ended
	return a.ended.Load() - delivered
}

func (a *accountant) err() error {
	if err := a.lastErr.Load(); err != nil {
		return fmt.Errorf("export of traces by %s: %w", a.name, *err)
	}
	return nil
}

// A metricPipeline is an exporter that counts the failures of another one.
type metricPipeline struct {
	sdkmetric.Exporter
	name    string
	log     failureLog
	failed  atomic.Int64
	lastErr atomic.Pointer[error]
}

func newMetricPipeline(name string, exporter sdkmetric.Exporter, logger *slog.Logger) *metricPipeline {
	return &metricPipeline{
		Exporter: exporter,
		name:     name,
		log:      failureLog{logger: logger, about: []slog.Attr{slog.String("signal", "metrics"), slog.String("exporter", name)}},
	}
}

// Export returns nil also where the export failed, as [accountant.ExportSpans] does.
func (p *metricPipeline) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	makeValid(metrics)
	if err := p.Exporter.Export(ctx, metrics); err != nil {
		p.failed.Add(1)
		p.lastErr.Store(&err)
		p.log.failed(err, 0)
		return nil
	}
	p.log.succeeded()
	return nil
}

func (p *metricPipeline) err() error {
	if err := p.lastErr.Load(); err != nil {
		return fmt.Errorf("export of metrics by %s: %w", p.name, *err)
	}
	return nil
}
