package kafka

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// sendDescription is what spans and metrics say about a topic, made once.
type sendDescription struct {
	span    string
	options []trace.SpanStartOption
	common  []attribute.KeyValue
	add     []metric.AddOption
	record  []metric.RecordOption
}

func (p *Producer) describe(topic string) *sendDescription {
	common := []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingOperationName("send"),
		semconv.MessagingOperationTypeSend, semconv.MessagingDestinationName(topic),
	}
	set := metric.WithAttributeSet(attribute.NewSet(common...))
	return &sendDescription{
		span: "send " + topic,
		options: []trace.SpanStartOption{
			trace.WithSpanKind(trace.SpanKindProducer),
			trace.WithAttributes(common...),
			trace.WithAttributes(semconv.MessagingClientID(p.cfg.Connection.clientID())),
		},
		common: common,
		add:    []metric.AddOption{set},
		record: []metric.RecordOption{set},
	}
}

// send starts the span of a record and returns the record's headers with its
// context in them.
func (t *tracing) send(ctx context.Context, about *sendDescription, r *Record, now time.Time) ([]kgo.RecordHeader, trace.Span) {
	ctx, span := t.start(ctx, about.span, about.options, now)
	if span != nil && span.IsRecording() {
		span.SetAttributes(semconv.MessagingMessageBodySize(len(r.Value)))
		if r.Value == nil {
			span.SetAttributes(semconv.MessagingKafkaMessageTombstone(true))
		}
	}
	fields := t.fields()
	if len(fields)+len(r.Headers) == 0 {
		return nil, span
	}
	headers := make([]kgo.RecordHeader, len(r.Headers), len(r.Headers)+len(fields))
	for i, h := range r.Headers {
		headers[i] = kgo.RecordHeader(h)
	}
	if len(fields) > 0 {
		t.propagator().Inject(ctx, clientCarrier{&headers})
	}
	return headers, span
}

// sent ends the span of a record.
func (t *tracing) sent(span trace.Span, r *kgo.Record, err error) {
	if span == nil {
		return
	}
	if span.IsRecording() {
		if err != nil {
			err = coded(err)
			endWith(span, err, errors.CodeOf(err))
		} else {
			span.SetAttributes(
				semconv.MessagingDestinationPartitionID(strconv.Itoa(int(r.Partition))),
				semconv.MessagingKafkaOffset(int(r.Offset)),
			)
		}
	}
	span.End()
}

// clientCarrier lets a propagator write the headers of a record of the client.
type clientCarrier struct{ headers *[]kgo.RecordHeader }

// Get implements propagation.TextMapCarrier.
func (c clientCarrier) Get(key string) string {
	for i := len(*c.headers) - 1; i >= 0; i-- {
		if h := &(*c.headers)[i]; h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier. It replaces a header: a record that
// was consumed and is published again must not grow.
func (c clientCarrier) Set(key, value string) {
	for i := range *c.headers {
		if h := &(*c.headers)[i]; h.Key == key {
			h.Value = []byte(value)
			return
		}
	}
	*c.headers = append(*c.headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
}

// Keys implements propagation.TextMapCarrier.
func (c clientCarrier) Keys() []string {
	keys := make([]string, len(*c.headers))
	for i := range *c.headers {
		keys[i] = (*c.headers)[i].Key
	}
	return keys
}

// producerMetrics are the instruments of a producer, as the semantic conventions
// have them.
type producerMetrics struct {
	messages metric.Int64Counter
	duration metric.Float64Histogram
}

func newProducerMetrics(mp metric.MeterProvider) (*producerMetrics, error) {
	meter := newMeter(mp)
	m := &producerMetrics{}
	var err [2]error
	m.messages, err[0] = meter.Int64Counter("messaging.client.sent.messages",
		metric.WithUnit("{message}"), metric.WithDescription("Records that were given to the brokers, or failed to be."))
	m.duration, err[1] = meter.Float64Histogram("messaging.client.operation.duration",
		metric.WithUnit("s"), metric.WithDescription("Time from publishing a record to its acknowledgement."), metric.WithExplicitBucketBoundaries(processBuckets...))
	return m, errors.Join(err[:]...)
}

// sent counts a record that was published then. Where no SDK listens it does not
// even look at the clock.
func (m *producerMetrics) sent(about *sendDescription, started time.Time, err error) {
	ctx := context.Background()
	count, took := m.messages.Enabled(ctx), m.duration.Enabled(ctx)
	if !count && !took {
		return
	}
	add, record := about.add, about.record
	if err != nil {
		set := metric.WithAttributes(append(about.common[:len(about.common):len(about.common)],
			semconv.ErrorTypeKey.String(errors.CodeOf(coded(err)).String()))...)
		add, record = []metric.AddOption{set}, []metric.RecordOption{set}
	}
	if count {
		m.messages.Add(ctx, 1, add...)
	}
	if took {
		m.duration.Record(ctx, time.Since(started).Seconds(), record...)
	}
}

// topicCache holds what was made for a topic, for the first so many topics: a
// program that makes up names must not fill the memory with them.
type topicCache[T any] struct {
	mu     sync.RWMutex
	values map[string]T
}

const maxCachedTopics = 10_000

func (c *topicCache[T]) get(topic string, make func(string) T) T {
	c.mu.RLock()
	v, ok := c.values[topic]
	c.mu.RUnlock()
	if ok {
		return v
	}
	v = make(topic)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		c.values = map[string]T{}
	}
	if len(c.values) < maxCachedTopics {
		c.values[topic] = v
	}
	return v
}
