package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

const (
	consumeTopic      = "benchmark"
	consumePartitions = 8
	consumeKeys       = 1000
)

func kafkaRow() row {
	return row{"kafka: consume 256 B from an embedded broker, handler that does nothing", "record", []contender{
		{"sdk", "zero Config: 64 workers, handler timeout, span, offset tracker, dead letters ready", func() (work, func(), error) {
			return consume(sdkConsume)
		}},
		{"kgo", "the floor: a poll loop that marks and commits what it handled", func() (work, func(), error) {
			return consume(kgoConsume)
		}},
	}, 50_000}
}

// consume returns work on a broker of its own. The topic always holds what a round needs; each round
// is a new group that reads n records from the start. The time runs from the first record that is
// handled to the end, without what it takes to join the group.
func consume(read reader) (work, func(), error) {
	broker, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{consumeTopic: consumePartitions}})
	if err != nil {
		return nil, nil, err
	}
	held, group := 0, 0
	return func(n int) (time.Duration, error) {
		if err := fill(broker, n-held); err != nil {
			return 0, err
		}
		held = max(held, n)
		group++
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		begin, err := read(ctx, broker, "group-"+strconv.Itoa(group), n)
		return time.Since(begin), err
	}, broker.Close, nil
}

// A reader handles n records and returns when it began to handle the first.
type reader func(ctx context.Context, broker *kafkatest.Broker, group string, n int) (begin time.Time, err error)

func fill(broker *kafkatest.Broker, n int) error {
	if n <= 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.DefaultProduceTopic(consumeTopic))
	if err != nil {
		return err
	}
	defer client.Close()
	value := make([]byte, 256)
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Key: []byte(strconv.Itoa(i % consumeKeys)), Value: value}
	}
	return client.ProduceSync(context.Background(), records...).FirstErr()
}

func sdkConsume(ctx context.Context, broker *kafkatest.Broker, group string, n int) (begin time.Time, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var handled atomic.Int64
	handler := func(context.Context, *kafka.Record) error {
		switch handled.Add(1) {
		case 1:
			begin = time.Now()
		case int64(n):
			cancel()
		}
		return nil
	}
	cfg := kafka.ConsumerConfig{Logger: slog.New(slog.DiscardHandler)}
	consumer, err := kafka.NewConsumer(broker.Addrs(), group, []string{consumeTopic}, handler, cfg)
	if err != nil {
		return begin, err
	}
	err = consumer.Run(ctx)
	return begin, errors.Join(err, complete(int(handled.Load()), n))
}

func kgoConsume(ctx context.Context, broker *kafkatest.Broker, group string, n int) (begin time.Time, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(consumeTopic), kgo.AutoCommitMarks())
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
