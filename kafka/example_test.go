package kafka_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

type Order struct {
	ID  string `json:"id"`
	Qty int    `json:"qty"`
}

// broker is a Kafka inside the process, where a service has the addresses of its
// brokers.
func broker(topics ...string) *kafkatest.Broker {
	cfg := kafkatest.Config{Topics: map[string]int{}}
	for _, t := range topics {
		cfg.Topics[t] = 2
	}
	b, err := kafkatest.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	return b
}

// Logs of the examples go nowhere.
var discard = slog.New(slog.DiscardHandler)

// A consumer handles a topic's records as JSON. What cannot be handled becomes a
// dead letter, and everything else goes on.
func Example() {
	b := broker("orders")
	if err := shipOrders(context.Background(), b.Addrs()); err != nil {
		log.Fatal(err)
	}
	b.Close()

	// Output:
	// shipped o-1
	// shipped o-3
	// dead letter: {"id":"o-2","qty":0} invalid_argument
}

func shipOrders(ctx context.Context, brokers []string) error {
	producer, err := kafka.NewProducer(brokers, kafka.ProducerConfig{Logger: discard})
	if err != nil {
		return err
	}
	defer producer.Close(ctx)

	for _, order := range []Order{{"o-1", 2}, {"o-2", 0}, {"o-3", 1}} {
		record, err := kafka.NewJSON("orders", []byte("customer-7"), order)
		if err != nil {
			return err
		}
		if err := producer.Publish(ctx, record); err != nil {
			return err
		}
	}

	running, stop := context.WithCancel(ctx)
	defer stop()
	ship := kafka.JSON(func(_ context.Context, o Order, _ *kafka.Record) error {
		if o.Qty == 0 {
			return errors.InvalidArgument.New("An order needs a quantity.")
		}
		fmt.Println("shipped", o.ID)
		if o.ID == "o-3" {
			stop() // a service stops on a signal
		}
		return nil
	})
	consumer, err := kafka.NewConsumer(brokers, "shipping", []string{"orders"}, ship, kafka.ConsumerConfig{Logger: discard})
	if err != nil {
		return err
	}
	if err := consumer.Run(running); err != nil {
		return err
	}

	for dead, err := range kafka.Browse(ctx, brokers, "orders", "shipping", kafka.BrowseConfig{Logger: discard}) {
		if err != nil {
			return err
		}
		fmt.Println("dead letter:", string(dead.Record.Value), dead.Failure.Code)
	}
	return nil
}

// A cluster with TLS, whose authorities and login are files of mounted secrets:
// what is replaced there needs no restart. Where the brokers' certificates are of
// public authorities, TLS: new(tls.Config) stands in place of CAFile.
func ExampleConnection() {
	connection := kafka.Connection{
		CAFile: "/etc/kafka/ca.crt", // With it the connection is TLS.
		SASL: kafka.SASL{
			Mechanism:   kafka.SASLScram512,
			Credentials: kafka.CredentialFiles("/etc/kafka/username", "/etc/kafka/password"),
		},
	}
	_, err := kafka.NewProducer([]string{"kafka.example.com:9093"}, kafka.ProducerConfig{Connection: connection})
	fmt.Println(errors.CodeOf(err)) // There is no such CAFile here. The login is read when a connection is made.

	// Output:
	// invalid_argument
}

// A record that is delivered again, here because it was published twice with the
// same origin, takes effect once.
func ExampleDeduplicate() {
	store := kafka.NewMemoryDedupStore(0) // a service's store is its database
	handle := kafka.Deduplicate(store, func(_ context.Context, r *kafka.Record) error {
		fmt.Println("charge", r.ID())
		return nil
	})

	first := &kafka.Record{Topic: "orders", Partition: 1, Offset: 42}
	redriven := &kafka.Record{Topic: "orders", Partition: 1, Offset: 99, Headers: []kafka.Header{
		{Key: kafka.HeaderOrigin, Value: []byte("orders/1/42")},
	}}
	for _, r := range []*kafka.Record{first, first, redriven} {
		if err := handle(context.Background(), r); err != nil {
			log.Fatal(err)
		}
	}

	// Output:
	// charge orders/1/42
}

// Publish says what went wrong, and whether the record may have been written all
// the same.
func ExampleProducer_Publish() {
	b := broker("orders")
	producer, err := kafka.NewProducer(b.Addrs(), kafka.ProducerConfig{Logger: discard})
	if err != nil {
		log.Fatal(err)
	}

	err = producer.Publish(context.Background(), &kafka.Record{Topic: "order", Value: []byte("{}")})
	if failed, ok := errors.AsType[*kafka.PublishError](err); ok {
		fmt.Println(errors.CodeOf(err), failed.Failed[0].MayBeWritten)
	}
	if err := producer.Close(context.Background()); err != nil {
		log.Fatal(err)
	}
	b.Close()

	// Output:
	// failed_precondition false
}
