// Package fulfilment is the service that ships what was ordered.
package fulfilment

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/examples/shop/inventory"
	"github.com/backend-platform/sdk/examples/shop/telemetry"
	"github.com/backend-platform/sdk/kafka"
)

// Config is what the service needs.
type Config struct {
	InventoryURL string
	Brokers      []string
	Group        string
	Topics       event.Topics
	Telemetry    *telemetry.Telemetry
}

// A Service consumes orders that were placed, ships them, and says so.
type Service struct {
	consumer  *kafka.Consumer
	producer  *kafka.Producer
	inventory *inventory.Client
	topic     string
	log       *slog.Logger
}

// New returns a service that does not consume yet. Each order is shipped once in effect, however often
// Kafka delivers it: the store remembers it by [kafka.Record.ID]. A service with a database keeps that
// store in it.
func New(cfg Config) (*Service, error) {
	client, err := inventory.NewClient(cfg.InventoryURL, cfg.Telemetry.Client())
	if err != nil {
		return nil, err
	}
	s := &Service{inventory: client, topic: cfg.Topics.Shipped, log: cfg.Telemetry.Logger}
	handler := kafka.Deduplicate(kafka.NewMemoryDedupStore(0), kafka.JSON(s.ship))
	s.consumer, err = kafka.NewConsumer(cfg.Brokers, cfg.Group, []string{cfg.Topics.Placed}, handler, cfg.Telemetry.Consumer())
	if err != nil {
		return nil, err
	}
	s.producer, err = kafka.NewProducer(cfg.Brokers, cfg.Telemetry.Producer())
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Run consumes until ctx ends, then finishes and commits what is in hand.
func (s *Service) Run(ctx context.Context) error {
	err := s.consumer.Run(ctx)
	return errors.Join(err, s.producer.Close(context.WithoutCancel(ctx)))
}

// Consumer returns the service's consumer, to look at its status.
func (s *Service) Consumer() *kafka.Consumer { return s.consumer }

func (s *Service) ship(ctx context.Context, order event.OrderPlaced, _ *kafka.Record) error {
	if err := s.inventory.Ship(ctx, order.OrderID, order.Items); err != nil {
		return err
	}
	value, err := json.Marshal(event.OrderShipped{OrderID: order.OrderID})
	if err != nil {
		return err
	}
	if err := s.producer.Publish(ctx, &kafka.Record{Topic: s.topic, Key: []byte(order.OrderID), Value: value}); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "order shipped", "order_id", order.OrderID)
	return nil
}
