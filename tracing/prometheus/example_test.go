package prometheus_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/backend-platform/sdk/tracing"
	"github.com/backend-platform/sdk/tracing/prometheus"
)

func Example() {
	ctx := context.Background()
	metrics, err := prometheus.New(prometheus.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	telemetry, err := tracing.Setup(ctx, "orders", tracing.Config{MetricReaders: []sdkmetric.Reader{metrics}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = telemetry.Shutdown(ctx) }()

	admin := http.NewServeMux()
	admin.Handle("GET /metrics", metrics)

	placed, err := telemetry.MeterProvider().Meter("orders").Int64Counter("orders.placed")
	if err != nil {
		fmt.Println(err)
		return
	}
	placed.Add(ctx, 3)

	response := httptest.NewRecorder()
	admin.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for line := range strings.Lines(response.Body.String()) {
		if strings.HasPrefix(line, "orders_placed") {
			fmt.Print(line)
		}
	}
	// Output: orders_placed_total{otel_scope_name="orders",otel_scope_schema_url="",otel_scope_version=""} 3
}
