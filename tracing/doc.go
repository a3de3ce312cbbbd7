// Package tracing sets up OpenTelemetry for a service in one call: traces, the metrics and log records that
// go with them, and what carries a trace from process to process.
//
// # Setting up
//
// Main calls [Setup] once, and Shutdown when everything else has stopped:
//
//	telemetry, err := tracing.Setup(ctx, "orders", tracing.Config{})
//	if err != nil {
//		return err
//	}
//	telemetry.SetGlobal()
//	defer func() {
//		if err := telemetry.Shutdown(context.WithoutCancel(ctx)); err != nil {
//			slog.Warn("telemetry was lost", "error", err)
//		}
//	}()
//
// Where the telemetry goes is not code. Whoever deploys the service says it in OpenTelemetry's own
// variables; in most cases one is enough:
//
//	OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318
//
// The README lists the variables that count, and those that do not. With none of them, spans still have
// ids, so that logs can be joined by trace, and nothing is dialled and nothing printed.
//
// Libraries that are given no provider use the global one, which only SetGlobal changes. A program that
// runs several services, or a test, hands the providers on instead:
//
//	httpserver.Config{
//		TracerProvider: telemetry.TracerProvider(),
//		MeterProvider:  telemetry.MeterProvider(),
//		Propagator:     telemetry.Propagator(), // without it a trace ends at the process
//	}
//
// # Spans
//
// The SDK's HTTP and Kafka packages make their own spans. [Start] makes one for a piece of work in
// between; its End takes the error and treats it as the table of package errors says:
//
//	func (s *Store) Reserve(ctx context.Context, sku string) (err error) {
//		ctx, span := tracing.Start(ctx, "reserve", attribute.String("sku", sku))
//		defer span.End(&err)
//
// error.type is the error's code. The status is error only where the fault is the service's own: a
// not_found is an answer.
//
// # What it guarantees
//
//   - A faulty variable is an error of Setup that names the variable and the value, all of them at once.
//     OpenTelemetry's own SDK mostly ignores them.
//   - No secret of a variable is in an error: not a header's value, also where the collector repeats it, not a
//     password in a URL.
//   - A collector that is down, hangs or refuses never delays Setup, nor a span's end: a full queue drops
//     spans, and counts them in the metric sdk.tracing.spans.lost.
//   - Shutdown returns within its bound, 5 s by default, and a [LossError] says how many spans and log
//     records did not arrive, and why.
//   - Failures of an export are logged at most once a minute; so is, once, that they are over.
//   - The texts of errors on spans are exported without the secrets that are known by their form, also
//     those that other libraries have recorded. The value of a panic that ends a span is recorded by
//     [Span.End] alone, in the same way; OpenTelemetry's own End does not record it.
//   - A text that is no UTF-8 becomes one; otherwise OTLP would refuse the whole batch.
//   - The resource has no schema URL, so no other library's can conflict with it, and no command line.
//   - The metric sdk_build_info tells which modules of the SDK run, in which versions.
//
// # Traces with errors
//
// With [Config].ErrorBuffer, a trace in which a span fails is exported although the sampler has not taken it:
// the spans that have ended before the failure, the one that failed, and those that end later. It is
// decided in each process for its own spans, when the last open one of the trace has ended. Callees are
// told that the trace is not sampled; they keep their own part where they fail too. The spans carry
// sdk.sampling.reason=error, since they are no fair sample.
//
// # What it does not do
//
// It speaks OTLP over HTTP with protobuf and over gRPC, not in JSON. It makes no log records; a bridge
// does. A [Config] chooses no exporter by name: that is what the variables are for; it takes exporters
// of one's own.
//
// Package prometheus, below, is for services that are scraped. Package tracingtest records spans and
// metrics in a test.
package tracing
