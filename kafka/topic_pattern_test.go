package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

func matching(cfg kafka.ConsumerConfig, pattern string) kafka.ConsumerConfig {
	cfg.TopicPattern = pattern
	return cfg
}

// A pattern is for what is there and for what comes later. Topics of dead letters, of
// retries and of parked records never match, whatever the pattern says.
func TestPatternFindsTopicsThatComeLater(t *testing.T) {
	topics := map[string]int{"orders.eu": 2, "orders": 1, "payments": 1, "dlq.orders.eu.other": 1, "retry.orders.eu.other.10s": 1, "parked.orders.eu.other": 1, "__orders": 1}
	bubble(t, kafkatest.Config{Topics: topics}, func(t *testing.T, b *kafkatest.Broker) {
		var got seen
		cfg := matching(unordered(quiet(t, b)), `(.*[._])?orders.*|archive`)
		cfg.StartAtEnd = true
		run(t, b, "g", nil, func(_ context.Context, r *kafka.Record) error {
			got.add(&kafka.Record{Value: fmt.Appendf(nil, "%s %s", r.Topic, r.Value)})
			if string(r.Value) == "bad" {
				return errors.InvalidArgument.New("bad")
			}
			return nil
		}, cfg)
		b.WaitMembers(t, "g", 1)
		time.Sleep(time.Second)
		for topic := range topics {
			b.Produce(t, kafka.Record{Topic: topic, Value: []byte("1")})
		}
		b.WaitCaughtUp(t, "orders.eu", "g")
		b.WaitCaughtUp(t, "orders", "g")
		b.CreateTopic(t, "orders.us", 3)
		b.CreateTopic(t, "dlq.orders.us.other", 1)
		b.CreateTopic(t, "invoices", 1)
		b.Produce(t, kafka.Record{Topic: "orders.us", Value: []byte("bad")}, kafka.Record{Topic: "invoices"}, kafka.Record{Topic: "dlq.orders.us.other"})
		letters := b.WaitDeadLetters(t, "orders.us", "g", 1)
		if letters[0].Failure.Source.Topic != "orders.us" {
			t.Errorf("dead letter %+v", letters[0].Failure)
		}
		b.WaitCaughtUp(t, "orders.us", "g")
		list := got.list()
		slices.Sort(list)
		if want := []string{"orders 1", "orders.eu 1", "orders.us bad"}; !slices.Equal(list, want) {
			t.Errorf("handled %q, want %q", list, want)
		}
		if n := len(b.Records(t, kafka.RetryTopic("orders.us", "g", time.Minute))); n != 0 {
			t.Errorf("%d records wait", n)
		}
	})
}

// Nothing may match at first.
func TestPatternMayMatchNothingAtFirst(t *testing.T) {
	bubble(t, kafkatest.Config{}, func(t *testing.T, b *kafkatest.Broker) {
		var got seen
		var log logBuffer
		cfg := matching(quiet(t, b), `orders`)
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c := run(t, b, "g", nil, func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }, cfg)
		time.Sleep(time.Minute)
		if err := c.Ready(t.Context()); err != nil || len(log.lines("no topic matches the pattern so far")) != 1 {
			t.Errorf("ready: %v; log %q", err, log.lines(""))
		}
		b.CreateTopic(t, "orders", 1)
		b.CreateTopic(t, "orders2", 1)
		b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("1")})
		b.Produce(t, kafka.Record{Topic: "orders2", Value: []byte("2")})
		time.Sleep(2 * time.Minute)
		if list := got.list(); !slices.Equal(list, []string{"1"}) {
			t.Errorf("handled %q", list)
		}
	})
}

func TestPatternThatIsNoneIsAFault(t *testing.T) {
	_, err := kafka.NewConsumer([]string{"b:1"}, "g", nil, nothing, kafka.ConsumerConfig{TopicPattern: "orders("})
	wants(t, err, errors.InvalidArgument, "TopicPattern", "orders(")
	_, err = kafka.NewConsumer([]string{"b:1"}, "g", nil, nothing, kafka.ConsumerConfig{})
	wants(t, err, errors.InvalidArgument, "topics: none given")
}
