package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/kafka"
)

// publishRow has so many goroutines, each of which publishes one record after the other and waits for
// all in-sync replicas.
func publishRow(on string, goroutines int) row {
	name := on + ": publish 256 B, one after the other"
	if goroutines > 1 {
		name = fmt.Sprintf("%s: publish 256 B, %d goroutines", on, goroutines)
	}
	return row{name: name, unit: "record", contenders: []contender{
		{"sdk", "zero Config", publishing(goroutines, sdkPublisher)},
		{"kgo", "ProduceSync, without a linger as the SDK", publishing(goroutines, kgoPublisher)},
		{"sarama", "SyncProducer, idempotent, which permits one request at a time", publishing(goroutines, saramaPublisher)},
		{"kafka-go", "Writer, with a batch timeout of 1 ms instead of 1 s", publishing(goroutines, kafkagoPublisher)},
	}, least: 100 * goroutines, bars: []bar{timesTheRate(0.9, "kgo")}}
}

// A publisher writes one record and returns when it is acknowledged.
type publisher func(key, value []byte) error

func publishing(goroutines int, open func(c *cluster, topic string) (publisher, func(), error)) func() (work, func(), error) {
	return func() (work, func(), error) {
		c, err := theCluster()
		if err != nil {
			return nil, nil, err
		}
		topic, err := c.shared("publish", consumePartitions)
		if err != nil {
			return nil, nil, err
		}
		publish, closing, err := open(c, topic)
		value := make([]byte, recordBytes)
		return all(func(n int) error {
			var wg sync.WaitGroup
			errs := make(chan error, goroutines)
			for g := range goroutines {
				wg.Go(func() {
					for i := g; i < n; i += goroutines {
						if err := publish(strconv.AppendInt(nil, int64(i%recordKeys), 10), value); err != nil {
							errs <- err
							return
						}
					}
				})
			}
			wg.Wait()
			close(errs)
			return <-errs
		}), closing, err
	}
}

func sdkPublisher(c *cluster, topic string) (publisher, func(), error) {
	p, err := kafka.NewProducer(c.addrs, kafka.ProducerConfig{Logger: slog.New(slog.DiscardHandler)})
	return func(key, value []byte) error {
		return p.Publish(context.Background(), &kafka.Record{Topic: topic, Key: key, Value: value})
	}, func() { _ = p.Close(context.Background()) }, err
}

// kgoPublisher has kgo's defaults, which are idempotent with all acknowledgements, but for the linger: a caller that waits
// for each record would wait for that, too.
func kgoPublisher(c *cluster, topic string) (publisher, func(), error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	return func(key, value []byte) error {
		return client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Key: key, Value: value}).FirstErr()
	}, client.Close, err
}

// saramaPublisher is idempotent as the SDK is, for which sarama demands all acknowledgements and one request at a time.
func saramaPublisher(c *cluster, topic string) (publisher, func(), error) {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V2_8_0_0
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.Idempotent = true
	cfg.Net.MaxOpenRequests = 1
	cfg.Producer.Return.Successes = true
	p, err := sarama.NewSyncProducer(c.addrs, cfg)
	return func(key, value []byte) error {
		_, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: topic, Key: sarama.ByteEncoder(key), Value: sarama.ByteEncoder(value)})
		return err
	}, func() { _ = p.Close() }, err
}

// kafkagoPublisher waits for all replicas as the others do; its default waits one second for a batch to fill, which its
// documentation advises to shorten for callers that write one message at a time. It has no idempotent writes.
func kafkagoPublisher(c *cluster, topic string) (publisher, func(), error) {
	w := &kafkago.Writer{
		Addr: kafkago.TCP(c.addrs...), Topic: topic, Balancer: kafkago.Murmur2Balancer{},
		RequiredAcks: kafkago.RequireAll, BatchTimeout: time.Millisecond,
	}
	return func(key, value []byte) error {
		return w.WriteMessages(context.Background(), kafkago.Message{Key: key, Value: value})
	}, func() { _ = w.Close() }, nil
}
