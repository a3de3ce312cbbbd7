package kafka

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/redact"
	"github.com/backend-platform/sdk/resilience"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// burialTimeout bounds one attempt at writing a dead letter.
	burialTimeout = 15 * time.Second
	// headroom is what the failure headers may add to a record: more than the
	// sum of their bounds.
	headroom = 64 << 10
	// defaultMaxMessage is Kafka's default of max.message.bytes.
	defaultMaxMessage = 1_048_588
	// maxLetter bounds a dead letter: kgo's limit of a request to a broker.
	maxLetter = 100 << 20

	configMaxMessage = "max.message.bytes"
	configRetention  = "retention.ms"
)

// deadLetterOptions are the producer options of the group's client.
func deadLetterOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RecordDeliveryTimeout(burialTimeout),
		kgo.UnknownTopicRetries(2),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(defaultMaxMessage - 512),
	}
}

// deadLetterWriter knows the dead-letter topics and writes to them.
type deadLetterWriter struct {
	c       *Consumer
	backoff resilience.Backoff

	mu     sync.Mutex
	topics map[string]*deadLetterTopic // by source
	large  sync.Mutex                  // one too large record at a time
}

type deadLetterTopic struct {
	name       string
	source     string
	partitions int32
}

func newDeadLetterWriter(c *Consumer) *deadLetterWriter {
	return &deadLetterWriter{c: c, backoff: resilience.Backoff{Base: time.Second, Max: 30 * time.Second}, topics: map[string]*deadLetterTopic{}}
}

// prepare finds or creates the dead-letter topics: their absence is an error at
// the start and not at the first failure.
func (w *deadLetterWriter) prepare(ctx context.Context, admin *kadm.Client, sources kadm.TopicDetails) error {
	var names []string
	for topic := range sources {
		name := w.c.cfg.DeadLetterTopic
		if name == "" {
			name = DeadLetterTopic(topic, w.c.group)
		}
		w.topics[topic] = &deadLetterTopic{name: name, source: topic}
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	existing, err := admin.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("list dead-letter topics: %w", coded(err))
	}
	absent := missing(existing, names)
	if len(absent) > 0 && w.c.cfg.KeepTopics {
		return errors.FailedPrecondition.Wrap(fmt.Errorf("dead-letter topics that do not exist, and are not to be created: %s", strings.Join(absent, ", ")), "")
	}
	for _, t := range w.topics {
		d := existing[t.name]
		if slices.Contains(absent, t.name) {
			if t.partitions, err = w.create(ctx, admin, t, sources[t.source]); err != nil {
				return err
			}
			continue
		}
		if d.Err != nil {
			return fmt.Errorf("read dead-letter topic %q: %w", t.name, coded(d.Err))
		}
		t.partitions = int32(len(d.Partitions))
	}
	return nil
}

// create creates a dead-letter topic as its source is.
func (w *deadLetterWriter) create(ctx context.Context, admin *kadm.Client, t *deadLetterTopic, source kadm.TopicDetail) (int32, error) {
	partitions := int32(max(len(source.Partitions), 1))
	replicas := max(source.Partitions.NumReplicas(), 1)
	retention := "-1"
	if w.c.cfg.DeadLetterRetention > 0 {
		retention = strconv.FormatInt(w.c.cfg.DeadLetterRetention.Milliseconds(), 10)
	}
	configs := map[string]*string{
		"cleanup.policy": new("delete"),
		configRetention:  &retention,
		configMaxMessage: new(strconv.Itoa(w.maxMessage(ctx, admin, t.source) + headroom)),
	}
	created, err := admin.CreateTopics(ctx, partitions, int16(replicas), configs, t.name)
	if err == nil {
		err = created[t.name].Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return 0, fmt.Errorf("create dead-letter topic %q: %w", t.name, coded(err))
	}
	return partitions, nil
}

// maxMessage returns the largest record batch that a topic takes. A client that
// may not read that assumes Kafka's default.
func (w *deadLetterWriter) maxMessage(ctx context.Context, admin *kadm.Client, topic string) int {
	described, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil || len(described) != 1 {
		return defaultMaxMessage
	}
	for _, config := range described[0].Configs {
		if config.Key == configMaxMessage && config.Value != nil {
			if n, err := strconv.Atoi(*config.Value); err == nil && n > 0 {
				return n
			}
		}
	}
	return defaultMaxMessage
}

// bury writes the record to the dead letters. Its offset is complete when the
// broker has the dead letter, and not before.
func (c *Consumer) bury(it *item) {
	client := c.client.Load()
	if client == nil {
		c.buried(it, kgo.ErrClientClosed)
		return
	}
	letter := c.dead.letter(it, time.Now())
	if it.burials > 0 {
		c.writing.Go(func() { c.buryAgain(client, it, letter) })
		return
	}
	// The client does not give up a record that it has sent and that nobody
	// answers. It may be written after all, and then twice.
	var settled atomic.Bool
	silence := time.AfterFunc(2*burialTimeout, func() {
		if settled.CompareAndSwap(false, true) {
			c.buried(it, errUnanswered)
		}
	})
	client.Produce(context.Background(), letter, func(_ *kgo.Record, err error) {
		silence.Stop()
		switch {
		case !settled.CompareAndSwap(false, true):
		case tooLarge(err):
			c.writing.Go(func() { c.buryAgain(client, it, letter) })
		default:
			c.buried(it, err)
		}
	})
}

var errUnanswered = errors.New("no broker answered")

// produce writes one record, and does not wait beyond ctx.
func produce(ctx context.Context, client *kgo.Client, r *kgo.Record) error {
	done := make(chan error, 1)
	client.Produce(ctx, r, func(_ *kgo.Record, err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errUnanswered, ctx.Err())
	}
}

func tooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

// buried takes the outcome of writing a dead letter.
func (c *Consumer) buried(it *item, err error) {
	var wait time.Duration
	if err != nil {
		it.burials++
		wait = c.dead.backoff.Wait(it.burials)
		if c.state.Load() < stateDraining {
			c.logRecord(slog.LevelError, "dead letter could not be written; the record's partition waits and the write will be repeated: check that the topic exists, that it takes a record of this size, and the permission to write", it,
				slog.String("dead_letter_topic", c.dead.name(it)), slog.Int("size", int(it.size)), slog.Duration("wait", wait), slog.Any("write_error", err))
		}
	}
	s := c.sched
	s.mu.Lock()
	v := s.buriedLocked(it, err, wait, time.Now())
	s.mu.Unlock()
	if err == nil && v.action == actDone {
		c.metrics.deadLetters.Add(context.Background(), 1, it.part.describe.topic...)
		c.logRecord(slog.LevelWarn, "record moved to the dead letters", it, slog.String("dead_letter_topic", c.dead.name(it)))
	}
	v.action = actDone // The clock comes back to it.
	c.act(it, v)
}

func (w *deadLetterWriter) name(it *item) string { return w.topic(it.part.topic).name }

// topic returns a copy of what is known of the source's dead-letter topic.
func (w *deadLetterWriter) topic(source string) deadLetterTopic {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.topics[source]; t != nil {
		return *t
	}
	return deadLetterTopic{name: DeadLetterTopic(source, w.c.group), source: source, partitions: 1}
}

// letter makes the dead letter of a record: key, value and headers as they are,
// and the time of the failure, because retention counts from it.
func (w *deadLetterWriter) letter(it *item, now time.Time) *kgo.Record {
	r := it.record()
	t := w.topic(r.Topic)
	f := failureOf(it, w.c.group)
	return &kgo.Record{
		Topic: t.name, Partition: r.Partition % max(t.partitions, 1), Key: r.Key, Value: r.Value,
		Headers: clientHeaders(f.AppendHeaders(r.Headers)), Timestamp: now,
	}
}

// failureOf describes a record's failure. What an earlier stay in the dead
// letters says of the first failure, the attempts and the record's own time is
// carried on.
func failureOf(it *item, group string) Failure {
	r := it.record()
	prior, _ := DecodeFailure(r.Headers)
	first := it.firstFailure
	if !prior.FirstFailure.IsZero() && prior.FirstFailure.Before(first) {
		first = prior.FirstFailure
	}
	timestamp := r.Timestamp
	if !prior.Timestamp.IsZero() {
		timestamp = prior.Timestamp
	}
	return Failure{
		Origin: r.ID(), Source: ID{r.Topic, r.Partition, r.Offset}, Group: group,
		Code: it.failure.code, Reason: errors.ReasonOf(it.failure.err),
		Message: messageOf(it.failure.err), Stack: stackOf(it.failure.err),
		Deliveries: it.attempts, Attempts: prior.Attempts + it.attempts,
		Timestamp: timestamp, FirstFailure: first, TraceParent: it.failure.trace, Redrives: prior.Redrives,
	}
}

// messageOf is the error's text and, where it has violations, what they say: the
// text of an error does not name them.
func messageOf(err error) string {
	var b strings.Builder
	b.WriteString(err.Error())
	for i, v := range errors.NewProblem(err).Violations {
		if b.Len() > maxMessageBytes {
			break
		}
		separator := "; "
		if i == 0 {
			separator = " – "
		}
		fmt.Fprintf(&b, "%s%s: %s", separator, cmp.Or(v.Pointer, "#"), cmp.Or(v.Detail, v.Reason))
	}
	return redact.Text(b.String())
}

// stackOf returns the stack of a panic, or of the error where it has one.
func stackOf(err error) string {
	if p, ok := errors.AsType[*PanicError](err); ok {
		return string(p.Stack)
	}
	var b strings.Builder
	for frame := range errors.StackTrace(err) {
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", frame.Function, frame.File, frame.Line)
	}
	return b.String()
}

func clientHeaders(headers []Header) []kgo.RecordHeader {
	out := make([]kgo.RecordHeader, len(headers))
	for i, h := range headers {
		out[i] = kgo.RecordHeader(h)
	}
	return out
}

// buryAgain writes a dead letter that could not be written the plain way: it
// looks at the topic again, and if the record is too large, raises the topic's
// limit, then cuts the stack, then the message. The value is never cut.
func (c *Consumer) buryAgain(client *kgo.Client, it *item, letter *kgo.Record) {
	c.dead.large.Lock()
	defer c.dead.large.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), burialTimeout)
	defer cancel()
	c.writing.Go(func() {
		select {
		case <-c.closing:
			cancel()
		case <-ctx.Done():
		}
	})
	c.buried(it, c.dead.force(ctx, kadm.NewClient(client), it, letter))
}

func (w *deadLetterWriter) force(ctx context.Context, admin *kadm.Client, it *item, letter *kgo.Record) error {
	if err := w.refresh(ctx, admin, it.part.topic); err != nil {
		return err
	}
	letter = again(letter)
	letter.Partition = it.part.partition % max(w.topic(it.part.topic).partitions, 1)
	writer, err := w.largeClient()
	if err != nil {
		return err
	}
	defer writer.Close()
	err = produce(ctx, writer, letter)
	if tooLarge(err) && !w.c.cfg.KeepTopics {
		limit := strconv.FormatInt(it.size+headroom, 10)
		if raised := raiseLimit(ctx, admin, letter.Topic, limit); raised == nil {
			err = produce(ctx, writer, again(letter))
		}
	}
	for _, key := range []string{HeaderStack, HeaderMessage} {
		if !tooLarge(err) {
			break
		}
		letter = again(letter)
		letter.Headers = slices.DeleteFunc(slices.Clone(letter.Headers), func(h kgo.RecordHeader) bool { return h.Key == key })
		err = produce(ctx, writer, letter)
	}
	if err != nil {
		return fmt.Errorf("write dead letter to %q: %w", letter.Topic, coded(err))
	}
	return nil
}

// again returns the record to write once more: the client keeps to itself what it
// was given.
func again(r *kgo.Record) *kgo.Record {
	return &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
}

// largeClient writes one record at a time, of any size: in the group's client a
// batch of many dead letters could become larger than a topic allows.
func (w *deadLetterWriter) largeClient() (*kgo.Client, error) {
	opts := append(deadLetterOptions(), kgo.ProducerBatchMaxBytes(maxLetter), kgo.BrokerMaxWriteBytes(maxLetter))
	return w.c.cfg.Connection.newClient(w.c.brokers, w.c.log, opts...)
}

// refresh looks at a dead-letter topic again, and creates it if it has gone.
func (w *deadLetterWriter) refresh(ctx context.Context, admin *kadm.Client, source string) error {
	t := w.topic(source)
	details, err := admin.ListTopics(ctx, t.name, source)
	if err != nil {
		return fmt.Errorf("look at dead-letter topic %q: %w", t.name, coded(err))
	}
	partitions := int32(len(details[t.name].Partitions))
	if errors.Is(details[t.name].Err, kerr.UnknownTopicOrPartition) && !w.c.cfg.KeepTopics {
		if partitions, err = w.create(ctx, admin, &t, details[source]); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.topics[source]; known != nil && partitions > 0 {
		known.partitions = partitions
	}
	return nil
}

func raiseLimit(ctx context.Context, admin *kadm.Client, topic, limit string) error {
	responses, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: configMaxMessage, Value: &limit}}, topic)
	if err != nil {
		return err
	}
	for _, r := range responses {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}
