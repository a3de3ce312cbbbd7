package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// HeaderContentType is the header that names the media type of a record's value.
const HeaderContentType = "content-type"

// ContentTypeJSON is the media type of JSON.
const ContentTypeJSON = "application/json"

// NewJSON returns a record whose value is v as JSON, with the content type in
// its headers. The code of an error is invalid_argument.
func NewJSON[T any](topic string, key []byte, v T) (*Record, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return nil, errors.InvalidArgument.Wrap(fmt.Errorf("kafka: encode record of %q: %w", topic, err), "")
	}
	return &Record{
		Topic: topic, Key: key, Value: value,
		Headers: []Header{{Key: HeaderContentType, Value: []byte(ContentTypeJSON)}},
	}, nil
}

// Producer writes records. It is idempotent and waits for all in-sync replicas:
// an acknowledged record is written once, and records of one key are written in
// the order in which they were published. It is safe for concurrent use.
type Producer struct {
	cfg      ProducerConfig
	brokers  []string
	client   *kgo.Client
	buffer   buffer
	closed   atomic.Bool
	renewals renewals
	calls    sync.Pool // of *publication
	late     deadlines
	expiry   expiry
	dials    *dialErrors
	topics   topicCache[*sendDescription]
	traces   *tracing
	metrics  *producerMetrics
}

// NewProducer returns a producer. It connects when the first record is
// published. The error names every fault of the arguments and the configuration.
func NewProducer(brokers []string, cfg ProducerConfig) (*Producer, error) {
	cfg, err := cfg.resolve()
	if err := errors.Join(checkBrokers(brokers), err); err != nil {
		return nil, errors.InvalidArgument.Wrap(fmt.Errorf("kafka: new producer: %w", err), "")
	}
	p := &Producer{cfg: cfg, brokers: slices.Clone(brokers), dials: new(dialErrors), buffer: newBuffer(cfg), expiry: expiry{timeout: cfg.DeliveryTimeout}}
	if p.metrics, err = newProducerMetrics(cfg.MeterProvider); err != nil {
		return nil, fmt.Errorf("kafka: new producer: make instruments: %w", err)
	}
	p.traces = newTracing(cfg.TracerProvider, cfg.Propagator, false)
	opts := []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // murmur2, as every other client of Kafka
		kgo.ProducerLinger(cfg.Linger),
		kgo.MaxBufferedRecords(math.MaxInt32), // The buffer is ours.
		kgo.UnknownTopicRetries(1),
		kgo.WithHooks(p.dials),
	}
	if p.client, err = cfg.Connection.newClient(brokers, cfg.Logger, opts...); err != nil {
		return nil, fmt.Errorf("kafka: new producer: %w", err)
	}
	policy.Register("producer", strings.Join(brokers, ","), p)
	return p, nil
}

// LogValue describes the producer for /debug/sdk and log lines.
func (p *Producer) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("brokers", p.brokers), slog.Any("config", p.cfg),
		slog.Int64("buffered", p.client.BufferedProduceRecords()))
}

// Client returns the client below, for what this package has no method for. It
// is closed by Close.
func (p *Producer) Client() *kgo.Client { return p.client }

// Publish writes the records and returns when the brokers have them, or when ctx
// ends or the delivery timeout is over. On success each record's Partition,
// Offset and Timestamp are set. Any failure is a [*PublishError], which says for
// each record that was not acknowledged whether it may have been written all the
// same: once a record is on its way it cannot be called back.
//
// Records of one call are written in their order for each key. Where the buffer
// is full, the call waits as long as it has records of its own in it; then the
// record that found no room fails with resource_exhausted, and with it all that
// come after it, so that the failed ones can be published again in their order.
// A record that the broker refuses for itself, as too large for instance, does
// not hold back those behind it.
//
// Where the brokers refuse the login at first, it fails with unauthenticated at
// once. Where they took it before, its password is being replaced: the call goes on
// trying until ctx or the delivery timeout ends.
//
// The bytes of a record must not be changed before Publish returns, nor, after a
// failure that may have been written, before the delivery timeout is over.
func (p *Producer) Publish(ctx context.Context, records ...*Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return neverSent(records, err)
	}
	if p.closed.Load() {
		return neverSent(records, errClosed)
	}
	begun := time.Now()
	err := p.publish(ctx, records, begun)
	for err != nil {
		left := p.cfg.DeliveryTimeout - time.Since(begun) - loginWait
		again := p.loggedOut(records, err)
		if again == 0 || p.cfg.DeliveryTimeout > 0 && left <= 0 || sleepContext(ctx, loginWait) != nil {
			return err
		}
		records = records[len(records)-again:]
		err = p.publish(ctx, records, begun)
	}
	return nil
}

// loginWait is the time between two logins of a producer whose password was
// replaced.
const loginWait = 250 * time.Millisecond

// loggedOut says how many of the records are to be published again because the
// brokers refuse a login that they took before: they know of another password
// already. Those are the last ones, so that their order holds, and are certainly
// not written.
func (p *Producer) loggedOut(records []*Record, err error) int {
	failed, ok := errors.AsType[*PublishError](err)
	if !ok || !p.dials.wasConnected() {
		return 0
	}
	first := len(records) - len(failed.Failed)
	for i, f := range failed.Failed {
		if f.Record != records[first+i] || f.MayBeWritten || !errors.Is(f.Err, kerr.SaslAuthenticationFailed) {
			return 0
		}
	}
	return len(failed.Failed)
}

var (
	errDelivery  = errors.New("no broker acknowledged the record within the delivery timeout")
	errTopicName = errors.FailedPrecondition.New("The topic has no name that Kafka permits.")
	errClosed    = errors.FailedPrecondition.Wrap(fmt.Errorf("the producer is closed: %w", kgo.ErrClientClosed), "")
)

func neverSent(records []*Record, err error) error {
	e := &PublishError{Failed: make([]PublishFailure, len(records))}
	for i, r := range records {
		e.Failed[i] = PublishFailure{Record: r, Err: err}
	}
	return e
}

// publish sends the records of a call that began then, and waits for their outcome.
func (p *Producer) publish(ctx context.Context, records []*Record, begun time.Time) error {
	pub := p.begin(len(records), begun)
	defer p.end(pub)
	// A call with more records than the buffer holds waits for its own.
	share := int64(max(p.cfg.MaxBuffered/2, 1))
	for i, r := range records {
		if !pub.await(ctx, share-1) {
			break
		}
		if !validTopic(r.Topic) {
			p.notSent(ctx, pub, records[i:i+1], i, errTopicName)
			continue
		}
		if fits, ended := p.room(ctx, pub, r); ended {
			break
		} else if !fits {
			p.notSent(ctx, pub, records[i:], i, kgo.ErrMaxBuffered)
			break
		}
		if i > 0 {
			begun = time.Now()
		}
		s := p.prepare(ctx, r, begun)
		pub.give(i, s)
	}
	pub.await(ctx, 0)
	return p.outcome(ctx, pub, records)
}

// room takes a place in the buffer for the record. While there is none it waits
// for the call's own records, as long as there are any.
func (p *Producer) room(ctx context.Context, pub *publication, r *Record) (fits, ended bool) {
	for !p.buffer.enter(r) {
		own := pub.open.Load()
		if own == 0 {
			return false, false
		}
		if !pub.await(ctx, own-1) {
			return false, true
		}
	}
	return true, false
}

// notSent fails records that are not given to the client, from number i on.
func (p *Producer) notSent(ctx context.Context, pub *publication, records []*Record, i int, err error) {
	for _, r := range records {
		p.refuse(ctx, r, err)
		pub.results[i].settle(err)
		i++
	}
}

// ended says why the wait ended before the record was acknowledged, in words of this
// package.
func (p *Producer) ended(ctx context.Context, pub *publication, topic string) error {
	switch {
	case pub.late.Load():
		return p.timedOut(topic)
	case ctx.Err() == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return errors.Canceled.Wrap(p.dials.explain(fmt.Errorf("not acknowledged when the caller went away: %w", ctx.Err())), "")
	default:
		return errors.DeadlineExceeded.Wrap(p.withAilments(topic, p.dials.explain(fmt.Errorf("not acknowledged within the caller's deadline: %w", ctx.Err()))), "")
	}
}

// PublishAsync writes a record without waiting. done is called once, from
// another goroutine, with the record, whose Partition, Offset and Timestamp are
// set on success, and nil or a [*PublishError]. It must not block: it holds up
// the outcomes of other records. ctx gives the trace, and ends nothing.
//
// Records that one goroutine publishes are written in their order for each key.
// When the buffer is full, done gets the code resource_exhausted at once, and
// records that come later may be written before that one is published again:
// where order matters, stop at the first failure, or use Publish. While a password
// is being replaced, done gets the code unauthenticated.
func (p *Producer) PublishAsync(ctx context.Context, r *Record, done func(*Record, error)) {
	fail := func(err error) { done(r, &PublishError{Failed: []PublishFailure{p.failure(r, err)}}) }
	switch {
	case p.closed.Load():
		go fail(errClosed)
		return
	case !validTopic(r.Topic):
		p.refuse(ctx, r, errTopicName)
		go fail(errTopicName)
		return
	case !p.buffer.enter(r):
		p.refuse(ctx, r, kgo.ErrMaxBuffered)
		go fail(kgo.ErrMaxBuffered)
		return
	}
	s := p.prepare(ctx, r, time.Now())
	s.done = func(err error) {
		if err != nil {
			fail(err)
			return
		}
		answer(r, &s.record)
		done(r, nil)
	}
	s.give()
}

// Close takes no more records, waits until every one is acknowledged or has
// failed, at most until ctx ends, and closes the client. An error says how many
// records were given up; they may have been written, and their publishers get
// the code unavailable. What is published later fails with failed_precondition.
// A second call does nothing.
func (p *Producer) Close(ctx context.Context) error {
	if !p.closed.CompareAndSwap(false, true) {
		return nil
	}
	err := p.client.Flush(ctx)
	left := p.client.BufferedProduceRecords()
	p.client.Close()
	if err != nil && left > 0 {
		return errors.Unavailable.Wrap(fmt.Errorf("kafka: close producer: %d records are not acknowledged: %w", left, err), "")
	}
	return nil
}

// answer writes into a record what the broker said about it.
func answer(r *Record, sent *kgo.Record) {
	r.Partition, r.Offset, r.Timestamp, r.LeaderEpoch = sent.Partition, sent.Offset, sent.Timestamp, sent.LeaderEpoch
}

// outcome writes the answers into the records and collects the failures.
func (p *Producer) outcome(ctx context.Context, pub *publication, records []*Record) error {
	var failed []PublishFailure
	var ended map[string]error // by topic
	for i, r := range records {
		switch res := &pub.results[i]; {
		case res.done.Load() && res.err == nil:
			answer(r, res.sent)
		case res.done.Load():
			failed = append(failed, p.failure(r, res.err))
		default:
			if ended == nil {
				ended = map[string]error{}
			}
			if ended[r.Topic] == nil {
				ended[r.Topic] = p.ended(ctx, pub, r.Topic)
			}
			failed = append(failed, PublishFailure{Record: r, Err: ended[r.Topic], MayBeWritten: res.sent != nil})
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &PublishError{Failed: failed}
}
