package kafka_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// Rows that are inserted many at a time: what arrives while one statement runs
// goes into the next. The row that the database refuses fails alone.
func ExampleBatch() {
	insert := kafka.Batch(func(_ context.Context, records []*kafka.Record) []error {
		results := make([]error, len(records))
		for i, r := range records { // one statement, in a service
			if len(r.Value) == 0 {
				results[i] = errors.InvalidArgument.New("An order must not be empty.")
			}
		}
		return results
	}, kafka.BatchConfig{Size: 500})

	consumer, err := kafka.NewConsumer([]string{"kafka.example.com:9092"}, "warehouse", []string{"orders"}, insert, kafka.ConsumerConfig{Workers: 500})
	if err != nil {
		log.Fatal(err)
	}
	_ = consumer // its Run calls the handler like this:

	var workers sync.WaitGroup
	for _, value := range []string{"o-1", ""} {
		workers.Go(func() {
			if err := insert(context.Background(), &kafka.Record{Value: []byte(value)}); err != nil {
				fmt.Println(err)
			}
		})
	}
	workers.Wait()

	// Output:
	// invalid_argument: An order must not be empty.
}
