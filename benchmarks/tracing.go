package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/tracing"
)

func tracingRows() []row {
	ctx := context.Background()
	tracer := otel.Tracer("benchmark")
	return []row{
		{name: "tracing: a span from start to end, without an SDK", unit: "span", contenders: []contender{
			simple("sdk", "", func() {
				var err error
				_, span := tracing.Start(ctx, "reserve")
				span.End(&err)
			}),
			simple("OpenTelemetry API", "", func() {
				_, span := tracer.Start(ctx, "reserve")
				span.End()
			}),
		}, bars: []bar{timeWithin(1.2, "OpenTelemetry API")}},
		{name: "tracing: a span from start to end, while the collector is down", unit: "span", contenders: []contender{
			{"sdk", "drops and counts what its queue does not hold", tracingDown},
			{"OpenTelemetry SDK", "batch processor and OTLP over HTTP with their defaults; drops, too", otelDown},
		}, noBar: "the bar is that of a span without an SDK"},
	}
}

// spans starts and ends spans under a tracer.
func spans(tracer trace.Tracer) work {
	return all(func(n int) error {
		for range n {
			_, span := tracer.Start(context.Background(), "reserve")
			span.End()
		}
		return nil
	})
}

func tracingDown() (work, func(), error) {
	const variable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	endpoint, err := refusing()
	if err != nil {
		return nil, nil, err
	}
	if err := os.Setenv(variable, endpoint); err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.Unsetenv(variable) }()
	telemetry, err := tracing.Setup(context.Background(), "benchmark", tracing.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	stop := func() { _ = telemetry.Shutdown(ended()) }
	return spans(telemetry.TracerProvider().Tracer("benchmark")), stop, nil
}

func otelDown() (work, func(), error) {
	endpoint, err := refusing()
	if err != nil {
		return nil, nil, err
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	return spans(provider.Tracer("benchmark")), func() { _ = provider.Shutdown(ended()) }, nil
}

// refusing returns a URL where nobody listens.
func refusing() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return "http://" + listener.Addr().String(), listener.Close()
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
