package tracingtest_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/backend-platform/sdk/tracing/tracingtest"
)

func Example() {
	recorder := tracingtest.NewRecorder()

	// What is tested is given the recorder's providers.
	ctx, span := recorder.TracerProvider().Tracer("orders").Start(context.Background(), "place order")
	orders, err := recorder.MeterProvider().Meter("orders").Int64Counter("orders.placed")
	if err != nil {
		fmt.Println(err)
		return
	}
	orders.Add(ctx, 3, metric.WithAttributes(attribute.String("country", "CH")))
	span.End()

	fmt.Print(recorder.Tree())
	fmt.Println(recorder.Sum("orders.placed", attribute.String("country", "CH")))
	// Output:
	// place order (internal)
	// 3
}
