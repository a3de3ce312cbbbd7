package inventory

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"sync"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/service"
)

// A Stock is what there is of each item, in memory.
type Stock struct {
	// Faults makes the service fail on purpose.
	Faults Faults

	mu       sync.Mutex
	left     map[string]int
	reserved map[string]bool
	shipped  map[string]bool
}

// New returns a stock of each SKU; its Setup is that of the service.
func New(stock map[string]int) *Stock {
	return &Stock{left: maps.Clone(stock), reserved: make(map[string]bool), shipped: make(map[string]bool)}
}

// Setup registers what the service runs. It may be called again for a service that follows one that has stopped.
func (k *Stock) Setup(_ context.Context, s *service.Service) error {
	mux := http.NewServeMux()
	mux.Handle("POST /reservations", k.Faults.wrap(httpserver.HandlerFunc(k.reserve)))
	mux.Handle("POST /shipments", k.Faults.wrap(httpserver.HandlerFunc(k.ship)))
	mux.Handle("GET /inventory/", httpserver.CatalogueHandler(catalogue)) // the path of the errors' type URIs
	s.Handle(mux)
	return nil
}

func (k *Stock) reserve(w http.ResponseWriter, r *http.Request) error {
	request, err := httpserver.DecodeJSON[Request](r)
	if err != nil {
		return err
	}
	if err := k.take(request); err != nil {
		return err
	}
	logging.FromContext(r.Context()).Info("items reserved", zap.String("order_id", request.OrderID))
	return httpserver.WriteJSON(w, http.StatusOK, Reply{request.OrderID, "reserved"})
}

// take changes the stock only when all items are there, and once an order.
func (k *Stock) take(request Request) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reserved[request.OrderID] {
		return nil
	}
	wanted := make(map[string]int)
	for _, item := range request.Items {
		wanted[item.SKU] += item.Qty
		if left := k.left[item.SKU]; left < wanted[item.SKU] {
			return ErrOutOfStock.Newf("Only %d of %s left.", left, item.SKU).
				WithMetadata("sku", item.SKU).
				WithAttrs(slog.String("shelf", "B-"+item.SKU))
		}
	}
	for sku, qty := range wanted {
		k.left[sku] -= qty
	}
	k.reserved[request.OrderID] = true
	return nil
}

func (k *Stock) ship(w http.ResponseWriter, r *http.Request) error {
	request, err := httpserver.DecodeJSON[Request](r)
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.shipped[request.OrderID] = true // asking again changes nothing
	k.mu.Unlock()
	return httpserver.WriteJSON(w, http.StatusOK, Reply{request.OrderID, "shipped"})
}
