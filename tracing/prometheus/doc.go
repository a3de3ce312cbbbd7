// Package prometheus serves a service's metrics to Prometheus, which comes to fetch them, in its text
// format and in OpenMetrics, with exemplars that lead from a histogram to a trace.
//
//	metrics, err := prometheus.New(prometheus.Config{})
//	…
//	telemetry, err := tracing.Setup(ctx, "orders", tracing.Config{MetricReaders: []sdkmetric.Reader{metrics}})
//	…
//	admin.Handle("GET /metrics", metrics)
//
// It is a package of its own because it adds 1.5 MB and nine modules to a program, which those who push
// their metrics to a collector need not carry.
//
// # Names
//
// Names are translated as the OpenTelemetry specification says ("Prometheus and OpenMetrics
// Compatibility"): http.server.request.duration in seconds becomes
// http_server_request_duration_seconds, a counter gets the ending _total. Each series has the labels
// otel_scope_name and otel_scope_version, and target_info has the resource: join with it what the series
// lack.
//
// # What cannot be shown
//
// A series that Prometheus cannot take (two metrics with one name and two types, a label that is there
// already, a text that is no UTF-8) is left out and logged; the rest is served. So is a metric whose
// name another scope uses with another description, if the first one has none.
//
// An attribute le of a histogram becomes the label exported_le.
//
// Exemplars need OpenMetrics, which Prometheus asks for by itself, and its feature exemplar-storage. They
// are there where a value was recorded under a sampled span.
package prometheus
