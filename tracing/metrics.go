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
	_, err = meter.Int64ObservableCounter(lostSpansMetric, metric.WithUnit("{span}"),
		metric.WithDescription("Spans that ended and were not exported."),
		metric.WithInt64Callback(p.observeLostSpans))
	if err != nil {
		return fmt.Errorf("create the metric %s: %w", lostSpansMetric, err)
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

func (p *Providers) observeLostSpans(_ context.Context, o metric.Int64Observer) error {
	for _, pipeline := range p.spanPipelines {
		exporter := attribute.String("exporter", pipeline.name)
		o.Observe(pipeline.failed.Load(), metric.WithAttributes(exporter, attribute.String("reason", "export_failed")))
		o.Observe(pipeline.dropped.Load(), metric.WithAttributes(exporter, attribute.String("reason", "queue_full")))
	}
	return nil
}
