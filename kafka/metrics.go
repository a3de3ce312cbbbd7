package kafka

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// processBuckets are the boundaries that the semantic conventions advise for
// messaging.process.duration, in seconds.
var processBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// consumerMetrics are the instruments of a consumer. The first two are those of
// the semantic conventions; for the others these have none.
type consumerMetrics struct {
	consumed    metric.Int64Counter
	duration    metric.Float64Histogram
	retried     metric.Int64Counter
	delayed     metric.Int64Counter
	deadLetters metric.Int64Counter
	pauses      metric.Int64Counter
	inFlight    metric.Int64ObservableGauge
	paused      metric.Int64ObservableGauge
	unwritten   metric.Int64ObservableGauge
	lag         metric.Int64ObservableGauge
	lagTime     metric.Float64ObservableGauge

	meter metric.Meter
	group attribute.KeyValue
}

func newMeter(mp metric.MeterProvider) metric.Meter {
	if mp == nil {
		mp = otel.GetMeterProvider()
	}
	return mp.Meter(scope, metric.WithInstrumentationVersion(buildinfo.Version("kafka")), metric.WithSchemaURL(semconv.SchemaURL))
}

func newConsumerMetrics(mp metric.MeterProvider, group string) (*consumerMetrics, error) {
	m := &consumerMetrics{meter: newMeter(mp), group: semconv.MessagingConsumerGroupName(group)}
	var err [11]error
	m.consumed, err[0] = m.meter.Int64Counter("messaging.client.consumed.messages",
		metric.WithUnit("{message}"), metric.WithDescription("Records that were fetched and taken into flight."))
	m.duration, err[1] = m.meter.Float64Histogram("messaging.process.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of one attempt at handling a record."), metric.WithExplicitBucketBoundaries(processBuckets...))
	m.retried, err[2] = m.meter.Int64Counter("kafka.consumer.retries",
		metric.WithUnit("{attempt}"), metric.WithDescription("Attempts that failed and are to be repeated."))
	m.deadLetters, err[3] = m.meter.Int64Counter("kafka.consumer.dead_letters",
		metric.WithUnit("{message}"), metric.WithDescription("Records that were written to the dead letters, by the code of the error."))
	m.pauses, err[4] = m.meter.Int64Counter("kafka.consumer.pauses",
		metric.WithUnit("{pause}"), metric.WithDescription("Times that the consumer paused, by reason."))
	m.inFlight, err[5] = m.meter.Int64ObservableGauge("kafka.consumer.in_flight",
		metric.WithUnit("{message}"), metric.WithDescription("Records in flight, by state: waiting for another attempt or behind such a record, or not."))
	m.paused, err[6] = m.meter.Int64ObservableGauge("kafka.consumer.paused",
		metric.WithUnit("1"), metric.WithDescription("1 while the consumer is paused for the reason."))
	m.unwritten, err[7] = m.meter.Int64ObservableGauge("kafka.consumer.unwritten",
		metric.WithUnit("{message}"), metric.WithDescription("Dead letters that cannot be written so far; their partitions wait."))
	m.lag, err[8] = m.meter.Int64ObservableGauge("kafka.consumer.lag",
		metric.WithUnit("{message}"), metric.WithDescription("Offsets between the end of a partition and its low-water mark, as of the last fetch."))
	m.lagTime, err[9] = m.meter.Float64ObservableGauge("kafka.consumer.lag.time",
		metric.WithUnit("s"), metric.WithDescription("Age of the oldest record of a partition that is not done, from its timestamp; 0 where all are done."))
	m.delayed, err[10] = m.meter.Int64Counter("kafka.consumer.delayed",
		metric.WithUnit("{message}"), metric.WithDescription("Records that were written to a retry topic."))
	return m, errors.Join(err[:]...)
}

// processed notes one attempt.
func (m *consumerMetrics) processed(d *description, took time.Duration, code errors.Code) {
	if !m.duration.Enabled(context.Background()) {
		return
	}
	options := d.success
	if code != errors.OK {
		options = d.failed[code]
	}
	m.duration.Record(context.Background(), took.Seconds(), options...)
}

// buried notes a dead letter.
func (m *consumerMetrics) buried(d *description, code errors.Code) {
	m.deadLetters.Add(context.Background(), 1, slices.Concat(d.topic, []metric.AddOption{metric.WithAttributes(semconv.ErrorTypeKey.String(code.String()))})...)
}

// observe registers the gauges, until the returned function is called.
func (m *consumerMetrics) observe(c *Consumer) (stop func(), err error) {
	registration, err := m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		st := c.Status()
		o.ObserveInt64(m.inFlight, int64(st.InFlight-st.Waiting), metric.WithAttributes(m.group, attribute.String("state", "active")))
		o.ObserveInt64(m.inFlight, int64(st.Waiting), metric.WithAttributes(m.group, attribute.String("state", "waiting")))
		o.ObserveInt64(m.unwritten, int64(st.Unwritten), metric.WithAttributes(m.group))
		for _, reason := range []PauseReason{PausedByOutage, PausedByFlood} {
			o.ObserveInt64(m.paused, flag(st.Paused == reason), metric.WithAttributes(m.group, attribute.String("reason", reason.String())))
		}
		for tp, lag := range c.lags() {
			where := metric.WithAttributes(m.group,
				semconv.MessagingDestinationName(tp.topic),
				semconv.MessagingDestinationPartitionID(strconv.Itoa(int(tp.partition))))
			o.ObserveInt64(m.lag, lag.records, where)
			if lag.known {
				o.ObserveFloat64(m.lagTime, lag.age.Seconds(), where)
			}
		}
		return nil
	}, m.inFlight, m.paused, m.unwritten, m.lag, m.lagTime)
	if err != nil {
		return func() {}, err
	}
	return func() { _ = registration.Unregister() }, nil
}

func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}
