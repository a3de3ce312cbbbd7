package kafka

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/backend-platform/sdk/errors"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// ProducerConfig is the configuration of a [Producer]. The zero value is meant
// for production.
type ProducerConfig struct {
	// Connection says how to reach the brokers.
	Connection Connection

	// DeliveryTimeout is how long the producer tries to write a record, and the
	// longest that Publish waits. Zero: 30 s. Negative: no bound but the
	// caller's context.
	DeliveryTimeout time.Duration
	// MaxBuffered bounds the records that are not acknowledged. Beyond it
	// publishing fails with resource_exhausted. Zero: 10,000. It must not be
	// negative.
	MaxBuffered int
	// MaxBufferedBytes bounds the bytes of the same. Zero: 64 MiB. Negative: no
	// bound.
	MaxBufferedBytes int
	// Linger is how long a record waits for others to share a request with.
	// Zero: not at all; records that come while a request is under way share the
	// next one. It must not be negative.
	Linger time.Duration

	// Logger is where the producer logs. Nil: slog.Default().
	Logger *slog.Logger
	// TracerProvider makes the spans. Nil: OpenTelemetry's global one.
	TracerProvider trace.TracerProvider
	// MeterProvider makes the instruments. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
	// Propagator writes the trace context into records. Nil: OpenTelemetry's
	// global one.
	Propagator propagation.TextMapPropagator
}

// resolve applies the defaults and returns every fault.
func (c ProducerConfig) resolve() (ProducerConfig, error) {
	c.DeliveryTimeout = cmp.Or(c.DeliveryTimeout, 30*time.Second)
	c.MaxBuffered = cmp.Or(c.MaxBuffered, 10_000)
	c.MaxBufferedBytes = cmp.Or(c.MaxBufferedBytes, 64<<20)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	connection, err := c.Connection.resolve(c.Logger)
	c.Connection = connection
	faults := []error{err}
	if c.DeliveryTimeout > 0 && c.DeliveryTimeout < time.Second {
		faults = append(faults, fmt.Errorf("DeliveryTimeout is %v, want at least 1s", c.DeliveryTimeout))
	}
	if c.MaxBuffered < 0 {
		faults = append(faults, fmt.Errorf("MaxBuffered is %d, want 0 or more", c.MaxBuffered))
	}
	if c.Linger < 0 {
		faults = append(faults, fmt.Errorf("Linger is %v, want 0 or more", c.Linger))
	}
	return c, errors.Join(faults...)
}

// LogValue describes the effective configuration.
func (c ProducerConfig) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Duration("delivery_timeout", c.DeliveryTimeout),
		slog.Int("max_buffered", c.MaxBuffered),
		slog.Int("max_buffered_bytes", c.MaxBufferedBytes),
		slog.Duration("linger", c.Linger),
	)
}
