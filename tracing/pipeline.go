package tracing

import (
	"context"
	"log/slog"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A spanPipeline is the SDK's batch processor with an account:
//
//	OnEnd → batch processor's queue → ExportSpans → exporter
type spanPipeline struct {
	sdktrace.SpanProcessor // the batch processor, which feeds a spanExporter

	*account
}

// newSpanPipeline starts a pipeline, which Shutdown and then abort stop.
func newSpanPipeline(name string, exporter sdktrace.SpanExporter, batch batchSettings, logger *slog.Logger) *spanPipeline {
	a := newAccount("traces", name, batch.queueSize, logger)
	processor := sdktrace.NewBatchSpanProcessor(spanExporter{exporter, a},
		sdktrace.WithMaxQueueSize(batch.queueSize),
		sdktrace.WithMaxExportBatchSize(batch.batchSize),
		sdktrace.WithBatchTimeout(batch.delay),
		sdktrace.WithExportTimeout(batch.timeout))
	return &spanPipeline{processor, a}
}

// OnEnd queues a span, or drops it where the queue is full.
func (p *spanPipeline) OnEnd(span sdktrace.ReadOnlySpan) {
	if span.SpanContext().IsSampled() && p.admit() {
		p.SpanProcessor.OnEnd(span)
	}
}

// A spanExporter books what it exports.
type spanExporter struct {
	sdktrace.SpanExporter

	account *account
}

func (e spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.account.export(ctx, len(spans), func(ctx context.Context) error {
		return e.SpanExporter.ExportSpans(ctx, cleanSpans(spans))
	})
	return nil
}

// A logPipeline is the SDK's batch processor for log records with an account.
type logPipeline struct {
	sdklog.Processor // the batch processor, which feeds a logExporter

	*account
}

// newLogPipeline starts a pipeline, which Shutdown and then abort stop.
func newLogPipeline(name string, exporter sdklog.Exporter, batch batchSettings, logger *slog.Logger) *logPipeline {
	a := newAccount("logs", name, batch.queueSize, logger)
	processor := sdklog.NewBatchProcessor(logExporter{exporter, a},
		sdklog.WithMaxQueueSize(batch.queueSize),
		sdklog.WithExportMaxBatchSize(batch.batchSize),
		sdklog.WithExportInterval(batch.delay),
		sdklog.WithExportTimeout(batch.timeout))
	return &logPipeline{processor, a}
}

// OnEmit queues a record, or drops it where the queue is full.
func (p *logPipeline) OnEmit(ctx context.Context, record *sdklog.Record) error {
	if p.admit() {
		return p.Processor.OnEmit(ctx, record)
	}
	return nil
}

// A logExporter books what it exports.
type logExporter struct {
	sdklog.Exporter

	account *account
}

func (e logExporter) Export(ctx context.Context, records []sdklog.Record) error {
	e.account.export(ctx, len(records), func(ctx context.Context) error {
		return e.Exporter.Export(ctx, validRecords(records))
	})
	return nil
}

// A metricPipeline is an exporter with an account, whose items are exports.
type metricPipeline struct {
	sdkmetric.Exporter

	*account
}

func newMetricPipeline(name string, exporter sdkmetric.Exporter, logger *slog.Logger) *metricPipeline {
	return &metricPipeline{exporter, newAccount("metrics", name, 1, logger)}
}

// Export returns nil also where the export failed, as [account.export] does. What the collector took
// only a part of counts as failed.
func (p *metricPipeline) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	makeValid(metrics)
	ctx, receipt := withReceipt(ctx)
	err := p.send(ctx, func(ctx context.Context) error { return p.Exporter.Export(ctx, metrics) })
	if err == nil {
		p.log.succeeded()
		return nil
	}
	p.failed.Add(int64(receipt.lost(1)))
	p.lastErr.Store(&err)
	p.log.failed(err, 0)
	return nil
}
