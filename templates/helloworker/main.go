// Command helloworker greets everybody who visits: it reads visits from Kafka and writes greetings.
package main

import (
	"context"
	"os"
	"strings"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/service"
)

func main() { service.Main(service.Config{}, setup) }

// setup registers what the service runs. At the stop the consumer finishes what it holds, and then the producer sends what
// that has written.
func setup(_ context.Context, s *service.Service) error {
	brokers := strings.Split(os.Getenv("KAFKA_BROKERS"), ",")
	producer, err := kafka.NewProducer(brokers, kafka.ProducerConfig{Connection: connection()})
	if err != nil {
		return err
	}
	s.OnStop("producer", producer.Close)
	consumer, err := newConsumer(brokers, producer)
	if err != nil {
		return err
	}
	s.Go("visits", consumer.Run)
	s.Check("visits", consumer.Ready)
	return nil
}
