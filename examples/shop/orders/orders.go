// Package orders is the service that customers talk to: it takes orders.
package orders

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/examples/shop/inventory"
	"github.com/backend-platform/sdk/examples/shop/telemetry"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/kafka"
)

// An Order is what a customer sends.
type Order struct {
	Items []event.Item `json:"items"`
}

// Validate returns every fault of the order at once.
func (o Order) Validate() error {
	invalid := errors.InvalidArgument.New("The order is not valid.")
	if len(o.Items) == 0 {
		invalid = invalid.WithViolation("#/items", "must not be empty", "REQUIRED")
	}
	for i, item := range o.Items {
		if item.SKU == "" {
			invalid = invalid.WithViolation(fmt.Sprintf("#/items/%d/sku", i), "must not be empty", "REQUIRED")
		}
		if item.Qty < 1 || item.Qty > 100 {
			invalid = invalid.WithViolation(fmt.Sprintf("#/items/%d/qty", i), "must be between 1 and 100", "RANGE")
		}
	}
	if len(invalid.Violations()) == 0 {
		return nil
	}
	return invalid
}

// An Accepted order is the answer.
type Accepted struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// A Service takes orders over HTTP, asks the inventory and publishes what was placed.
type Service struct {
	server    *httpserver.Server
	inventory *inventory.Client
	producer  *kafka.Producer
	topic     string
	log       *slog.Logger
}

// Config is what the service needs.
type Config struct {
	Addr         string // to listen at
	InventoryURL string
	Brokers      []string
	Topics       event.Topics
	Telemetry    *telemetry.Telemetry
}

// New returns a service that listens but does not serve yet.
func New(cfg Config) (*Service, error) {
	client, err := inventory.NewClient(cfg.InventoryURL, cfg.Telemetry.Client())
	if err != nil {
		return nil, err
	}
	producer, err := kafka.NewProducer(cfg.Brokers, cfg.Telemetry.Producer())
	if err != nil {
		return nil, err
	}
	s := &Service{inventory: client, producer: producer, topic: cfg.Topics.Placed, log: cfg.Telemetry.Logger}
	mux := http.NewServeMux()
	mux.Handle("POST /orders", httpserver.HandlerFunc(s.place))
	s.server, err = httpserver.New(mux, cfg.Telemetry.Server(cfg.Addr))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Addr returns the address that the service listens at.
func (s *Service) Addr() string { return s.server.Addr().String() }

// Run serves until ctx ends, then finishes what is in hand: first the requests, then what they publish.
func (s *Service) Run(ctx context.Context) error {
	err := s.server.Run(ctx)
	return errors.Join(err, s.producer.Close(context.WithoutCancel(ctx)))
}

func (s *Service) place(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	order, err := httpserver.DecodeJSON[Order](r)
	if err != nil {
		return err
	}
	id := rand.Text()[:12]
	err = s.inventory.Reserve(ctx, id, order.Items)
	if errors.Is(err, inventory.ErrOutOfStock) {
		return errors.PassOn(err) // the customer may know this one
	}
	if err != nil {
		return fmt.Errorf("reserve items: %w", err)
	}
	value, err := json.Marshal(event.OrderPlaced{OrderID: id, Items: order.Items})
	if err != nil {
		return err
	}
	if err := s.producer.Publish(ctx, &kafka.Record{Topic: s.topic, Key: []byte(id), Value: value}); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "order accepted", "order_id", id, "items", len(order.Items))
	return httpserver.WriteJSON(w, http.StatusCreated, Accepted{id, "accepted"})
}
