module github.com/backend-platform/sdk/httpserver

go 1.26.0

require (
	github.com/backend-platform/sdk/errors v0.1.0
	github.com/backend-platform/sdk/internal v0.1.0
	github.com/google/go-cmp v0.7.0
	go.opentelemetry.io/otel v1.47.0
	go.opentelemetry.io/otel/metric v1.47.0
	go.opentelemetry.io/otel/sdk v1.47.0
	go.opentelemetry.io/otel/sdk/metric v1.47.0
	go.opentelemetry.io/otel/trace v1.47.0
)
