package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// The topics have to exist. What cannot be handled goes to dlq.visits.helloworker, which the consumer makes.
const (
	visits    = "visits"
	greetings = "greetings"
	group     = "helloworker"
)

type visit struct {
	Name string `json:"name"`
}

// Validate is called when a record is decoded. A record that is not valid becomes a dead letter at once.
func (v visit) Validate() error {
	if v.Name == "" {
		return errors.InvalidArgument.New("A visit needs a name.").WithViolation("#/name", "must not be empty", "REQUIRED")
	}
	return nil
}

type greeting struct {
	Text string `json:"text"`
}

// newConsumer makes the consumer of visits, which writes a greeting for each.
func newConsumer(brokers []string, producer *kafka.Producer) (*kafka.Consumer, error) {
	return kafka.NewConsumer(brokers, group, []string{visits}, kafka.JSON(greeter{producer}.greet),
		kafka.ConsumerConfig{Connection: connection()})
}

type greeter struct{ producer *kafka.Producer }

// greet may run twice for a visit, as every consumer may: what it writes has the visit's key, so whoever reads the greetings
// can tell. An error that it returns is retried if its code says so; then the visit is a dead letter.
func (g greeter) greet(ctx context.Context, v visit, r *kafka.Record) error {
	record, err := kafka.NewJSON(greetings, r.Key, greeting{"Hello, " + v.Name + "!"})
	if err != nil {
		return err
	}
	if err := g.producer.Publish(ctx, record); err != nil {
		return err
	}
	slog.InfoContext(ctx, "greeted", "visit", r.ID())
	return nil
}

// connection reads how to reach the brokers: TLS with the authorities in KAFKA_CA_FILE, a login from two files, or
// neither. What is in the files may change while the service runs.
func connection() kafka.Connection {
	c := kafka.Connection{CAFile: os.Getenv("KAFKA_CA_FILE")}
	if user, password := os.Getenv("KAFKA_USERNAME_FILE"), os.Getenv("KAFKA_PASSWORD_FILE"); user != "" || password != "" {
		c.SASL = kafka.SASL{Mechanism: kafka.SASLScram512, Credentials: kafka.CredentialFiles(user, password)}
	}
	return c
}
