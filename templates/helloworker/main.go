// Command helloworker greets everybody who visits: it reads visits from Kafka and writes greetings.
package main

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/backend-platform/sdk/kafka"
)

func main() {
	if err := run("helloworker", setup); err != nil {
		slog.Error("helloworker ended", "error", err)
		os.Exit(1)
	}
}

func setup(_ context.Context, a *app) error {
	brokers := strings.Split(os.Getenv("KAFKA_BROKERS"), ",")
	producer, err := kafka.NewProducer(brokers, kafka.ProducerConfig{Connection: connection()})
	if err != nil {
		return err
	}
	a.onStop(producer.Close)
	consumer, err := newConsumer(brokers, producer)
	if err != nil {
		return err
	}
	a.start(consumer.Run)
	return nil
}
