package inventory

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"sync"

	"github.com/backend-platform/sdk/examples/shop/telemetry"
	"github.com/backend-platform/sdk/httpserver"
)

// A Service keeps the stock in memory.
type Service struct {
	// Faults makes the service fail on purpose.
	Faults Faults

	server *httpserver.Server
	log    *slog.Logger

	mu       sync.Mutex
	stock    map[string]int
	reserved map[string]bool
	shipped  map[string]bool
}

// New returns a service with a stock of each SKU, which listens at addr but does not serve yet.
func New(addr string, stock map[string]int, tel *telemetry.Telemetry) (*Service, error) {
	s := &Service{stock: maps.Clone(stock), log: tel.Logger, reserved: make(map[string]bool), shipped: make(map[string]bool)}
	if err := s.Listen(addr, tel); err != nil {
		return nil, err
	}
	return s, nil
}

// Listen gives the service a new server, after its last one has stopped.
func (s *Service) Listen(addr string, tel *telemetry.Telemetry) (err error) {
	mux := http.NewServeMux()
	mux.Handle("POST /reservations", s.Faults.wrap(httpserver.HandlerFunc(s.reserve)))
	mux.Handle("POST /shipments", s.Faults.wrap(httpserver.HandlerFunc(s.ship)))
	mux.Handle("GET /inventory/", httpserver.CatalogueHandler(catalogue)) // the path of the errors' type URIs
	s.server, err = httpserver.New(mux, tel.Server(addr))
	return err
}

// Addr returns the address that the service listens at.
func (s *Service) Addr() string { return s.server.Addr().String() }

// Run serves until ctx ends, then lets the requests in hand finish.
func (s *Service) Run(ctx context.Context) error { return s.server.Run(ctx) }

func (s *Service) reserve(w http.ResponseWriter, r *http.Request) error {
	request, err := httpserver.DecodeJSON[Request](r)
	if err != nil {
		return err
	}
	if err := s.take(request); err != nil {
		return err
	}
	s.log.InfoContext(r.Context(), "items reserved", "order_id", request.OrderID)
	return httpserver.WriteJSON(w, http.StatusOK, Reply{request.OrderID, "reserved"})
}

// take changes the stock only when all items are there, and once an order.
func (s *Service) take(request Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reserved[request.OrderID] {
		return nil
	}
	wanted := make(map[string]int)
	for _, item := range request.Items {
		wanted[item.SKU] += item.Qty
		if left := s.stock[item.SKU]; left < wanted[item.SKU] {
			return ErrOutOfStock.Newf("Only %d of %s left.", left, item.SKU).
				WithMetadata("sku", item.SKU).
				WithAttrs(slog.String("shelf", "B-"+item.SKU))
		}
	}
	for sku, qty := range wanted {
		s.stock[sku] -= qty
	}
	s.reserved[request.OrderID] = true
	return nil
}

func (s *Service) ship(w http.ResponseWriter, r *http.Request) error {
	request, err := httpserver.DecodeJSON[Request](r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.shipped[request.OrderID] = true // asking again changes nothing
	s.mu.Unlock()
	return httpserver.WriteJSON(w, http.StatusOK, Reply{request.OrderID, "shipped"})
}
