package tracingtest

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Metrics returns all metrics as they are now.
func (r *Recorder) Metrics() []metricdata.Metrics { return r.collect() }

// Sum returns the sum of a metric's data points that have all of attrs, whatever others they have: the
// values of a counter or a gauge, the recorded values of a histogram. It is 0 where there are none.
func (r *Recorder) Sum(name string, attrs ...attribute.KeyValue) float64 {
	var sum float64
	r.points(name, attrs, func(_ uint64, value float64) { sum += value })
	return sum
}

// Count returns how many values a histogram has recorded in its data points that have all of attrs. Of
// a counter or a gauge it returns the number of those data points.
func (r *Recorder) Count(name string, attrs ...attribute.KeyValue) uint64 {
	var sum uint64
	r.points(name, attrs, func(count uint64, _ float64) { sum += count })
	return sum
}

func (r *Recorder) points(name string, attrs []attribute.KeyValue, yield func(count uint64, value float64)) {
	for _, m := range r.collect() {
		if m.Name != name {
			continue
		}
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			dataPoints(data.DataPoints, attrs, yield)
		case metricdata.Sum[float64]:
			dataPoints(data.DataPoints, attrs, yield)
		case metricdata.Gauge[int64]:
			dataPoints(data.DataPoints, attrs, yield)
		case metricdata.Gauge[float64]:
			dataPoints(data.DataPoints, attrs, yield)
		case metricdata.Histogram[int64]:
			histogramPoints(data.DataPoints, attrs, yield)
		case metricdata.Histogram[float64]:
			histogramPoints(data.DataPoints, attrs, yield)
		case metricdata.ExponentialHistogram[int64]:
			exponentialPoints(data.DataPoints, attrs, yield)
		case metricdata.ExponentialHistogram[float64]:
			exponentialPoints(data.DataPoints, attrs, yield)
		}
	}
}

func dataPoints[N int64 | float64](points []metricdata.DataPoint[N], attrs []attribute.KeyValue, yield func(uint64, float64)) {
	for _, p := range points {
		if has(p.Attributes, attrs) {
			yield(1, float64(p.Value))
		}
	}
}

func histogramPoints[N int64 | float64](points []metricdata.HistogramDataPoint[N], attrs []attribute.KeyValue, yield func(uint64, float64)) {
	for _, p := range points {
		if has(p.Attributes, attrs) {
			yield(p.Count, float64(p.Sum))
		}
	}
}

func exponentialPoints[N int64 | float64](points []metricdata.ExponentialHistogramDataPoint[N], attrs []attribute.KeyValue, yield func(uint64, float64)) {
	for _, p := range points {
		if has(p.Attributes, attrs) {
			yield(p.Count, float64(p.Sum))
		}
	}
}

func has(set attribute.Set, attrs []attribute.KeyValue) bool {
	for _, a := range attrs {
		if value, ok := set.Value(a.Key); !ok || value.String() != a.Value.String() {
			return false
		}
	}
	return true
}
