module github.com/backend-platform/sdk/internal

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	go.opentelemetry.io/otel v1.47.0
)

require (
	github.com/backend-platform/sdk/errors v0.1.0
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
)
