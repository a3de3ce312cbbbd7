package tracing

import (
	"cmp"
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/backend-platform/sdk/internal/buildinfo"
)

// Names of this module's metrics.
const (
	buildInfoMetric = "sdk_build_info"
	lostSpansMetric = "sdk.tracing.spans.lost"
	lostLogsMetric  = "sdk.tracing.log_records.lost"
	evictedMetric   = "sdk.tracing.error_buffer.evicted"
)

// ownMetrics registers what this module reports of itself.
func (p *Providers) ownMetrics() error {
	meter := p.meters.Meter(scope, metric.WithInstrumentationVersion(buildinfo.Version("tracing")))
	_, err := meter.Int64ObservableGauge(buildInfoMetric,
		metric.WithDescription("Always 1: the modules of the SDK in this program, with their versions."),
		metric.WithInt64Callback(observeBuildInfo))
	if err != nil {
		return fmt.Errorf("create the metric %s: %w", buildInfoMetric, err)
	}
	for _, m := range []struct{ name, unit, description, signal string }{
		{lostSpansMetric, "{span}", "Spans that ended and were not exported.", "traces"},
		{lostLogsMetric, "{record}", "Log records that were not exported.", "logs"},
	} {
		_, err := meter.Int64ObservableCounter(m.name, metric.WithUnit(m.unit), metric.WithDescription(m.description),
			metric.WithInt64Callback(p.observeLost(m.signal)))
		if err != nil {
			return fmt.Errorf("create the metric %s: %w", m.name, err)
		}
	}
	if p.tail == nil {
		return nil
	}
	_, err = meter.Int64ObservableCounter(evictedMetric, metric.WithUnit("{span}"),
		metric.WithDescription("Spans that had to leave the error buffer before their trace was over."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(p.tail.evicted.Load())
			return nil
		}))
	if err != nil {
		return fmt.Errorf("create the metric %s: %w", evictedMetric, err)
	}
	return nil
}

func observeBuildInfo(_ context.Context, o metric.Int64Observer) error {
	for _, m := range buildinfo.Read().Modules {
		o.Observe(1, metric.WithAttributes(
			attribute.String("module", m.Path),
			attribute.String("version", cmp.Or(m.Version, "(devel)"))))
	}
	return nil
}

// observeLost reports the losses of one signal.
func (p *Providers) observeLost(signal string) metric.Int64Callback {
	return func(_ context.Context, o metric.Int64Observer) error {
		for _, a := range p.accounts {
			if a.signal != signal {
				continue
			}
			exporter := attribute.String("exporter", a.name)
			o.Observe(a.failed.Load(), metric.WithAttributes(exporter, attribute.String("reason", "export_failed")))
			o.Observe(a.dropped.Load(), metric.WithAttributes(exporter, attribute.String("reason", "queue_full")))
		}
		return nil
	}
}
