package otlp_test

import (
	"context"
	"fmt"
	"io"
	"log"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/logging/otlp"
)

// printed stands in for an exporter.
type printed struct{}

func (printed) Export(_ context.Context, records []sdklog.Record) error {
	for _, r := range records {
		fmt.Println(r.Severity(), r.Body().AsString(), r.AttributesLen(), "attributes")
	}
	return nil
}

func (printed) ForceFlush(context.Context) error { return nil }
func (printed) Shutdown(context.Context) error   { return nil }

var provider = sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(printed{})))

func ExampleNewCore() {
	logger, err := logging.New("orders", logging.Config{
		Output:   io.Discard, // only for this example
		NoCaller: true,
		Exports:  []zapcore.Core{otlp.NewCore(provider)}, // such as that of tracing.Setup
	})
	if err != nil {
		log.Fatal(err)
	}
	logger.Info("order placed, token=s3cr3t", zap.Int("items", 3))
	// Output:
	// INFO order placed, token=REDACTED 1 attributes
}
