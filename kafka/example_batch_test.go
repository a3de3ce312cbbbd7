package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"slices"
	"sync"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// orderRows stands for a table with a unique index on record:
//
//	CREATE TABLE orders (record text PRIMARY KEY, id text, qty int)
type orderRows struct {
	mu   sync.Mutex
	rows map[kafka.ID]Order
}

// insert is one statement for all of a batch. A record that comes again finds its
// row there, and so takes effect once: this is what Deduplicate is for other
// handlers.
//
//	INSERT INTO orders (record, id, qty) VALUES … ON CONFLICT (record) DO NOTHING
//
// An error of the database is one of every record in the statement, and has no
// code that speaks about them: they are tried again, and if that goes on the
// consumer pauses.
func (t *orderRows) insert(_ context.Context, records []*kafka.Record) []error {
	results := make([]error, len(records))
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, r := range records {
		var o Order
		if err := json.Unmarshal(r.Value, &o); err != nil {
			results[i] = errors.InvalidArgument.Wrap(err, "The order cannot be read.") // a dead letter, and alone
			continue
		}
		if _, there := t.rows[r.ID()]; !there {
			t.rows[r.ID()] = o
		}
	}
	return results
}

// Rows that are inserted many at a time: what arrives while one statement runs
// goes into the next. What cannot be a row fails alone, and a record that is
// delivered twice is one row.
func ExampleBatch() {
	table := &orderRows{rows: map[kafka.ID]Order{}}
	insert := kafka.Batch(table.insert, kafka.BatchConfig{Size: 500})

	consumer, err := kafka.NewConsumer([]string{"kafka.example.com:9092"}, "warehouse", []string{"orders"}, insert, kafka.ConsumerConfig{Workers: 500})
	if err != nil {
		log.Fatal(err)
	}
	_ = consumer // its Run calls the handler like this:

	var workers sync.WaitGroup
	for i, value := range []string{`{"id": "o-1"}`, `{"id": "o-2"}`, `{"id":`} {
		workers.Go(func() {
			r := &kafka.Record{Topic: "orders", Offset: int64(i), Value: []byte(value)}
			if err := errors.Join(insert(context.Background(), r), insert(context.Background(), r)); err != nil {
				fmt.Println(i, errors.CodeOf(err))
			}
		})
	}
	workers.Wait()
	var ids []string
	for _, o := range table.rows {
		ids = append(ids, o.ID)
	}
	slices.Sort(ids)
	fmt.Println(ids)

	// Output:
	// 2 invalid_argument
	// [o-1 o-2]
}
