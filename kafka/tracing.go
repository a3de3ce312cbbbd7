package kafka

import (
	"context"
	"slices"
	"strconv"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/backend-platform/sdk/internal/redact"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name of the module as an OpenTelemetry instrumentation scope.
const scope = buildinfo.Prefix + "kafka"

// Attributes in log lines are named as in spans: by the semantic conventions
// where these have a name.
const (
	attrTopic     = string(semconv.MessagingDestinationNameKey)
	attrPartition = string(semconv.MessagingDestinationPartitionIDKey)
	attrOffset    = string(semconv.MessagingKafkaOffsetKey)
	attrGroup     = string(semconv.MessagingConsumerGroupNameKey)
	attrAttempt   = "attempt"
	attrKeyHash   = "key_hash"
)

// description is what spans and metrics say about a partition, made once per
// assignment.
type description struct {
	spanName string
	span     []trace.SpanStartOption
	topic    []metric.AddOption
	success  []metric.RecordOption
	failed   map[errors.Code][]metric.RecordOption
}

func describePartition(group, clientID string, tp topicPartition) *description {
	common := []attribute.KeyValue{
		semconv.MessagingSystemKafka,
		semconv.MessagingOperationName("process"),
		semconv.MessagingDestinationName(tp.topic),
		semconv.MessagingConsumerGroupName(group),
		semconv.MessagingDestinationPartitionID(strconv.Itoa(int(tp.partition))),
	}
	d := &description{
		spanName: "process " + tp.topic,
		span: []trace.SpanStartOption{
			trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(common...),
			trace.WithAttributes(semconv.MessagingOperationTypeProcess, semconv.MessagingClientID(clientID)),
		},
		topic:   []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(common...))},
		success: []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(common...))},
		failed:  map[errors.Code][]metric.RecordOption{},
	}
	for _, code := range errors.Codes() {
		set := attribute.NewSet(append(common[:len(common):len(common)], semconv.ErrorTypeKey.String(code.String()))...)
		d.failed[code] = []metric.RecordOption{metric.WithAttributeSet(set)}
	}
	return d
}

// tracing starts the spans of a consumer or a producer.
type tracing struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	fields     []string
	links      bool
}

func newTracing(tp trace.TracerProvider, p propagation.TextMapPropagator, links bool) *tracing {
	if tp == nil {
		tp = otel.GetTracerProvider()
	}
	if p == nil {
		p = otel.GetTextMapPropagator()
	}
	return &tracing{
		tracer:     tp.Tracer(scope, trace.WithInstrumentationVersion(buildinfo.Version("kafka")), trace.WithSchemaURL(semconv.SchemaURL)),
		propagator: p, fields: p.Fields(), links: links,
	}
}

// process starts the span of one attempt at a record. It is a child of the
// producer's, or linked to it.
func (t *tracing) process(ctx context.Context, about *description, d *delivery) (context.Context, trace.Span) {
	options := about.span
	if t.carried(d.Headers) {
		remote := t.propagator.Extract(ctx, headerCarrier{&d.Headers})
		if !t.links {
			ctx = remote
		} else if link := trace.LinkFromContext(remote); link.SpanContext.IsValid() {
			options = append(options[:len(options):len(options)], trace.WithLinks(link))
		}
	}
	ctx, span := t.tracer.Start(ctx, about.spanName, options...)
	if span.IsRecording() {
		span.SetAttributes(
			semconv.MessagingKafkaOffset(int(d.Offset)),
			semconv.MessagingMessageBodySize(len(d.Value)),
			attribute.Int("messaging.kafka.delivery.attempt", d.attempt),
		)
		if d.Value == nil {
			span.SetAttributes(semconv.MessagingKafkaMessageTombstone(true))
		}
	}
	return ctx, span
}

// carried reports whether a record has a trace context, which most tests and
// many producers do not send.
func (t *tracing) carried(headers []Header) bool {
	for i := range headers {
		if slices.Contains(t.fields, headers[i].Key) {
			return true
		}
	}
	return false
}

func (t *tracing) end(span trace.Span, f failure) {
	if f.err != nil && span.IsRecording() {
		endWith(span, f.err, f.code)
	}
	span.End()
}

func endWith(span trace.Span, err error, code errors.Code) {
	span.SetAttributes(semconv.ErrorTypeKey.String(code.String()))
	span.SetStatus(codes.Error, redact.Text(err.Error()))
}

// traceParent returns the span's context as a W3C traceparent, or "".
func traceParent(span trace.Span) string {
	sc := span.SpanContext()
	if !sc.IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), carrier)
	return carrier["traceparent"]
}

// headerCarrier lets a propagator read a record's headers.
type headerCarrier struct{ headers *[]Header }

// Get implements propagation.TextMapCarrier.
func (c headerCarrier) Get(key string) string {
	for i := len(*c.headers) - 1; i >= 0; i-- {
		if h := &(*c.headers)[i]; h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier. A record that was read is not
// written to.
func (headerCarrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (c headerCarrier) Keys() []string {
	keys := make([]string, 0, len(*c.headers))
	for i := range *c.headers {
		keys = append(keys, (*c.headers)[i].Key)
	}
	return keys
}
