package main

import (
	"context"

	"go.opentelemetry.io/otel"

	"github.com/backend-platform/sdk/tracing"
)

func tracingRow() row {
	ctx := context.Background()
	tracer := otel.Tracer("benchmark")
	return row{"tracing: a span from start to end, without an SDK", "span", []contender{
		simple("sdk", "", func() {
			var err error
			_, span := tracing.Start(ctx, "reserve")
			span.End(&err)
		}),
		simple("OpenTelemetry API", "", func() {
			_, span := tracer.Start(ctx, "reserve")
			span.End()
		}),
	}, 0}
}
