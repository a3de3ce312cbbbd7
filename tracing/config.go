package tracing

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// DefaultShutdownTimeout bounds [Providers.Shutdown]. A service that Kubernetes stops has 30 s in all,
// most of which belongs to requests and records in flight.
const DefaultShutdownTimeout = 5 * time.Second

// Config is what the code, not the environment, says about telemetry. Its zero value is right for
// most services: where the telemetry goes is the business of whoever deploys the service, who says so
// in the OTEL_* variables.
type Config struct {
	// Version is the service's version. Empty: service.version of OTEL_RESOURCE_ATTRIBUTES, else the
	// version of the main module, else its commit.
	Version string

	// Attributes are added to the resource. They win over OTEL_RESOURCE_ATTRIBUTES, which in turn wins
	// over what Setup finds out by itself. Nil: none.
	Attributes []attribute.KeyValue

	// Logger gets the failures of exports, at most one line a minute for each exporter and signal.
	// Nil: slog.Default() as it is at the time of the failure.
	Logger *slog.Logger

	// ShutdownTimeout bounds Shutdown, besides its context. Zero: 5 s. Negative: the context alone
	// bounds it.
	ShutdownTimeout time.Duration

	// NoRuntimeMetrics leaves out the metrics of the Go runtime (goroutines, memory, scheduler), which
	// are otherwise reported wherever metrics are.
	NoRuntimeMetrics bool

	// Console is where the exporter called console writes. Nil: os.Stdout. Writes are serialised.
	Console io.Writer

	// SpanProcessors get every span, besides the exporters of the environment. Shutdown shuts them
	// down. Nil: none.
	SpanProcessors []sdktrace.SpanProcessor

	// MetricReaders read every metric, besides the exporters of the environment. Shutdown shuts them
	// down. Nil: none.
	MetricReaders []sdkmetric.Reader
}

// withDefaults returns the configuration as it takes effect, and every fault in it.
func (c Config) withDefaults(service string) (Config, error) {
	var faults []error
	if service == "" {
		faults = append(faults, errors.New("service: must not be empty"))
	}
	for i, a := range c.Attributes {
		if !a.Valid() {
			faults = append(faults, fmt.Errorf("Config.Attributes[%d]: %q has no key or no value", i, a.Key))
		}
	}
	for i, p := range c.SpanProcessors {
		if p == nil {
			faults = append(faults, fmt.Errorf("Config.SpanProcessors[%d]: must not be nil", i))
		}
	}
	for i, r := range c.MetricReaders {
		if r == nil {
			faults = append(faults, fmt.Errorf("Config.MetricReaders[%d]: must not be nil", i))
		}
	}
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	if c.Console == nil {
		c.Console = os.Stdout
	}
	return c, errors.Join(faults...)
}
