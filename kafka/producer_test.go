package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func producer(t *testing.T, b *kafkatest.Broker, cfg kafka.ProducerConfig) *kafka.Producer {
	t.Helper()
	cfg.Connection.Dial = b.Dial
	cfg.Logger = slog.New(slog.DiscardHandler)
	p, err := kafka.NewProducer(b.Addrs(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	return p
}

func failures(t *testing.T, err error) []kafka.PublishFailure {
	t.Helper()
	e, ok := errors.AsType[*kafka.PublishError](err)
	if !ok {
		t.Fatalf("error is %T: %v, want a PublishError", err, err)
	}
	return e.Failed
}

func TestPublishWritesRecordsAsTheyAre(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 4}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		at := time.UnixMilli(1700000000123)
		r := &kafka.Record{
			Topic: "orders", Key: []byte{}, Value: nil, Timestamp: at,
			Headers: []kafka.Header{{Key: "tag", Value: []byte("a")}, {Key: "tag", Value: []byte("b")}, {Key: "nothing"}, {Key: "empty", Value: []byte{}}},
		}
		if err := p.Publish(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		got := b.Records(t, "orders")
		if len(got) != 1 {
			t.Fatalf("%d records, want 1", len(got))
		}
		g := got[0]
		if g.Key == nil || len(g.Key) != 0 || g.Value != nil || !g.Timestamp.Equal(at) || g.Partition != r.Partition || g.Offset != r.Offset {
			t.Errorf("record is %+v, published %+v", g, r)
		}
		if s := fmt.Sprintf("%q", g.Headers); s != `[{"tag" "a"} {"tag" "b"} {"nothing" ""} {"empty" ""}]` || g.Headers[2].Value != nil || g.Headers[3].Value == nil {
			t.Errorf("headers: %s", s)
		}
	})
}

func TestPublishKeepsTheCallersDeadline(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		if err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"}); err != nil {
			t.Fatal(err)
		}
		b.Down()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := p.Publish(ctx, &kafka.Record{Topic: "orders"})
		if took := time.Since(start); took != 500*time.Millisecond {
			t.Errorf("returned after %v, want 500ms", took)
		}
		f := failures(t, err)
		if errors.CodeOf(err) != errors.DeadlineExceeded || !f[0].MayBeWritten || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error: %v, may be written: %v", err, f[0].MayBeWritten)
		}
	})
}

func TestPublishSaysThatNothingWasWrittenWhenTheContextHadEnded(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := p.Publish(ctx, &kafka.Record{Topic: "orders"})
		if f := failures(t, err); f[0].MayBeWritten || errors.CodeOf(err) != errors.Canceled {
			t.Errorf("error: %v, may be written: %v", err, f[0].MayBeWritten)
		}
	})
}

func TestPublishToAnUnknownTopicFailsFastAndNamesIt(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		start := time.Now()
		err := p.Publish(t.Context(), &kafka.Record{Topic: "order"})
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		f := failures(t, err)
		if errors.CodeOf(err) != errors.FailedPrecondition || f[0].MayBeWritten || !strings.Contains(err.Error(), `topic "order" does not exist`) {
			t.Errorf("error: %v, may be written: %v", err, f[0].MayBeWritten)
		}
	})
}

func TestPublishToABrokerThatIsNotThereEndsAtTheDeliveryTimeout(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		b.Down()
		start := time.Now()
		err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"})
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
		if errors.CodeOf(err) != errors.Unavailable || !strings.Contains(err.Error(), b.Addrs()[0]) {
			t.Errorf("error: %v", err)
		}
	})
}

func TestPublishAnswersResourceExhaustedWhenTheBufferIsFull(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{MaxBuffered: 10})
		b.Down()
		var wg sync.WaitGroup
		for range 10 {
			p.PublishAsync(t.Context(), &kafka.Record{Topic: "orders"}, func(*kafka.Record, error) {})
		}
		start := time.Now()
		err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"})
		f := failures(t, err)
		if errors.CodeOf(err) != errors.ResourceExhausted || f[0].MayBeWritten || time.Since(start) > 0 {
			t.Errorf("error: %v, may be written: %v, after %v", err, f[0].MayBeWritten, time.Since(start))
		}
		wg.Wait()
	})
}

func TestPublishOfMoreRecordsThanTheBufferHolds(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 3}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{MaxBuffered: 20})
		many := make([]*kafka.Record, 500)
		for i := range many {
			many[i] = &kafka.Record{Topic: "orders", Value: fmt.Appendf(nil, "%d", i)}
		}
		if err := p.Publish(t.Context(), many...); err != nil {
			t.Fatal(err)
		}
		if n := len(b.Records(t, "orders")); n != 500 {
			t.Errorf("%d records, want 500", n)
		}
	})
}

func TestPublishOfATooLargeRecordIsRefused(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		err := p.Publish(t.Context(), &kafka.Record{Topic: "orders", Value: make([]byte, 2<<20)}, &kafka.Record{Topic: "orders"})
		f := failures(t, err)
		if len(f) != 1 || errors.CodeOf(err) != errors.InvalidArgument || f[0].MayBeWritten {
			t.Errorf("failed: %d, error: %v", len(f), err)
		}
	})
}

func TestPublishWithoutPermission(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		b.Fault(kafkatest.Fault{Request: kmsg.Produce, Err: kerr.TopicAuthorizationFailed})
		p := producer(t, b, kafka.ProducerConfig{})
		err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"})
		if f := failures(t, err); errors.CodeOf(err) != errors.PermissionDenied || f[0].MayBeWritten {
			t.Errorf("error: %v, may be written: %v", err, f[0].MayBeWritten)
		}
	})
}

func TestPublishAsyncTellsTheOutcome(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		got := make(chan error, 1)
		r := &kafka.Record{Topic: "orders"}
		b.Produce(t, kafka.Record{Topic: "orders"})
		p.PublishAsync(t.Context(), r, func(_ *kafka.Record, err error) { got <- err })
		if err := <-got; err != nil || r.Offset != 1 {
			t.Errorf("offset %d, error: %v", r.Offset, err)
		}
	})
}

func TestNewProducerNamesEveryFault(t *testing.T) {
	_, err := kafka.NewProducer(nil, kafka.ProducerConfig{MaxBuffered: -1, Linger: -1, DeliveryTimeout: time.Millisecond})
	for _, want := range []string{"brokers", "MaxBuffered is -1", "Linger is -1ns", "DeliveryTimeout is 1ms"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if errors.CodeOf(err) != errors.InvalidArgument {
		t.Errorf("code is %v", errors.CodeOf(err))
	}
}

func TestPublishToATopicWithoutAProperName(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}})
	p := producer(t, b, kafka.ProducerConfig{})
	good := &kafka.Record{Topic: "orders", Value: []byte("o-1")}
	err := p.Publish(t.Context(), &kafka.Record{}, &kafka.Record{Topic: "orders/eu"}, good)
	failed, ok := errors.AsType[*kafka.PublishError](err)
	if !ok || len(failed.Failed) != 2 || good.Timestamp.IsZero() {
		t.Fatalf("error %v and record %v, want two that failed and one that did not", err, good)
	}
	for _, f := range failed.Failed {
		if errors.CodeOf(f.Err) != errors.FailedPrecondition || f.MayBeWritten {
			t.Errorf("%q: %v, may be written: %v; want failed_precondition, and that it was not", f.Record.Topic, f.Err, f.MayBeWritten)
		}
	}
	done := make(chan error, 1)
	p.PublishAsync(t.Context(), &kafka.Record{}, func(_ *kafka.Record, err error) { done <- err })
	failed, ok = errors.AsType[*kafka.PublishError](<-done)
	if !ok || errors.CodeOf(failed.Failed[0].Err) != errors.FailedPrecondition || failed.Failed[0].MayBeWritten {
		t.Errorf("PublishAsync: %v", failed)
	}
}

func TestAddressesMayHaveBlanksAround(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}})
	p, err := kafka.NewProducer([]string{" " + b.Addrs()[0] + " "}, kafka.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	if err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"}); err != nil {
		t.Error(err)
	}
}

// A record's timestamp is when the event happened, and no reason to give it up: neither it
// nor those that are sent with it.
func TestPublishTakesRecordsOfLongAgo(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		var all []*kafka.Record
		for _, age := range []time.Duration{time.Hour, 0, 365 * 24 * time.Hour, -time.Hour} {
			all = append(all, &kafka.Record{Topic: "orders", Value: []byte(age.String()), Timestamp: time.Now().Add(-age)})
		}
		if err := p.Publish(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		p.PublishAsync(t.Context(), all[0], func(_ *kafka.Record, err error) { done <- err })
		if err := <-done; err != nil {
			t.Error(err)
		}
		got := b.Records(t, "orders")
		if len(got) != 5 || !got[0].Timestamp.Equal(all[0].Timestamp.Truncate(time.Millisecond)) {
			t.Errorf("%d records, the first of %v", len(got), got[0].Timestamp)
		}
	})
}
