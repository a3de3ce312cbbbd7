module github.com/backend-platform/sdk/logging

go 1.26.0

require (
	github.com/backend-platform/sdk/errors v0.1.0
	github.com/backend-platform/sdk/internal v0.1.0
	github.com/google/go-cmp v0.7.0
	go.opentelemetry.io/otel/trace v1.47.0
	go.uber.org/zap v1.28.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	go.opentelemetry.io/otel v1.47.0 // indirect
	go.uber.org/multierr v1.10.0 // indirect
)
