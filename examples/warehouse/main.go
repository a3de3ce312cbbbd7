// Command warehouse is a whole consumer: it writes a topic's orders into a table, many at a time and each once.
//
//	KAFKA_BROKERS=host:port,… go run ./examples/warehouse
//
// The topic "orders" has to exist. KAFKA_CA_FILE makes the connection TLS; KAFKA_USERNAME_FILE and KAFKA_PASSWORD_FILE are
// the login. With neither it is plain TCP. What the consumer is doing is at localhost:8081/debug/sdk.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/service"
)

func main() { service.Main(service.Config{}, setup) }

func setup(_ context.Context, s *service.Service) error {
	orders := &table{rows: map[kafka.ID]order{}}
	consumer, err := kafka.NewConsumer(strings.Split(os.Getenv("KAFKA_BROKERS"), ","), "warehouse", []string{"orders"},
		kafka.Batch(orders.insert, kafka.BatchConfig{}),
		kafka.ConsumerConfig{Connection: connection(), Workers: 500}) // as many as a batch may have
	if err != nil {
		return err
	}
	s.Go("orders", consumer.Run)
	s.Check("orders", consumer.Ready)
	return nil
}

func connection() kafka.Connection {
	c := kafka.Connection{CAFile: os.Getenv("KAFKA_CA_FILE")}
	if user, password := os.Getenv("KAFKA_USERNAME_FILE"), os.Getenv("KAFKA_PASSWORD_FILE"); user != "" || password != "" {
		c.SASL = kafka.SASL{Mechanism: kafka.SASLScram512, Credentials: kafka.CredentialFiles(user, password)}
	}
	return c
}

type order struct {
	ID  string `json:"id"`
	Qty int    `json:"qty"`
}

// table stands for one in a database, with a unique index on the record's ID.
type table struct {
	mu   sync.Mutex
	rows map[kafka.ID]order
}

// insert is INSERT INTO orders (record, id, qty) VALUES … ON CONFLICT (record) DO NOTHING: a record that comes again finds
// its row there. An error of the database would be that of all records of the statement.
func (t *table) insert(ctx context.Context, records []*kafka.Record) []error {
	t.mu.Lock()
	defer t.mu.Unlock()
	results := make([]error, len(records))
	for i, r := range records {
		var o order
		if err := json.Unmarshal(r.Value, &o); err != nil {
			results[i] = errors.InvalidArgument.Wrap(err, "The order cannot be read.")
			continue
		}
		if _, there := t.rows[r.ID()]; !there {
			t.rows[r.ID()] = o
		}
	}
	slog.InfoContext(ctx, "orders written", "records", len(records), "rows", len(t.rows))
	return results
}
