package demo

import (
	"context"
	"maps"
	"sync"

	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/examples/shop/telemetry"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/service"
)

// shipments counts, for each order, how often it was announced as shipped.
type shipments struct {
	cluster *cluster

	mu     sync.Mutex
	counts map[string]int
}

// watchShipments returns what reads them; its setup is that of a service.
func watchShipments(c *cluster) *shipments {
	return &shipments{cluster: c, counts: make(map[string]int)}
}

func (s *shipments) setup(_ context.Context, svc *service.Service) error {
	// A delivery that Kafka repeats is the same shipment.
	handler := kafka.Deduplicate(kafka.NewMemoryDedupStore(0), kafka.JSON(s.count))
	c := s.cluster
	consumer, err := kafka.NewConsumer(c.brokers, c.watchGroup(), []string{c.topics.Shipped}, handler, telemetry.Consumer(svc))
	if err != nil {
		return err
	}
	svc.Go("shipped orders", consumer.Run)
	return nil
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
