package kafka

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// ConsumerConfig is the configuration of a [Consumer]. The zero value is meant
// for production.
type ConsumerConfig struct {
	// Connection says how to reach the brokers.
	Connection Connection

	// TopicPattern is a regular expression (RE2) for topics to consume besides those
	// that are named; it has to match a whole name. Topics that are made later are
	// consumed from their first record, within a minute. Those of this package
	// (dlq., retry., parked.) and of Kafka (__) never match. One that cannot be
	// consumed, because a permission is missing for instance, holds up no other:
	// it is logged with what to do, and looked at again every 15 s. Run returns it
	// as an error when there is no other at the start. Empty: none.
	TopicPattern string

	// Workers is how many records are handled at a time, of different keys.
	// Zero: 64. It must not be negative.
	Workers int
	// MaxInFlight bounds the records that were taken from what was fetched and are
	// not done, those that wait for another attempt included. Zero: 1024. It must
	// not be negative.
	MaxInFlight int
	// MaxInFlightBytes bounds the bytes of keys, values and headers of the same and
	// of what was fetched and waits for its turn, as far as one fetch goes beyond
	// it. The client below holds one more fetch of each broker, of 16 MiB. Zero: 64
	// MiB. It must not be negative.
	MaxInFlightBytes int64
	// MaxAhead bounds the records of a partition that are done and not
	// committed, because an earlier one is not done: the most that is handled
	// again when the process is killed, for each partition. At the bound the
	// partition pauses. Zero: 10,000, or four times MaxInFlight if that is
	// more. It must be at least twice MaxInFlight.
	MaxAhead int

	// HandlerTimeout is how long a handler may take for a record; then its
	// context ends. Zero: 30 s. Negative: no bound.
	HandlerTimeout time.Duration
	// DrainTimeout is how long handlers may take to finish when a partition is
	// revoked or Run stops; then their contexts end. Zero: 10 s, well below the
	// rebalance timeout of 60 s. Negative: their contexts end at once. At most
	// 30 s. The whole stop takes at most 8 s more.
	DrainTimeout time.Duration
	// StartTimeout bounds the checks of brokers and topics at the start of Run.
	// Zero: 10 s. It must not be negative.
	StartTimeout time.Duration

	// Attempts is how often a record is tried before it is a dead letter, if its
	// errors allow another try. Zero: 8; with one failure in ten, 3 attempts
	// make a dead letter of one good record in a thousand. Negative: no bound.
	Attempts int
	// RetryFor bounds the time from a record's first failure to its dead letter;
	// it starts again when an outage is over. It also bounds how long a record is
	// taken for an outage when no other record can show whether it is one. Zero:
	// 2 h. Negative: no bound.
	RetryFor time.Duration
	// Backoff is how long a key waits between attempts. Zero fields: as in
	// [resilience.Backoff], but Max is 30 s.
	Backoff resilience.Backoff

	// Unordered says that the handler does not need the records of a key in their
	// order: they are handled at the same time, and one that fails again and again
	// waits in retry topics, where it takes no place among those in flight; of all
	// that wait, 16 MiB and a record of each partition are in memory at most. False:
	// order holds for each key, and a record that fails waits in memory.
	Unordered bool
	// RetryDelays is how long a record waits in each of its retry topics, one after
	// the other, before an attempt: with Unordered the last of its Attempts are made
	// after these delays, those before in its source, with Backoff between them. In
	// whole seconds, from 1 s to 24 h, each longer than the one before. Empty: 10 s,
	// 1 min, 10 min. Without Unordered it must be empty.
	//
	// The topics are [RetryTopic] of the topic, the group and the delay. They are
	// created at the start, with the partitions of the source and the retention of
	// dead letters. Those of an earlier configuration are emptied. Before Unordered
	// is given up, they have to be empty (metric kafka.consumer.lag).
	RetryDelays []time.Duration

	// OutageRatio is the part of records that fail, of at least 20 within 30 s,
	// at which the consumer takes it for an outage and pauses; with fewer
	// records, 3 failures in a row of 2 records are one, and all attempts of a
	// record while no other was handled. Zero: 0.5. Negative: the consumer never
	// pauses for an outage. At most 1.
	OutageRatio float64
	// FloodRatio is the part of the last 100 records that became dead letters
	// beyond which the consumer pauses. Zero: 0.5. Negative: it never pauses for
	// that. At most 1. Paused, it keeps what is rejected; what leaves no room for
	// a record that was not tried yet goes to the dead letters after RetryFor, one
	// at a probe.
	FloodRatio float64

	// CommitInterval is how often offsets are committed; they are, besides, at
	// each revoke and when much is to be committed. Zero: 1 s. It must not be
	// negative.
	CommitInterval time.Duration

	// DeadLetterTopic is where dead letters go. Empty: a topic for each source,
	// [DeadLetterTopic] of the topic and the group.
	DeadLetterTopic string
	// DeadLetterRetention is the retention of dead-letter topics that are
	// created. Zero: 30 days. Negative: for ever.
	DeadLetterRetention time.Duration
	// SpringHeaders says that dead letters have, besides, the headers of Spring for
	// Apache Kafka (kafka_dlt-…, with binary numbers), so that its tools can read
	// them. False: they have not.
	SpringHeaders bool
	// KeepTopics says that no topic is created or changed: dead-letter topics
	// have to exist, and Run fails when they do not.
	KeepTopics bool

	// StartAtEnd says where a group without a committed offset begins. False: at
	// the first record that is there. True: after the last, which is committed at
	// once, so that nothing that is written later is skipped. Partitions that are
	// added while the group runs are read from their first record; those that are
	// added while it does not run, from after their last.
	StartAtEnd bool
	// GroupProtocol says how the members of the group share its partitions. Empty:
	// [ClassicProtocol].
	GroupProtocol GroupProtocol
	// InstanceID makes the consumer a static member of the group (KIP-345): a
	// restart within the session timeout of 45 s moves no partitions. It must be
	// unique in the group and stay the same over restarts; the name of a
	// StatefulSet's pod does. Empty: a dynamic member.
	InstanceID string

	// SpanLinks says how the span of a record relates to its producer's. False:
	// it is a child, so that one trace shows all. True: it begins a trace of its
	// own, linked to the producer's.
	SpanLinks bool
	// Logger is where the consumer logs. Nil: slog.Default().
	Logger *slog.Logger
	// TracerProvider makes the spans. Nil: OpenTelemetry's global one.
	TracerProvider trace.TracerProvider
	// MeterProvider makes the instruments. Nil: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
	// Propagator reads the trace context of records. Nil: OpenTelemetry's global
	// one.
	Propagator propagation.TextMapPropagator
}

// resolve applies the defaults and returns every fault.
func (c ConsumerConfig) resolve() (ConsumerConfig, error) {
	c.Workers = cmp.Or(c.Workers, 64)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 1024)
	c.MaxInFlightBytes = cmp.Or(c.MaxInFlightBytes, 64<<20)
	c.MaxAhead = cmp.Or(c.MaxAhead, max(10_000, 4*c.MaxInFlight))
	c.HandlerTimeout = cmp.Or(c.HandlerTimeout, 30*time.Second)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 10*time.Second)
	c.StartTimeout = cmp.Or(c.StartTimeout, 10*time.Second)
	c.Attempts = cmp.Or(c.Attempts, defaultAttempts)
	if c.Unordered && len(c.RetryDelays) == 0 {
		c.RetryDelays = defaultRetryDelays()
	}
	c.RetryFor = cmp.Or(c.RetryFor, 2*time.Hour)
	c.Backoff.Max = cmp.Or(c.Backoff.Max, max(30*time.Second, c.Backoff.Base))
	if c.Backoff.Base == 0 {
		c.Backoff.Base = 100 * time.Millisecond
		if c.Backoff.Max > 0 {
			c.Backoff.Base = min(c.Backoff.Base, c.Backoff.Max)
		}
	}
	c.OutageRatio = cmp.Or(c.OutageRatio, 0.5)
	c.FloodRatio = cmp.Or(c.FloodRatio, 0.5)
	c.CommitInterval = cmp.Or(c.CommitInterval, time.Second)
	c.DeadLetterRetention = cmp.Or(c.DeadLetterRetention, 30*24*time.Hour)
	c.GroupProtocol = cmp.Or(c.GroupProtocol, ClassicProtocol)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	connection, err := c.Connection.resolve(c.Logger)
	c.Connection = connection
	return c, errors.Join(err, c.faults())
}

func (c ConsumerConfig) faults() error {
	var faults []error
	fault := func(bad bool, field string, value any, want string) {
		if bad {
			faults = append(faults, fmt.Errorf("%s is %v, want %s", field, value, want))
		}
	}
	fault(c.Workers < 0, "Workers", c.Workers, "0 or more")
	fault(c.MaxInFlight < 0, "MaxInFlight", c.MaxInFlight, "0 or more")
	fault(c.MaxInFlightBytes < 0, "MaxInFlightBytes", c.MaxInFlightBytes, "0 or more")
	fault(c.MaxAhead < 2*c.MaxInFlight, "MaxAhead", c.MaxAhead, "at least twice MaxInFlight")
	fault(c.DrainTimeout > maxDrain, "DrainTimeout", c.DrainTimeout, "at most 30s, for a rebalance must not take longer than 60s")
	fault(c.StartTimeout < 0, "StartTimeout", c.StartTimeout, "0 or more")
	fault(c.OutageRatio > 1, "OutageRatio", c.OutageRatio, "at most 1")
	fault(c.FloodRatio > 1, "FloodRatio", c.FloodRatio, "at most 1")
	fault(c.GroupProtocol != ClassicProtocol && c.GroupProtocol != ConsumerProtocol, "GroupProtocol", fmt.Sprintf("%q", c.GroupProtocol), "ClassicProtocol or ConsumerProtocol")
	fault(c.CommitInterval < 0, "CommitInterval", c.CommitInterval, "0 or more")
	fault(c.DeadLetterTopic != "" && !validTopic(c.DeadLetterTopic), "DeadLetterTopic", fmt.Sprintf("%q", c.DeadLetterTopic), "a name that Kafka permits")
	faults = append(faults, c.retryFaults()...)
	if err := c.Backoff.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("Backoff: %w", err))
	}
	return errors.Join(faults...)
}

// GroupProtocol is how the members of a group share its partitions; the names are
// those of Kafka's group.protocol.
type GroupProtocol string

const (
	// ClassicProtocol has the members share the partitions, cooperatively: only
	// those that move are given up. Every broker knows it.
	ClassicProtocol GroupProtocol = "classic"
	// ConsumerProtocol has the brokers share them (KIP-848): a member that is slow
	// to give a partition up holds up nobody but its next owner. It needs Kafka
	// 4.0, and Kafka 4.3 to be free of commits that are refused in a rebalance;
	// with older brokers the classic one is used. The members of a running group
	// may change over one by one (group.consumer.migration.policy). The session
	// timeout is the brokers' (group.consumer.session.timeout.ms, 45 s).
	ConsumerProtocol GroupProtocol = "consumer"
)

// defaultAttempts makes a dead letter of next to no good record where one attempt in
// ten fails: of 200,000, three attempts made 200 dead letters, five made 2.
const defaultAttempts = 8

const (
	maxDrain         = 30 * time.Second
	rebalanceTimeout = 60 * time.Second
	sessionTimeout   = 45 * time.Second
)

func (c ConsumerConfig) limits() limits {
	return limits{
		attempts: c.Attempts, retryFor: c.RetryFor, backoff: c.Backoff.Wait,
		records: c.MaxInFlight, bytes: c.MaxInFlightBytes, ahead: c.MaxAhead,
		probeFirst: time.Second, probeMax: 30 * time.Second, probeLate: c.probeLate(),
	}
}

// probeLate is when the probe of a pause has had all the time that a handler has, or so much
// that another one beside it does no harm.
func (c ConsumerConfig) probeLate() time.Duration {
	const long = 5 * time.Minute
	if c.HandlerTimeout < 0 {
		return long
	}
	return min(c.HandlerTimeout, long) + endGrace
}

// LogValue describes the effective configuration.
func (c ConsumerConfig) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("workers", c.Workers),
		slog.Int("max_in_flight", c.MaxInFlight),
		slog.Int64("max_in_flight_bytes", c.MaxInFlightBytes),
		slog.Int("max_ahead", c.MaxAhead),
		slog.Duration("handler_timeout", c.HandlerTimeout),
		slog.Duration("drain_timeout", c.DrainTimeout),
		slog.Int("attempts", c.Attempts),
		slog.Duration("retry_for", c.RetryFor),
		slog.Duration("backoff_base", max(c.Backoff.Base, 0)),
		slog.Duration("backoff_max", c.Backoff.Max),
		slog.Float64("outage_ratio", c.OutageRatio),
		slog.Float64("flood_ratio", c.FloodRatio),
		slog.Duration("commit_interval", c.CommitInterval),
		slog.String("group_protocol", string(c.GroupProtocol)),
	)
}
