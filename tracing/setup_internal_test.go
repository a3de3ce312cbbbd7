package tracing

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	lognoop "go.opentelemetry.io/otel/log/noop"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
)

// A bubble fails where a goroutine is left: nothing was started, so nothing can dial.
func TestSetupWithoutExporterStartsNothing(t *testing.T) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	synctest.Test(t, func(t *testing.T) {
		providers, err := Setup(t.Context(), "orders", Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		_, span := providers.TracerProvider().Tracer("test").Start(context.Background(), "span")
		span.End()
		if n := len(providers.accounts) + len(providers.closers); n != 0 {
			t.Errorf("%d exporters and clients, want none", n)
		}
		if _, ok := providers.meters.(metricnoop.MeterProvider); !ok {
			t.Errorf("metrics are made by %T although nobody reads them", providers.meters)
		}
		if _, ok := providers.loggers.(lognoop.LoggerProvider); !ok {
			t.Errorf("log records are made by %T although nobody takes them", providers.loggers)
		}
	})
}
