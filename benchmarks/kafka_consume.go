package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	wmkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/kafka"
)

// consumption is one round of a contender: it joins a group of its own, passes n records of the topic
// to handle, and commits them.
type consumption struct {
	*cluster
	topic  string
	n      int
	handle func()

	handled atomic.Int64
	begin   time.Time
	done    chan struct{} // closed when n records were handled
}

// one handles a record.
func (c *consumption) one() {
	if c.handled.Load() == 0 {
		c.first()
	}
	c.handle()
	if c.handled.Add(1) == int64(c.n) {
		close(c.done)
	}
}

var beginning sync.Mutex

func (c *consumption) first() {
	beginning.Lock()
	defer beginning.Unlock()
	if c.begin.IsZero() {
		c.begin = time.Now()
	}
}

// A reader consumes until done is closed and what was handled is committed.
type reader func(ctx context.Context, c *consumption) error

// source is a topic to consume.
type source struct {
	name       string
	partitions int
	keys       int // zero: the records have none
}

var (
	keyed   = source{"consume", consumePartitions, recordKeys}
	keyless = source{"consume-keyless", 1, 0}
)

func nothing() {}

func oneMillisecond() { time.Sleep(time.Millisecond) }

// consuming prepares a contender. The time runs from the first record that is handled to the last
// commit, without what it takes to join the group.
func consuming(from source, read reader, handle func()) func() (work, func(), error) {
	return func() (work, func(), error) {
		cluster, err := theCluster()
		if err != nil {
			return nil, nil, err
		}
		topic, err := cluster.shared(from.name, from.partitions)
		return func(n int) (time.Duration, error) {
			if err := cluster.fill(topic, inTurn(from.keys), plenty(n)); err != nil {
				return 0, err
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			c := &consumption{cluster: cluster, topic: topic, n: n, handle: handle, done: make(chan struct{})}
			err := read(ctx, c)
			took := time.Since(c.begin)
			if got := int(c.handled.Load()); err == nil && got < n {
				err = fmt.Errorf("%d of %d records were handled in time", got, n)
			}
			return took, err
		}, nil, err
	}
}

// until is a context that ends when the records are handled.
func (c *consumption) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-c.done:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, cancel
}

func sdkConsume(cfg kafka.ConsumerConfig) reader {
	return func(ctx context.Context, c *consumption) error {
		ctx, cancel := c.until(ctx)
		defer cancel()
		cfg.Logger = slog.New(slog.DiscardHandler)
		consumer, err := kafka.NewConsumer(c.addrs, c.group(), []string{c.topic}, func(context.Context, *kafka.Record) error {
			c.one()
			return nil
		}, cfg)
		if err != nil {
			return err
		}
		return consumer.Run(ctx)
	}
}

// kgoConsume is a plain loop over PollFetches, as franz-go's README begins with, and marks what it has handled, as its
// documentation advises for at least once.
func kgoConsume(ctx context.Context, c *consumption) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumerGroup(c.group()), kgo.ConsumeTopics(c.topic), kgo.AutoCommitMarks())
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := c.until(ctx)
	defer cancel()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if ctx.Err() == nil {
				c.one()
				client.MarkCommitRecords(r)
			}
		})
	}
	return client.CommitMarkedOffsets(context.WithoutCancel(ctx))
}

// kgoPartitions is a goroutine per partition, as franz-go's example goroutine_per_partition_consuming has it with marks for
// autocommit and rebalances that wait for a poll.
func kgoPartitions(ctx context.Context, c *consumption) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumerGroup(c.group()), kgo.ConsumeTopics(c.topic),
		kgo.AutoCommitMarks(), kgo.BlockRebalanceOnPoll())
	if err != nil {
		return err
	}
	ctx, cancel := c.until(ctx)
	defer cancel()
	var wg sync.WaitGroup
	work := map[int32]chan []*kgo.Record{}
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) == 0 {
				return
			}
			records := work[p.Partition]
			if records == nil {
				records = make(chan []*kgo.Record, 5)
				work[p.Partition] = records
				wg.Go(func() { handlePartition(ctx, c, client, records) })
			}
			select {
			case records <- p.Records:
			case <-ctx.Done():
			}
		})
		client.AllowRebalance()
	}
	wg.Wait()
	err = client.CommitMarkedOffsets(context.WithoutCancel(ctx))
	client.CloseAllowingRebalance()
	return err
}

func handlePartition(ctx context.Context, c *consumption, client *kgo.Client, batches <-chan []*kgo.Record) {
	for {
		select {
		case <-ctx.Done():
			return
		case records := <-batches:
			for _, r := range records {
				if ctx.Err() != nil {
					return
				}
				c.one()
				client.MarkCommitRecords(r)
			}
		}
	}
}

// saramaConsume is sarama's example of a consumer group: a handler whose ConsumeClaim marks each message of a claim, in a
// goroutine of its own for each partition; sarama commits every second, and at the end.
func saramaConsume(ctx context.Context, c *consumption) error {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V2_8_0_0
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	group, err := sarama.NewConsumerGroup(c.addrs, c.group(), cfg)
	if err != nil {
		return err
	}
	ctx, cancel := c.until(ctx)
	defer cancel()
	err = group.Consume(ctx, []string{c.topic}, saramaClaims{c})
	return errors.Join(err, group.Close())
}

type saramaClaims struct{ c *consumption }

func (saramaClaims) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (saramaClaims) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h saramaClaims) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			h.c.one()
			session.MarkMessage(m, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

// watermillConsume is a router with a handler on its subscriber, as its documentation of Kafka shows; a message is
// acknowledged when the handler returns.
func watermillConsume(ctx context.Context, c *consumption) error {
	cfg := wmkafka.DefaultSaramaSubscriberConfig()
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	subscriber, err := wmkafka.NewSubscriber(wmkafka.SubscriberConfig{
		Brokers: c.addrs, Unmarshaler: wmkafka.DefaultMarshaler{}, OverwriteSaramaConfig: cfg, ConsumerGroup: c.group(),
	}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	router.AddConsumerHandler("benchmark", c.topic, subscriber, func(*message.Message) error {
		c.one()
		return nil
	})
	ctx, cancel := c.until(ctx)
	defer cancel()
	return router.Run(ctx)
}

// kafkagoConsume is kafka-go's reader with explicit commits and a commit interval, which its README advises under "Managing
// Commits" for speed. Close waits for the fetches under way, by default up to 10 s; their wait is sarama's here.
func kafkagoConsume(ctx context.Context, c *consumption) error {
	reader := kafkago.NewReader(kafkago.ReaderConfig{
		Brokers: c.addrs, GroupID: c.group(), Topic: c.topic, StartOffset: kafkago.FirstOffset,
		MinBytes: 1, MaxBytes: 10e6, CommitInterval: time.Second, MaxWait: 500 * time.Millisecond,
	})
	ctx, cancel := c.until(ctx)
	defer cancel()
	for ctx.Err() == nil {
		m, err := reader.FetchMessage(ctx)
		if err != nil {
			break
		}
		c.one()
		if err := reader.CommitMessages(context.WithoutCancel(ctx), m); err != nil {
			return err
		}
	}
	return reader.Close()
}
