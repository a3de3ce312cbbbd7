package main

import (
	"fmt"

	"github.com/backend-platform/sdk/kafka"
)

const consumePartitions = 8

// kafkaRows run on an embedded broker in a process of its own, or on a real cluster where
// KAFKA_BROKERS names one.
func kafkaRows() []row {
	rows := []row{consumeRow(), slowRow(64)}
	if onRealKafka() {
		rows = append(rows, slowRow(256))
	}
	return append(rows, keylessRow("does nothing", nothing, 400_000), keylessRow("takes 1 ms", oneMillisecond, 5_000),
		publishRow(1), publishRow(64), redriveRow())
}

// javaRows need a real cluster, Java and Maven.
func javaRows() []processRow {
	return []processRow{javaRow(64, "does nothing", 0), javaRow(64, "takes 1 ms", 1), javaRow(256, "takes 1 ms", 1)}
}

func consumeRow() row {
	return row{"kafka: consume 256 B, handler that does nothing", "record", []contender{
		{"sdk", "zero Config: 64 workers, handler timeout, span, offset tracker, dead letters ready", consuming(keyed, sdkConsume(kafka.ConsumerConfig{}), nothing)},
		{"kgo", "the floor: a poll loop that marks and commits what it handled", consuming(keyed, kgoConsume, nothing)},
		{"sarama", "consumer group, a goroutine per partition", consuming(keyed, saramaConsume, nothing)},
		{"kafka-go", "reader with a group, commits every second", consuming(keyed, kafkagoConsume, nothing)},
		{"watermill", "router on its Kafka subscriber (sarama)", consuming(keyed, watermillConsume, nothing)},
	}, 400_000}
}

func slowRow(workers int) row {
	cfg := kafka.ConsumerConfig{}
	if workers != 64 {
		cfg.Workers = workers
	}
	return row{fmt.Sprintf("kafka: consume 256 B, handler that takes 1 ms, 8 partitions, 1,000 keys, %d workers", workers), "record", []contender{
		{"sdk", "zero Config but for the workers", consuming(keyed, sdkConsume(cfg), oneMillisecond)},
		{"kgo, goroutine per partition", "as its own example has it", consuming(keyed, kgoPartitions, oneMillisecond)},
		{"sarama", "consumer group, a goroutine per partition", consuming(keyed, saramaConsume, oneMillisecond)},
		{"watermill", "router on its Kafka subscriber (sarama)", consuming(keyed, watermillConsume, oneMillisecond)},
	}, 5_000}
}

// keylessRow is the case in which workers are of no use: the records have the order of their partition.
func keylessRow(does string, handle func(), n int) row {
	return row{"kafka: consume 256 B without keys, 1 partition, handler that " + does, "record", []contender{
		{"sdk", "zero Config", consuming(keyless, sdkConsume(kafka.ConsumerConfig{}), handle)},
		{"kgo", "the floor: a poll loop that marks and commits what it handled", consuming(keyless, kgoConsume, handle)},
		{"sarama", "consumer group, a goroutine per partition", consuming(keyless, saramaConsume, handle)},
		{"watermill", "router on its Kafka subscriber (sarama)", consuming(keyless, watermillConsume, handle)},
	}, n}
}
