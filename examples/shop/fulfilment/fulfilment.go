// Package fulfilment is the service that ships what was ordered.
package fulfilment

import (
	"context"
	"encoding/json"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/examples/shop/inventory"
	"github.com/backend-platform/sdk/examples/shop/telemetry"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/service"
)

// Config is what the service needs.
type Config struct {
	InventoryURL string
	Brokers      []string
	Group        string
	Topics       event.Topics
}

// A Shipper consumes orders that were placed, ships them, and says so.
type Shipper struct {
	cfg       Config
	consumer  *kafka.Consumer
	producer  *kafka.Producer
	inventory *inventory.Client
}

// New returns a shipper; its Setup is that of the service.
func New(cfg Config) *Shipper { return &Shipper{cfg: cfg} }

// Setup registers what the service runs. Each order is shipped once in effect, however often Kafka delivers it: the store
// remembers it by [kafka.Record.ID]. A service with a database keeps that store in it.
func (h *Shipper) Setup(_ context.Context, s *service.Service) (err error) {
	if h.inventory, err = inventory.NewClient(h.cfg.InventoryURL, telemetry.Client(s)); err != nil {
		return err
	}
	if h.producer, err = kafka.NewProducer(h.cfg.Brokers, telemetry.Producer(s)); err != nil {
		return err
	}
	s.OnStop("producer", h.producer.Close)
	handler := kafka.Deduplicate(kafka.NewMemoryDedupStore(0), kafka.JSON(h.ship))
	h.consumer, err = kafka.NewConsumer(h.cfg.Brokers, h.cfg.Group, []string{h.cfg.Topics.Placed}, handler, telemetry.Consumer(s))
	if err != nil {
		return err
	}
	s.Go("placed orders", h.consumer.Run)
	return nil
}

// Consumer returns the service's consumer, to look at its status. It is nil until Setup has made it.
func (h *Shipper) Consumer() *kafka.Consumer { return h.consumer }

func (h *Shipper) ship(ctx context.Context, order event.OrderPlaced, _ *kafka.Record) error {
	if err := h.inventory.Ship(ctx, order.OrderID, order.Items); err != nil {
		return err
	}
	value, err := json.Marshal(event.OrderShipped{OrderID: order.OrderID})
	if err != nil {
		return err
	}
	if err := h.producer.Publish(ctx, &kafka.Record{Topic: h.cfg.Topics.Shipped, Key: []byte(order.OrderID), Value: value}); err != nil {
		return err
	}
	logging.FromContext(ctx).Info("order shipped", zap.String("order_id", order.OrderID))
	return nil
}
