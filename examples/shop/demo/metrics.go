package demo

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// counters reads the metrics of all services.
type counters []*sdkmetric.ManualReader

func (c *counters) reader() sdkmetric.Reader {
	r := sdkmetric.NewManualReader()
	*c = append(*c, r)
	return r
}

// sum adds up a counter over all services, of the points that have all of attrs.
func (c counters) sum(ctx context.Context, name string, attrs ...attribute.KeyValue) int64 {
	var total int64
	for _, reader := range c {
		var rm metricdata.ResourceMetrics
		if reader.Collect(ctx, &rm) != nil {
			continue
		}
		for _, scope := range rm.ScopeMetrics {
			for _, m := range scope.Metrics {
				if data, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
					total += sumPoints(data.DataPoints, attrs)
				}
			}
		}
	}
	return total
}

func sumPoints(points []metricdata.DataPoint[int64], attrs []attribute.KeyValue) (total int64) {
	for _, point := range points {
		if hasAll(point.Attributes, attrs) {
			total += point.Value
		}
	}
	return total
}

func hasAll(set attribute.Set, attrs []attribute.KeyValue) bool {
	for _, kv := range attrs {
		if v, ok := set.Value(kv.Key); !ok || v != kv.Value {
			return false
		}
	}
	return true
}
