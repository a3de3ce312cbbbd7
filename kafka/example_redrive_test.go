package kafka_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// brokerWithDeadLetters is a Kafka in which the group shipping has put two
// records of the topic orders into the dead letters.
func brokerWithDeadLetters() (broker *kafkatest.Broker, stop func()) {
	broker, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.orders.shipping": 1}})
	if err != nil {
		panic(err)
	}
	t := &program{}
	orders := broker.Produce(t,
		kafka.Record{Topic: "orders", Value: []byte(`{"id": o-1}`)},
		kafka.Record{Topic: "orders", Value: []byte(`{"id": "o-2"}`)},
	)
	poison := kafka.Failure{
		Source: orders[0].ID(), Group: "shipping", Attempts: 1,
		Code: errors.InvalidArgument, Message: "The record's value cannot be decoded.",
	}
	outage := kafka.Failure{
		Source: orders[1].ID(), Group: "shipping", Attempts: 8,
		Code: errors.Unavailable, Message: "The inventory is not available.",
	}
	dlq := kafka.DeadLetterTopic("orders", "shipping")
	broker.Produce(t,
		kafka.Record{Topic: dlq, Value: orders[0].Value, Headers: poison.AppendHeaders(nil)},
		kafka.Record{Topic: dlq, Value: orders[1].Value, Headers: outage.AppendHeaders(nil)},
	)
	return broker, broker.Close
}

// program stands in for a test in an example.
type program struct{}

func (*program) Helper()                           {}
func (*program) Cleanup(func())                    {}
func (*program) Context() context.Context          { return context.Background() }
func (*program) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func ExampleBrowse() {
	broker, stop := brokerWithDeadLetters()
	defer stop()

	for dead, err := range kafka.Browse(context.Background(), broker.Addrs(), "orders", "shipping", kafka.BrowseConfig{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v, %d attempts, %v: %s\n", dead.Record.ID(), dead.Failure.Attempts, dead.Failure.Code, dead.Failure.Message)
	}
	// Output:
	// orders/0/0, 1 attempts, invalid_argument: The record's value cannot be decoded.
	// orders/0/1, 8 attempts, unavailable: The inventory is not available.
}

// The inventory is back: what failed because of it is put back into its topic.
func ExampleRedrive() {
	broker, stop := brokerWithDeadLetters()
	defer stop()

	result, err := kafka.Redrive(context.Background(), broker.Addrs(), "orders", "shipping", kafka.RedriveConfig{
		Filter: kafka.DeadLetterFilter{Codes: []errors.Code{errors.Unavailable}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Redriven, "put back,", result.Skipped, "left")
	// Output: 1 put back, 1 left
}

// A producer forgot quotes: its records are repaired on their way back.
func ExampleRedrive_repair() {
	broker, stop := brokerWithDeadLetters()
	defer stop()

	result, err := kafka.Redrive(context.Background(), broker.Addrs(), "orders", "shipping", kafka.RedriveConfig{
		Filter: kafka.DeadLetterFilter{Codes: []errors.Code{errors.InvalidArgument}},
		Repair: func(_ context.Context, dead *kafka.DeadLetter) error {
			if !bytes.HasPrefix(dead.Record.Value, []byte(`{"id": o-`)) {
				return kafka.ErrPark // Something else: for a person to look at.
			}
			dead.Record.Value = []byte(`{"id": "` + string(dead.Record.Value[7:len(dead.Record.Value)-1]) + `"}`)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Redriven, "put back,", result.Parked, "parked")
	for _, record := range broker.Records(&program{}, "orders") {
		fmt.Printf("%v: %s\n", record.ID(), record.Value)
	}
	// Output:
	// 1 put back, 0 parked
	// orders/0/0: {"id": o-1}
	// orders/0/1: {"id": "o-2"}
	// orders/0/0: {"id": "o-1"}
}
