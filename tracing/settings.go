package tracing

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// settings are what the environment says.
type settings struct {
	disabled    bool
	propagators []string

	serviceName string
	attributes  []attribute.KeyValue

	sampler        sdktrace.Sampler
	traceExporters []string
	traceOTLP      otlpSettings
	batch          batchSettings

	metricExporters []string
	metricOTLP      otlpSettings
	metricInterval  time.Duration
	metricTimeout   time.Duration

	logExporters []string
	logOTLP      otlpSettings
	logBatch     batchSettings
}

// batchSettings bound how spans, or log records, wait for their export.
type batchSettings struct {
	delay     time.Duration
	timeout   time.Duration
	queueSize int
	batchSize int
}

// The names of exporters, as in OTEL_TRACES_EXPORTER.
const (
	exporterOTLP    = "otlp"
	exporterConsole = "console"
)

// settings reads everything. The faults are in e.
func (e *environment) settings() settings {
	s := settings{disabled: e.boolean("OTEL_SDK_DISABLED"), propagators: e.propagators()}
	if s.disabled {
		return s
	}
	if file := e.get("OTEL_CONFIG_FILE"); file != "" {
		// The specification wants every other variable ignored then. To ignore the file instead would
		// send the telemetry somewhere else than its owner believes.
		e.fault("OTEL_CONFIG_FILE", file, "declarative configuration is not supported: unset it")
	}
	s.serviceName = e.get("OTEL_SERVICE_NAME")
	s.attributes = e.resourceAttributes()

	s.sampler = e.sampler()
	s.batch = e.batch("OTEL_BSP_", 5*time.Second)
	e.limits()
	s.traceExporters = e.exporters(signalTraces)
	s.traceOTLP = e.otlp(signalTraces, s.traceExporters)

	s.metricInterval = e.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60*time.Second)
	s.metricTimeout = e.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", 30*time.Second)
	e.oneOf("OTEL_METRICS_EXEMPLAR_FILTER", "", "always_on", "always_off", "trace_based")
	s.metricExporters = e.exporters(signalMetrics)
	s.metricOTLP = e.otlp(signalMetrics, s.metricExporters)

	s.logBatch = e.batch("OTEL_BLRP_", time.Second)
	s.logExporters = e.exporters(signalLogs)
	s.logOTLP = e.otlp(signalLogs, s.logExporters)
	return s
}

// exporters says where a signal goes. The specification's default is a collector on this machine;
// ours is nowhere, unless an endpoint is named: a service that sets nothing must not dial anything.
func (e *environment) exporters(sig signal) []string {
	list, ok := e.list("OTEL_"+sig.name+"_EXPORTER", exporterOTLP, exporterConsole)
	if ok {
		return list
	}
	if _, endpoint := e.otlpVariable(sig, "ENDPOINT"); endpoint != "" {
		return []string{exporterOTLP}
	}
	return nil
}

func (e *environment) propagators() []string {
	list, ok := e.list("OTEL_PROPAGATORS", "tracecontext", "baggage", "b3", "b3multi")
	if !ok {
		return []string{"tracecontext", "baggage"}
	}
	return list
}

// newPropagator reads and writes by every name, in their order: of two that find a trace the last one
// counts. B3 is read in both of its forms, whichever is written.
func newPropagator(names []string) propagation.TextMapPropagator {
	var all []propagation.TextMapPropagator
	for _, name := range names {
		switch name {
		case "tracecontext":
			all = append(all, propagation.TraceContext{})
		case "baggage":
			all = append(all, propagation.Baggage{})
		case "b3":
			all = append(all, b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)))
		case "b3multi":
			all = append(all, b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)))
		}
	}
	return propagation.NewCompositeTextMapPropagator(all...)
}

// sampler reads OTEL_TRACES_SAMPLER. The argument counts only for samplers that take one: it may come
// from a base configuration of which the service replaces the sampler.
func (e *environment) sampler() sdktrace.Sampler {
	switch e.oneOf("OTEL_TRACES_SAMPLER", "parentbased_always_on", "always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio") {
	case "always_on":
		return sdktrace.AlwaysSample()
	case "always_off":
		return sdktrace.NeverSample()
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(e.samplerRatio())
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample())
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(e.samplerRatio()))
	}
	return sdktrace.ParentBased(sdktrace.AlwaysSample())
}

func (e *environment) samplerRatio() float64 {
	const name = "OTEL_TRACES_SAMPLER_ARG"
	value := e.get(name)
	if value == "" {
		return 1
	}
	ratio, err := strconv.ParseFloat(value, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) { // NaN is neither
		e.fault(name, value, "must be a number from 0 to 1")
		return 1
	}
	return ratio
}

func (e *environment) batch(prefix string, delay time.Duration) batchSettings {
	queue, size := prefix+"MAX_QUEUE_SIZE", prefix+"MAX_EXPORT_BATCH_SIZE"
	b := batchSettings{
		delay:     e.milliseconds(prefix+"SCHEDULE_DELAY", delay),
		timeout:   e.milliseconds(prefix+"EXPORT_TIMEOUT", 30*time.Second),
		queueSize: e.integer(queue, 2048),
	}
	b.batchSize = e.integer(size, min(512, b.queueSize))
	if b.batchSize > b.queueSize {
		e.fault(size, e.get(size), "must not be above %s, which is %d", queue, b.queueSize)
	}
	return b
}

// limits checks the limits, which the SDK reads by itself: it ignores a faulty one, and one with a space.
func (e *environment) limits() {
	for _, name := range []string{
		"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT",
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
		"OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT",
		"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
		"OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
	} {
		value := e.lookup(name)
		if value == "" {
			continue
		}
		if _, err := strconv.Atoi(value); err != nil {
			e.fault(name, value, "must be a whole number; below zero: no limit")
		}
	}
}

// resourceAttributes reads key=value pairs, whose values are percent-encoded.
func (e *environment) resourceAttributes() []attribute.KeyValue {
	const name = "OTEL_RESOURCE_ATTRIBUTES"
	var attrs []attribute.KeyValue
	pairs(e.get(name), func(position int, key, value string, ok bool) {
		if !ok || key == "" {
			e.faultf("%s: pair %d, %q, is not key=value", name, position, withoutSecrets(strings.TrimSpace(key)))
			return
		}
		decoded, err := url.PathUnescape(value)
		if err != nil {
			e.faultf("%s: the value of %q is not percent-encoded", name, withoutSecrets(key))
			return
		}
		if decoded == "" && (key == string(semconv.ServiceNameKey) || key == string(semconv.ServiceVersionKey)) {
			return // says nothing, and must not hide what is known otherwise
		}
		attrs = append(attrs, attribute.String(key, decoded))
	})
	return attrs
}
