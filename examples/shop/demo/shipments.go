package demo

import (
	"context"
	"maps"
	"sync"

	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/examples/shop/telemetry"
	"github.com/backend-platform/sdk/kafka"
)

// shipments counts, for each order, how often it was announced as shipped.
type shipments struct {
	consumer *kafka.Consumer

	mu     sync.Mutex
	counts map[string]int
}

func watchShipments(c *cluster, tel *telemetry.Telemetry) (*shipments, error) {
	s := &shipments{counts: make(map[string]int)}
	// A delivery that Kafka repeats is the same shipment.
	handler := kafka.Deduplicate(kafka.NewMemoryDedupStore(0), kafka.JSON(s.count))
	consumer, err := kafka.NewConsumer(c.brokers, c.watchGroup(), []string{c.topics.Shipped}, handler, tel.Consumer())
	if err != nil {
		return nil, err
	}
	s.consumer = consumer
	return s, nil
}

func (s *shipments) count(_ context.Context, shipped event.OrderShipped, _ *kafka.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[shipped.OrderID]++
	return nil
}

func (s *shipments) all() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// missing returns how many of the orders have not been shipped.
func (s *shipments) missing(orders []string) (n int) {
	counts := s.all()
	for _, id := range orders {
		if counts[id] == 0 {
			n++
		}
	}
	return n
}
