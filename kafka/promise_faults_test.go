package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (c *cluster) producer(cfg kafka.ProducerConfig) *kafka.Producer {
	c.t.Helper()
	cfg.Connection.Dial, cfg.Logger = c.dial, slog.New(slog.DiscardHandler)
	p, err := kafka.NewProducer(c.addrs, cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	return p
}

// startFails runs a consumer that is not to start, and returns why.
func (c *cluster) startFails(topic string, cfg kafka.ConsumerConfig) error {
	c.t.Helper()
	consumer, err := kafka.NewConsumer(c.addrs, c.group(), []string{topic}, nothing, cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), c.limit)
	defer cancel()
	if err = consumer.Run(ctx); err == nil {
		c.t.Fatal("it ran until it was told to stop")
	}
	return err
}

// Each way in which a record cannot be published: a code, whether it may be
// written all the same, and no longer than the caller's deadline.
func TestPromisePublishSaysWhatBecameOfTheRecord(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		orders := c.topic("orders", 1, "max.message.bytes", "100000")
		compacted := c.topic("compacted", 1, "cleanup.policy", "compact")
		p := c.producer(kafka.ProducerConfig{})
		for _, tc := range []struct {
			name   string
			record kafka.Record
			code   errors.Code
		}{
			{"unknown topic", kafka.Record{Topic: c.prefix + "nothing"}, errors.FailedPrecondition},
			{"a name that is none", kafka.Record{Topic: "no/topic"}, errors.FailedPrecondition},
			{"too large for the client", kafka.Record{Topic: orders, Value: make([]byte, 2<<20)}, errors.InvalidArgument},
			{"too large for the topic", kafka.Record{Topic: orders, Value: noise(500_000)}, errors.InvalidArgument},
			{"no key in a compacted topic", kafka.Record{Topic: compacted, Value: []byte("v")}, errors.InvalidArgument},
			{"a record that is right", kafka.Record{Topic: orders}, errors.OK},
		} {
			if tc.record.Topic == compacted && os.Getenv(brokersVariable) == "" {
				continue // kfake takes it.
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err := p.Publish(ctx, &tc.record)
			cancel()
			if errors.CodeOf(err) != tc.code {
				t.Errorf("%s: code %v, want %v: %v", tc.name, errors.CodeOf(err), tc.code, err)
			}
			if err != nil && failures(t, err)[0].MayBeWritten {
				t.Errorf("%s: it may be written: %v", tc.name, err)
			}
		}
	})
}

// A topic that is deleted and made anew is another topic with the same name: it is
// published to and consumed from its first record.
func TestPromiseATopicMayBeMadeAnew(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		p := c.producer(kafka.ProducerConfig{})
		var got seen
		cfg := c.config()
		cfg.Logger = slog.New(slog.DiscardHandler)
		c.run(topic, func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }, cfg)
		publish := func(value string) {
			t.Helper()
			c.eventually(value+" to be published", func() bool {
				return p.Publish(t.Context(), &kafka.Record{Topic: topic, Value: []byte(value)}) == nil
			})
		}
		for i := range 5 {
			publish(fmt.Sprint("old", i))
		}
		c.waitCaughtUp(topic)
		c.deleteTopic(topic)
		c.eventually("the topic to be gone", func() bool {
			topics, err := c.admin.ListTopics(t.Context(), topic)
			return err == nil && topics[topic].Err != nil
		})
		c.create(topic, 1)
		for i := range 3 {
			publish(fmt.Sprint("new", i))
		}
		c.eventually("the new topic's records", func() bool {
			return strings.Count(strings.Join(got.list(), " "), "new") >= 3
		})
		c.waitCaughtUp(topic)
	})
}

// Partitions that are added while a group runs are read from their first record,
// also where the group began at the end.
func TestPromiseAddedPartitionsAreReadFromTheirStart(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		var got seen
		cfg := c.config()
		cfg.StartAtEnd = true
		cfg.Connection.Options = []kgo.Opt{kgo.MetadataMaxAge(10 * time.Second)} // not to wait for five minutes
		c.run(topic, func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }, cfg)
		c.waitMembers(1)
		c.eventually("the group to begin", func() bool { return c.committed(topic, 0) == 0 })
		if _, err := c.admin.UpdatePartitions(t.Context(), 3, topic); err != nil {
			t.Fatal(err)
		}
		c.eventually("the partitions to be known", func() bool {
			topics, err := c.admin.ListTopics(t.Context(), topic)
			return err == nil && len(topics[topic].Partitions) == 3
		})
		c.client.PurgeTopicsFromProducing(topic) // It would learn of them within minutes.
		for p := range int32(3) {
			c.produce(kafka.Record{Topic: topic, Partition: p, Value: fmt.Append(nil, p)})
		}
		c.eventually("all records", func() bool { return len(got.list()) == 3 })
	})
}

// What a dead-letter topic must not be is found at the start.
func TestPromiseACompactedDeadLetterTopicIsRefused(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		c.create(c.dlq(topic), 1, "cleanup.policy", "compact")
		wants(t, c.startFails(topic, c.config()), errors.FailedPrecondition, "cleanup.policy=compact", "kafka-configs.sh")
	})
}

// A group ID that a share group has is an error, and no member that waits for
// ever.
func TestPromiseAShareGroupsIDIsRefused(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		opts := []kgo.Opt{kgo.SeedBrokers(c.addrs...), kgo.ConsumeTopics(topic), kgo.ShareGroup(c.group())}
		if c.dial != nil {
			opts = append(opts, kgo.Dialer(c.dial))
		}
		other, err := kgo.NewClient(opts...)
		if err != nil {
			t.Fatal(err)
		}
		polls, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for polls.Err() == nil {
				other.PollFetches(polls)
			}
		}()
		defer func() {
			stop()
			<-done
			other.Close()
		}()
		c.eventually("the share group", func() bool {
			groups, err := c.admin.ListGroups(t.Context())
			_, there := groups[c.group()]
			return err == nil && there
		})
		c.calm(10 * time.Second)
		wants(t, c.startFails(topic, c.config()), errors.FailedPrecondition, c.group())
	})
}

// noise is bytes that do not compress.
func noise(n int) []byte {
	value := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(value)
	return value
}
