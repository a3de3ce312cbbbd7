package kafka_test

import (
	"context"
	"fmt"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// Mails may go out in any order. One that a mail server does not take now waits in a
// topic, and nothing waits for it.
func ExampleConsumer_Run_retryTopics() {
	broker, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{"mails": 1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	broker.Produce(&program{},
		kafka.Record{Topic: "mails", Value: []byte("to Ann")},
		kafka.Record{Topic: "mails", Value: []byte("to Bob")})

	running, stop := context.WithCancel(context.Background())
	defer stop()
	send := func(_ context.Context, r *kafka.Record) error {
		if string(r.Value) == "to Ann" && r.Attempt() < 2 {
			return errors.Aborted.New("The mailbox is busy.")
		}
		fmt.Printf("%s: attempt %d of %v\n", r.Value, r.Attempt(), r.ID())
		if r.Attempt() == 2 {
			stop() // a service stops on a signal
		}
		return nil
	}
	consumer, err := kafka.NewConsumer(broker.Addrs(), "postman", []string{"mails"}, send, kafka.ConsumerConfig{
		Unordered:   true,
		RetryDelays: []time.Duration{time.Second}, // the default is 10 s, 1 min, 10 min
		Attempts:    2,
		Logger:      discard,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := consumer.Run(running); err != nil {
		fmt.Println(err)
	}
	fmt.Println(len(broker.Records(&program{}, "retry.mails.postman.1s")), "waited for a second")
	// Output:
	// to Bob: attempt 1 of mails/0/1
	// to Ann: attempt 2 of mails/0/0
	// 1 waited for a second
}
