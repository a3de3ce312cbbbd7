package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/kafka"
)

const consumePartitions = 8

func kafkaRows() []row {
	return []row{consumeRow()}
}

func consumeRow() row {
	return row{"kafka: consume 256 B, handler that does nothing", "record", []contender{
		{"sdk", "zero Config: 64 workers, handler timeout, span, offset tracker, dead letters ready", consuming(sdkConsume(kafka.ConsumerConfig{}), nothing)},
		{"kgo", "the floor: a poll loop that marks and commits what it handled", consuming(kgoConsume, nothing)},
	}, 400_000}
}

// A reader passes n records to handle and returns when the first one was.
type reader func(ctx context.Context, c *cluster, topic string, n int, handle func()) (begin time.Time, err error)

func nothing() {}

// consuming prepares a contender. Each round is a new group that reads n records from the start. The
// time runs from the first record that is handled to the end, without what it takes to join the group.
func consuming(read reader, handle func()) func() (work, func(), error) {
	return func() (work, func(), error) {
		c, err := theCluster()
		if err != nil {
			return nil, nil, err
		}
		topic, err := c.shared("consume", consumePartitions)
		return func(n int) (time.Duration, error) {
			if err := c.fill(topic, n); err != nil {
				return 0, err
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			begin, err := read(ctx, c, topic, n, handle)
			return time.Since(begin), err
		}, nil, err
	}
}

func sdkConsume(cfg kafka.ConsumerConfig) reader {
	return func(ctx context.Context, c *cluster, topic string, n int, handle func()) (begin time.Time, err error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var handled atomic.Int64
		handler := func(context.Context, *kafka.Record) error {
			handle()
			switch handled.Add(1) {
			case 1:
				begin = time.Now()
			case int64(n):
				cancel()
			}
			return nil
		}
		cfg.Logger = slog.New(slog.DiscardHandler)
		consumer, err := kafka.NewConsumer(c.addrs, c.group(), []string{topic}, handler, cfg)
		if err != nil {
			return begin, err
		}
		err = consumer.Run(ctx)
		return begin, errors.Join(err, complete(int(handled.Load()), n))
	}
}

func kgoConsume(ctx context.Context, c *cluster, topic string, n int, handle func()) (begin time.Time, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumerGroup(c.group()), kgo.ConsumeTopics(topic), kgo.AutoCommitMarks())
	if err != nil {
		return begin, err
	}
	defer client.Close()
	handled := 0
	for handled < n && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		if handled == 0 {
			begin = time.Now()
		}
		fetches.EachRecord(func(r *kgo.Record) {
			handle()
			handled++
			client.MarkCommitRecords(r)
		})
	}
	err = client.CommitMarkedOffsets(context.WithoutCancel(ctx))
	return begin, errors.Join(err, complete(handled, n))
}

// complete reports records that were not handled; a few more than asked for may be in hand at the end.
func complete(handled, n int) error {
	if handled < n {
		return fmt.Errorf("%d of %d records were handled in time", handled, n)
	}
	return nil
}
