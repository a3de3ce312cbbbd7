package kafka_test

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// sqlStore remembers IDs in the database that the effects are in, so that both
// are there or neither:
//
//	CREATE TABLE handled (
//	    id text PRIMARY KEY,
//	    at timestamptz NOT NULL DEFAULT now() -- to delete what is older than 60 days
//	)
type sqlStore struct{ db *database }

type txKey struct{}

// Once implements kafka.DedupStore.
func (s *sqlStore) Once(ctx context.Context, id kafka.ID, effect func(context.Context) error) error {
	tx := s.db.begin()
	defer tx.rollback() // nothing after a commit
	// INSERT INTO handled (id) VALUES ($1) ON CONFLICT DO NOTHING: it waits for
	// another transaction with the same ID.
	if !tx.insert(id.String()) {
		return nil
	}
	if err := effect(context.WithValue(ctx, txKey{}, tx)); err != nil {
		return err
	}
	if err := tx.commit(); err != nil {
		return errors.Unavailable.Wrap(err, "")
	}
	return nil
}

// The effect of a handler and the ID of its record are one transaction. Here the
// database goes away between the effect and the commit; the record comes again,
// and a third time from the dead letters.
func ExampleDeduplicate_database() {
	db := &database{balance: 100, breaks: 1}
	charge := kafka.Deduplicate(&sqlStore{db}, func(ctx context.Context, _ *kafka.Record) error {
		tx := ctx.Value(txKey{}).(*transaction)
		tx.balance -= 30
		return nil
	})

	record := &kafka.Record{Topic: "orders", Partition: 1, Offset: 42}
	redriven := &kafka.Record{Topic: "orders", Partition: 1, Offset: 99, Headers: []kafka.Header{
		{Key: kafka.HeaderOrigin, Value: []byte("orders/1/42")},
	}}
	for _, r := range []*kafka.Record{record, record, redriven} {
		err := charge(context.Background(), r)
		fmt.Println(db.balance, errors.CodeOf(err))
	}

	// Output:
	// 100 unavailable
	// 70 ok
	// 70 ok
}

// database is what a service has in PostgreSQL: an account and the table of IDs.
// One transaction runs at a time.
type database struct {
	mu      sync.Mutex
	balance int
	handled map[string]bool
	breaks  int // that many commits fail
}

type transaction struct {
	db      *database
	balance int
	handled map[string]bool
	over    bool
}

func (db *database) begin() *transaction {
	db.mu.Lock()
	tx := &transaction{db: db, balance: db.balance, handled: map[string]bool{}}
	maps.Copy(tx.handled, db.handled)
	return tx
}

func (tx *transaction) insert(id string) bool {
	fresh := !tx.handled[id]
	tx.handled[id] = true
	return fresh
}

func (tx *transaction) commit() error {
	if tx.db.breaks > 0 {
		tx.db.breaks--
		return errors.New("the connection is lost")
	}
	tx.db.balance, tx.db.handled = tx.balance, tx.handled
	tx.rollback()
	return nil
}

func (tx *transaction) rollback() {
	if tx.over {
		return
	}
	tx.over = true
	tx.db.mu.Unlock()
}
