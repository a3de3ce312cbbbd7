package main

import (
	"fmt"

	"github.com/backend-platform/sdk/kafka"
)

const (
	consumePartitions = 8

	// What rows run on is the beginning of their names.
	onEmbedded = "kafka, embedded broker"
	onApache   = "Apache Kafka"
)

// embeddedKafkaRows run on an embedded broker in a process of its own, anywhere.
func embeddedKafkaRows() []row {
	return []row{
		consumeRow(onEmbedded), slowRow(onEmbedded, 64),
		keylessRow("does nothing", nothing, 200_000), keylessRow("takes 1 ms", oneMillisecond, 500),
		publishRow(onEmbedded, 1), publishRow(onEmbedded, 64), redriveRow(onEmbedded),
	}
}

// realKafkaRows run on a real cluster, which KAFKA_BROKERS names.
func realKafkaRows() []row {
	return []row{consumeRow(onApache), slowRow(onApache, 64), slowRow(onApache, 256), publishRow(onApache, 1), publishRow(onApache, 64), redriveRow(onApache)}
}

func consumeRow(on string) row {
	return row{name: on + ": consume 256 B, handler that does nothing", unit: "record", contenders: []contender{
		{"sdk", "zero Config: 64 workers, handler timeout, span, offset tracker, dead letters ready", consuming(keyed, sdkConsume(kafka.ConsumerConfig{}), nothing)},
		{"kgo", "the floor: a poll loop that marks and commits what it handled", consuming(keyed, kgoConsume, nothing)},
		{"by hand", "kgo, 64 workers by key, timeouts, offsets tracked: what a team would write, without what happens when something fails", consuming(keyed, keysByHand, nothing)},
		{"sarama", "consumer group, a goroutine per partition", consuming(keyed, saramaConsume, nothing)},
		{"kafka-go", "reader with a group, commits every second", consuming(keyed, kafkagoConsume, nothing)},
		{"watermill", "router on its Kafka subscriber (sarama)", consuming(keyed, watermillConsume, nothing)},
	}, n: 300_000, bars: []bar{timesTheRate(0.5, "kgo"), timesTheRate(1, "sarama").orWithin(1, "by hand"), timesTheRate(3, "watermill"), allocsWithin(6)}}
}

func slowRow(on string, workers int) row {
	return row{name: fmt.Sprintf("%s: consume 256 B, handler that takes 1 ms, 8 partitions, 1,000 keys, %d workers", on, workers), unit: "record", contenders: []contender{
		{"sdk", "zero Config but for the workers", consuming(keyed, sdkConsume(workersConfig(workers)), oneMillisecond)},
		{"kgo, goroutine per partition", "as its own example has it", consuming(keyed, kgoPartitions, oneMillisecond)},
		{"sarama", "consumer group, a goroutine per partition", consuming(keyed, saramaConsume, oneMillisecond)},
		{"watermill", "router on its Kafka subscriber (sarama)", consuming(keyed, watermillConsume, oneMillisecond)},
		{"sleeps", "the floor of as many workers: goroutines that sleep, without Kafka", sleeping(workers)},
	}, n: 10_000, cannot: []cannotDo{
		{"kafka-go", "a reader gives out one record after the other, whatever its partition: there is nothing that handles several at a time"},
	}, bars: []bar{timesTheRate(5, "kgo, goroutine per partition"), timesTheRate(5, "sarama"), timesTheRate(5, "watermill")}}
}

// workersConfig is the zero Config where that has as many workers.
func workersConfig(workers int) kafka.ConsumerConfig {
	if workers == 64 {
		return kafka.ConsumerConfig{}
	}
	return kafka.ConsumerConfig{Workers: workers}
}

// sleeping is what a handler of 1 ms costs by itself on this machine.
func sleeping(workers int) func() (work, func(), error) {
	return func() (work, func(), error) {
		return together(workers, func() error { oneMillisecond(); return nil }), nil, nil
	}
}

// keylessRow is the case in which workers are of no use: the records have the order of their partition.
func keylessRow(does string, handle func(), n int) row {
	return row{name: onEmbedded + ": consume 256 B without keys, 1 partition, handler that " + does, unit: "record", contenders: []contender{
		{"sdk", "zero Config", consuming(keyless, sdkConsume(kafka.ConsumerConfig{}), handle)},
		{"kgo", "the floor: a poll loop that marks and commits what it handled", consuming(keyless, kgoConsume, handle)},
		{"sarama", "consumer group, a goroutine per partition", consuming(keyless, saramaConsume, handle)},
		{"watermill", "router on its Kafka subscriber (sarama)", consuming(keyless, watermillConsume, handle)},
	}, n: n, notQuick: true, noBar: "one lane is the case in which a consumer with workers has nothing to gain"}
}
