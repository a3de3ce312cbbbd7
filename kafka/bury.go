package kafka

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/redact"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// burialTimeout bounds one attempt at writing a dead letter.
	burialTimeout = 15 * time.Second
	// burialRetries is how often the client tries by itself within that: beyond it
	// the client would say that time is up, and not what the broker answered.
	burialRetries = 5
	// maxLetter bounds a dead letter: kgo's limit of a request to a broker.
	maxLetter = 100 << 20
)

// deadLetterOptions are the producer options of the group's client.
func deadLetterOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RecordDeliveryTimeout(burialTimeout),
		kgo.RecordRetries(burialRetries),
		kgo.MaxBufferedRecords(math.MaxInt32), // As many as are in flight: a full buffer would block who holds them.
		kgo.UnknownTopicRetries(2),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(defaultMaxMessage - 512),
	}
}

// bury writes the record to the dead letters. Its offset is complete when the
// broker has the dead letter, and not before.
func (c *Consumer) bury(it *item) {
	client := c.client.Load()
	if client == nil {
		c.buried(it, kgo.ErrClientClosed)
		return
	}
	letter := c.dead.write(it, time.Now())
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
			c.renewals.forgetTopic(client, letter.Topic, err)
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
		t := c.dead.target(it)
		remedy := c.dead.remedy(t, spaceFor(it), err)
		if c.state.Load() < stateDraining && c.errs.due(t.name+" "+remedy) {
			what, where := "dead letter could not be written", "dead_letter_topic"
			if t.retry {
				what, where = "record could not be written to its retry topic", "retry_topic"
			}
			c.logRecord(slog.LevelError, what+"; the record's partition waits and the write will be repeated", it,
				slog.String(where, t.name), slog.String("remedy", remedy), slog.Int64("size", it.size), slog.Duration("wait", wait), slog.Any("write_error", shortError{err}))
		}
	}
	s := c.sched
	s.mu.Lock()
	v := s.buriedLocked(it, err, wait, time.Now())
	s.mu.Unlock()
	switch t := c.dead.target(it); {
	case err != nil || v.action != actDone:
	case t.retry:
		c.metrics.delayed.Add(context.Background(), 1, it.part.describe.topic...)
		c.logRecord(slog.LevelInfo, "record waits in a retry topic", it, slog.String("retry_topic", t.name), slog.Duration("wait", it.to.delay))
	default:
		c.metrics.buried(it.part.describe, it.failure.code)
		c.logRecord(slog.LevelWarn, "record moved to the dead letters", it, slog.String("dead_letter_topic", t.name))
	}
	v.action = actDone // The clock comes back to it.
	c.act(it, v)
}

// write makes what is written of a record: a dead letter, or what waits in a retry
// topic.
func (w *deadLetterWriter) write(it *item, now time.Time) *kgo.Record {
	if it.to != nil {
		return w.delayed(it, now)
	}
	return w.letter(it, now)
}

// letter makes the dead letter of a record: key, value and headers as they are,
// and the time of the failure, because retention counts from it.
func (w *deadLetterWriter) letter(it *item, now time.Time) *kgo.Record {
	r := it.record()
	t := w.target(it)
	f := failureOf(it, w.c.group)
	headers := r.Headers
	if w.c.cfg.SpringHeaders {
		headers = f.appendSpring(headers, timestampType(it))
	}
	return &kgo.Record{
		Topic: t.name, Partition: it.part.partition % max(t.partitions, 1), Key: r.Key, Value: r.Value,
		Headers: clientHeaders(f.AppendHeaders(headers)), Timestamp: now,
	}
}

// failureOf describes a record's failure. What an earlier stay in the dead
// letters says of the first failure, the attempts and the record's own time is
// carried on.
func failureOf(it *item, group string) Failure {
	r := it.record()
	prior, deliveries := Failure{}, it.earlier()+it.attempts
	if it.source != nil {
		prior, _ = DecodeFailure(recordOf(it.source).Headers)
	}
	timestamp := r.Timestamp
	if !prior.Timestamp.IsZero() {
		timestamp = prior.Timestamp
	}
	return Failure{
		Origin: r.ID(), Source: ID{r.Topic, r.Partition, r.Offset}, Group: group,
		Code: it.failure.code, Reason: errors.ReasonOf(it.failure.err),
		Message: messageOf(it.failure.err), Stack: stackOf(it.failure.err),
		Deliveries: deliveries, Attempts: prior.Attempts + it.attempts,
		Timestamp: timestamp, FirstFailure: earlier(it.firstFailure, prior.FirstFailure), TraceParent: it.failure.trace, Redrives: prior.Redrives,
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
	done := c.dead.turn(it.part.topicPartition)
	defer done()
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
	if err := w.refresh(ctx, admin, w.target(it)); err != nil {
		return err
	}
	letter = again(letter)
	letter.Partition = it.part.partition % max(w.target(it).partitions, 1)
	writer, err := w.largeClient(it)
	if err != nil {
		return err
	}
	defer writer.Close()
	err = produce(ctx, writer, letter)
	if tooLarge(err) && !w.c.cfg.KeepTopics {
		if raised := raise(ctx, admin, letter.Topic, spaceFor(it)); raised == nil {
			err = produce(ctx, writer, again(letter))
		}
	}
	for _, texts := range w.expendable() {
		if !tooLarge(err) {
			break
		}
		letter = again(letter)
		letter.Headers = slices.DeleteFunc(slices.Clone(letter.Headers), func(h kgo.RecordHeader) bool { return slices.Contains(texts, h.Key) })
		err = produce(ctx, writer, letter)
	}
	if err != nil {
		return fmt.Errorf("write to %q: %w", letter.Topic, coded(err))
	}
	return nil
}

// expendable are the headers to leave out where a dead letter does not fit, the
// first ones first.
func (w *deadLetterWriter) expendable() [][]string {
	stack, message := []string{HeaderStack}, []string{HeaderMessage}
	if w.c.cfg.SpringHeaders { // Otherwise such headers are the record's own.
		stack = append(stack, springBlocking+"exception-stacktrace")
		message = append(message, springBlocking+"exception-message")
	}
	return [][]string{stack, message}
}

// spaceFor is what a topic has to take for the record with failure headers.
func spaceFor(it *item) int64 {
	const framing = 16 // of a header, at most
	return it.size + framing*int64(len(it.record().Headers)) + headroom
}

// again returns the record to write once more: the client keeps to itself what it
// was given.
func again(r *kgo.Record) *kgo.Record {
	return &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
}

// largeClient writes one record at a time, of any size: in the group's client a
// batch of many dead letters could become larger than a topic allows. It
// compresses as the record's producer did, with whom it did fit.
func (w *deadLetterWriter) largeClient(it *item) (*kgo.Client, error) {
	opts := append(deadLetterOptions(), kgo.ProducerBatchMaxBytes(maxLetter), kgo.BrokerMaxWriteBytes(maxLetter),
		kgo.ProducerBatchCompression(compressionOf(it.source)))
	return w.c.cfg.Connection.newClient(w.c.brokers, w.c.log, opts...)
}

func compressionOf(r *kgo.Record) kgo.CompressionCodec {
	switch r.Attrs.CompressionType() {
	case 1:
		return kgo.GzipCompression()
	case 3:
		return kgo.Lz4Compression()
	case 4:
		return kgo.ZstdCompression()
	}
	return kgo.SnappyCompression()
}
