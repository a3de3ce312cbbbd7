package kafka

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/backend-platform/sdk/internal/redact"
	"github.com/backend-platform/sdk/internal/spans"
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
	spans      *spans.Source
	configured propagation.TextMapPropagator // nil: the global one
	carriers   atomic.Pointer[carriers]
	links      bool
}

func newTracing(tp trace.TracerProvider, p propagation.TextMapPropagator, links bool) *tracing {
	version := trace.WithInstrumentationVersion(buildinfo.Version("kafka"))
	return &tracing{spans: spans.New(tp, scope, version, trace.WithSchemaURL(semconv.SchemaURL)), configured: p, links: links}
}

// start starts a span, or none where nobody would ever see it: span is nil then.
// Without an SDK a span takes half of the time of a record whose handler does
// nothing.
func (t *tracing) start(ctx context.Context, name string, options []trace.SpanStartOption, now time.Time) (context.Context, trace.Span) {
	if t.spans.Silent(now) {
		return ctx, nil
	}
	return t.spans.Start(ctx, now, name, options...)
}

// process starts the span of one attempt at a record. It is a child of the
// producer's, or linked to it.
func (t *tracing) process(ctx context.Context, about *description, d *delivery, now time.Time) (context.Context, trace.Span) {
	options := about.span
	if len(d.Headers) > 0 && t.carried(d.Headers) {
		remote := t.propagator().Extract(ctx, headerCarrier{&d.Headers})
		if !t.links {
			ctx = remote
		} else if link := trace.LinkFromContext(remote); link.SpanContext.IsValid() {
			options = append(options[:len(options):len(options)], trace.WithLinks(link))
		}
	}
	ctx, span := t.start(ctx, about.spanName, options, now)
	if span != nil && span.IsRecording() {
		span.SetAttributes(
			semconv.MessagingKafkaOffset(int(d.Offset)),
			semconv.MessagingMessageBodySize(len(d.Value)),
			attribute.Int("messaging.kafka.delivery.attempt", int(d.attempt)),
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
	fields := t.fields()
	for i := range headers {
		if slices.Contains(fields, headers[i].Key) {
			return true
		}
	}
	return false
}

// propagator returns the one that is installed now.
func (t *tracing) propagator() propagation.TextMapPropagator {
	if t.configured != nil {
		return t.configured
	}
	return otel.GetTextMapPropagator()
}

// carriers are the headers of a propagator.
type carriers struct {
	of     propagation.TextMapPropagator // nil: of whichever
	fields []string
}

// fields are those of the propagator, as soon as it has any: the global one has
// none before it is installed.
func (t *tracing) fields() []string {
	p := t.propagator()
	known := t.carriers.Load()
	if known != nil && (known.of == nil || known.of == p) {
		return known.fields
	}
	fields := p.Fields()
	switch {
	case t.configured != nil || !reflect.TypeOf(p).Comparable():
		if len(fields) > 0 {
			t.carriers.Store(&carriers{fields: fields})
		}
	default:
		// The global one has none until another takes its place.
		t.carriers.Store(&carriers{of: p, fields: fields})
	}
	return fields
}

func (t *tracing) end(span trace.Span, f failure) {
	if span == nil {
		return
	}
	if f.err != nil && span.IsRecording() {
		endWith(span, f.err, f.code)
	}
	span.End()
}

func endWith(span trace.Span, err error, code errors.Code) {
	span.SetAttributes(semconv.ErrorTypeKey.String(code.String()))
	span.SetStatus(codes.Error, redact.Text(err.Error()))
}

// traceParent returns the context's span as a W3C traceparent, or "".
func traceParent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
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
