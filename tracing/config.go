package tracing

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
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

	// Sampler is given the sampler of the environment and returns the one to use, such as one that drops
	// some spans and asks the given one about the others. Nil: the environment's is used.
	Sampler func(sdktrace.Sampler) sdktrace.Sampler

	// ErrorBuffer is how many spans of traces that the sampler has not taken are held in memory until
	// their trace is over, so that the traces in which something failed are exported all the same; see
	// "Traces with errors" in the package's documentation. A span with six attributes takes about 1 KiB. Zero or
	// negative: none, and an error in a trace that is not sampled shows in no trace.
	ErrorBuffer int

	// SpanProcessors get every span that is recorded, besides the exporters of the environment. Shutdown
	// shuts them down. Nil: none.
	SpanProcessors []sdktrace.SpanProcessor

	// SpanExporters get the sampled spans besides the exporters of the environment, and in the same way:
	// in batches, out of the service's way, and with an account of what is lost. Nil: none.
	SpanExporters []sdktrace.SpanExporter

	// MetricReaders read every metric, besides the exporters of the environment. Shutdown shuts them
	// down. Nil: none.
	MetricReaders []sdkmetric.Reader

	// MetricExporters get the metrics as the exporters of the environment do. Nil: none.
	MetricExporters []sdkmetric.Exporter

	// Views change the metrics on their way to readers and exporters: which there are, their buckets,
	// their attributes. Nil: none.
	Views []sdkmetric.View

	// LogProcessors get every log record, besides the exporters of the environment. Shutdown shuts them
	// down. Nil: none.
	LogProcessors []sdklog.Processor

	// LogExporters get the log records as the exporters of the environment do. Nil: none.
	LogExporters []sdklog.Exporter
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
	faults = append(faults,
		nilFaults("SpanProcessors", c.SpanProcessors), nilFaults("SpanExporters", c.SpanExporters),
		nilFaults("MetricReaders", c.MetricReaders), nilFaults("MetricExporters", c.MetricExporters),
		nilFaults("Views", c.Views),
		nilFaults("LogProcessors", c.LogProcessors), nilFaults("LogExporters", c.LogExporters))
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	if c.Console == nil {
		c.Console = os.Stdout
	}
	c.ErrorBuffer = max(c.ErrorBuffer, 0)
	return c, errors.Join(faults...)
}

// nilFaults returns what is wrong with a list of interfaces or functions.
func nilFaults[T any](field string, list []T) error {
	var faults []error
	for i, element := range list {
		if v := reflect.ValueOf(element); !v.IsValid() || v.Kind() == reflect.Func && v.IsNil() {
			faults = append(faults, fmt.Errorf("Config.%s[%d]: must not be nil", field, i))
		}
	}
	return errors.Join(faults...)
}
