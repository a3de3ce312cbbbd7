package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

func charts() []chart {
	return []chart{hostsChart(), workersChart(), partitionsChart(), retriesChart()}
}

const perPartition = "kgo, goroutine per partition"

// Keys of the records: each of 1,000 as often as the others, or as in Zipf's law, by which the most frequent of them is
// one record in five.
const (
	uniform = "uniform keys"
	zipf    = "Zipf keys"

	zipfExponent = 1.1
)

func consumerChart(name, title, x string) chart {
	return chart{Name: name, Title: title, X: x, Rate: "records a second", Memory: "most memory of the process, MiB"}
}

func workersChart() chart {
	c := consumerChart("consumer-workers", "Kafka consumer: handler that takes 1 ms, 8 partitions, 1,000 keys, by workers", "workers")
	c.LogX = true
	for _, keys := range []string{uniform, zipf} {
		s := series{Name: "sdk, " + keys}
		for _, workers := range []int{1, 4, 16, 64, 256} {
			s.Points = append(s.Points, consumePoint(workers, keys, consumePartitions, job{Workers: workers, Sleep: true, N: min(max(500*workers, 1000), 20_000)}))
		}
		c.Lines = append(c.Lines, s)
	}
	return c
}

func partitionsChart() chart {
	c := consumerChart("consumer-partitions", "Kafka consumer: handler that takes 1 ms, 64 workers, 1,000 keys, by partitions", "partitions")
	c.LogX = true
	for _, line := range []struct{ peer, keys string }{{"", uniform}, {"", zipf}, {perPartition, uniform}} {
		s := series{Name: peerName(line.peer)}
		if line.peer == "" {
			s.Name += ", " + line.keys
		}
		for _, partitions := range []int{1, 10, 100, 1_000} {
			n := 20_000
			if line.peer != "" {
				n = min(1_000*partitions, n)
			}
			s.Points = append(s.Points, consumePoint(partitions, line.keys, partitions, job{Peer: line.peer, Workers: 64, Sleep: true, N: n}))
		}
		c.Lines = append(c.Lines, s)
	}
	return c
}

func retriesChart() chart {
	c := consumerChart("consumer-retries", "Kafka consumer: 64 workers, 8 partitions, 1,000 keys, by the share of records that fail once", "% of records fail at their first attempt")
	for _, sleep := range []bool{false, true} {
		s := series{Name: "sdk, handler that does nothing"}
		if sleep {
			s.Name = "sdk, handler that takes 1 ms"
		}
		for _, retried := range []int{0, 5, 10, 25, 50} {
			s.Points = append(s.Points, consumePoint(retried, uniform, consumePartitions, job{Workers: 64, Retried: retried, Sleep: sleep, N: 20_000}))
		}
		c.Lines = append(c.Lines, s)
	}
	return c
}

// consumePoint has a topic with as many records as are counted: of more, those whose keys wait least would be the first.
func consumePoint(x int, keys string, partitions int, j job) grown {
	return grown{X: float64(x), job: func(context.Context) (job, error) {
		c, err := theCluster()
		if err != nil {
			return job{}, err
		}
		topic, err := c.shared(fmt.Sprintf("growth-%d-%.4s-%d", partitions, keys, j.N), partitions)
		if err == nil {
			err = c.fill(topic, keyChooser(keys), j.N)
		}
		j.Kind, j.Brokers, j.Topic = "consume", c.addrs, topic
		return j, err
	}}
}

// keyChooser draws keys; it draws the same ones each time.
func keyChooser(keys string) func(i int) []byte {
	if keys == uniform {
		return inTurn(recordKeys)
	}
	drawn := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), zipfExponent, 1, recordKeys-1)
	return func(int) []byte { return strconv.AppendUint(nil, drawn.Uint64(), 10) }
}

func growConsume(j job) (s spent, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	handle := nothing
	if j.Sleep {
		handle = oneMillisecond
	}
	c := &consumption{cluster: &cluster{addrs: j.Brokers}, topic: j.Topic, n: j.N, handle: handle, done: make(chan struct{})}
	before := processTime()
	if j.Peer == perPartition {
		err = kgoPartitions(ctx, c)
	} else {
		err = growingConsume(ctx, c, j)
	}
	s = spent{took: time.Since(c.begin), cpu: processTime() - before}
	if got := int(c.handled.Load()); err == nil && got < j.N {
		err = fmt.Errorf("%d of %d records were handled in time", got, j.N)
	}
	if err == nil {
		s.memory, err = peakMemory()
	}
	return s, err
}

// growingConsume is this SDK's consumer with a handler that fails at the first attempt of some records.
func growingConsume(ctx context.Context, c *consumption, j job) error {
	ctx, cancel := c.until(ctx)
	defer cancel()
	cfg := workersConfig(j.Workers)
	cfg.Logger = slog.New(slog.DiscardHandler)
	consumer, err := kafka.NewConsumer(c.addrs, c.group(), []string{c.topic}, func(_ context.Context, r *kafka.Record) error {
		if r.Attempt() == 1 && failsOnce(r, j.Retried) {
			c.handle()
			return errAgain
		}
		c.one()
		return nil
	}, cfg)
	if err != nil {
		return err
	}
	return consumer.Run(ctx)
}

// errAgain is about the record and not about an outage, and worth another attempt.
var errAgain = errors.Aborted.New("not yet")

// failsOnce chooses so many of a hundred records, spread evenly.
func failsOnce(r *kafka.Record, ofHundred int) bool {
	return (int(r.Offset)*37+int(r.Partition)*11)%100 < ofHundred
}
