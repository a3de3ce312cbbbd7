// Package orders is the service that customers talk to: it takes orders.
package orders

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/examples/shop/inventory"
	"github.com/backend-platform/sdk/examples/shop/telemetry"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/service"
)

// An Order is what a customer sends.
type Order struct {
	Items []event.Item `json:"items"`
}

const maxItems = 100

// Validate returns every fault of the order at once.
func (o Order) Validate() error {
	var faults []errors.Violation
	add := func(pointer, detail, reason string) {
		faults = append(faults, errors.Violation{Pointer: pointer, Detail: detail, Reason: reason})
	}
	if len(o.Items) == 0 || len(o.Items) > maxItems {
		add("#/items", "must be 1 to 100 items", "RANGE")
	}
	for i, item := range o.Items[:min(len(o.Items), maxItems)] {
		if item.SKU == "" {
			add(fmt.Sprintf("#/items/%d/sku", i), "must not be empty", "REQUIRED")
		}
		if item.Qty < 1 || item.Qty > 100 {
			add(fmt.Sprintf("#/items/%d/qty", i), "must be between 1 and 100", "RANGE")
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return errors.InvalidArgument.New("The order is not valid.").WithViolations(faults...)
}

// An Accepted order is the answer.
type Accepted struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// A Desk takes orders over HTTP, asks the inventory and publishes what was placed.
type Desk struct {
	cfg       Config
	inventory *inventory.Client
	producer  *kafka.Producer
}

// Config is what the service needs.
type Config struct {
	InventoryURL string
	Brokers      []string
	Topics       event.Topics
}

// New returns a desk; its Setup is that of the service.
func New(cfg Config) *Desk { return &Desk{cfg: cfg} }

// Setup registers what the service runs.
func (d *Desk) Setup(_ context.Context, s *service.Service) (err error) {
	if d.inventory, err = inventory.NewClient(d.cfg.InventoryURL, telemetry.Client(s)); err != nil {
		return err
	}
	if d.producer, err = kafka.NewProducer(d.cfg.Brokers, telemetry.Producer(s)); err != nil {
		return err
	}
	s.OnStop("producer", d.producer.Close)
	mux := http.NewServeMux()
	mux.Handle("POST /orders", httpserver.HandlerFunc(d.place))
	s.Handle(mux)
	return nil
}

// place reserves, then publishes. A customer who repeats a request with the same Idempotency-Key gets
// the same order. Between the two steps the process may die, and what is reserved then stays so until
// somebody frees it: a service with a database closes that gap with an outbox.
func (d *Desk) place(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	order, err := httpserver.DecodeJSON[Order](r)
	if err != nil {
		return err
	}
	id := orderID(r.Header.Get("Idempotency-Key"))
	err = d.inventory.Reserve(ctx, id, order.Items)
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
	// Reserved is reserved: a customer who leaves now does not keep the order from being placed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := d.producer.Publish(ctx, &kafka.Record{Topic: d.cfg.Topics.Placed, Key: []byte(id), Value: value}); err != nil {
		return err
	}
	logging.FromContext(ctx).Info("order accepted", zap.String("order_id", id), zap.Int("items", len(order.Items)))
	return httpserver.WriteJSON(w, http.StatusCreated, Accepted{id, "accepted"})
}

// orderID returns the same id for the same key, and a new one where there is none.
func orderID(idempotencyKey string) string {
	if idempotencyKey == "" {
		return rand.Text()[:12]
	}
	sum := sha256.Sum256([]byte(idempotencyKey))
	return hex.EncodeToString(sum[:6])
}
