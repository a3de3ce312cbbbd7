package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/backend-platform/sdk/examples/shop/fulfilment"
	"github.com/backend-platform/sdk/examples/shop/inventory"
	"github.com/backend-platform/sdk/examples/shop/orders"
	"github.com/backend-platform/sdk/examples/shop/telemetry"
)

// system is the shop: three services, their Kafka, and what is recorded of them.
type system struct {
	cluster *cluster

	inventory  *inventory.Service
	orders     *orders.Service
	fulfilment *fulfilment.Service
	shipments  *shipments

	logs     *logbook
	spans    *spans
	counters counters

	telemetry []*telemetry.Telemetry
	running   map[string]*runner
}

// Options say how the system runs.
type Options struct {
	Brokers string        // of a Kafka that is there; "": embedded
	Logs    io.Writer     // where log lines go as well; nil: nowhere
	Drain   time.Duration // how long an HTTP server waits for its clients to leave; negative: not at all
}

// start brings everything up. What was started before a failure is stopped again.
func start(ctx context.Context, opts Options) (s *system, err error) {
	s = &system{logs: &logbook{also: opts.Logs}, spans: &spans{}, running: make(map[string]*runner)}
	if s.cluster, err = openCluster(ctx, opts.Brokers); err != nil {
		return nil, err
	}
	if err := s.startServices(ctx, opts); err != nil {
		return nil, errors.Join(err, s.stop(ctx))
	}
	return s, nil
}

func (s *system) startServices(ctx context.Context, opts Options) error {
	tel, err := s.newTelemetry(ctx, opts, "inventory", "orders", "fulfilment")
	if err != nil {
		return err
	}
	s.inventory, err = inventory.New("127.0.0.1:0", map[string]int{"teapot": 3, "mug": 100_000}, tel[0])
	if err != nil {
		return err
	}
	s.run(ctx, "inventory", s.inventory.Run)

	inventoryURL := "http://" + s.inventory.Addr()
	s.orders, err = orders.New(orders.Config{
		Addr: "127.0.0.1:0", InventoryURL: inventoryURL,
		Brokers: s.cluster.brokers, Topics: s.cluster.topics, Telemetry: tel[1],
	})
	if err != nil {
		return err
	}
	s.run(ctx, "orders", s.orders.Run)

	s.fulfilment, err = fulfilment.New(fulfilment.Config{
		InventoryURL: inventoryURL, Brokers: s.cluster.brokers, Group: s.cluster.group,
		Topics: s.cluster.topics, Telemetry: tel[2],
	})
	if err != nil {
		return err
	}
	s.run(ctx, "fulfilment", s.fulfilment.Run)

	s.shipments, err = watchShipments(s.cluster, tel[2])
	if err != nil {
		return err
	}
	s.run(ctx, "watch", s.shipments.consumer.Run)
	return nil
}

func (s *system) newTelemetry(ctx context.Context, opts Options, services ...string) ([]*telemetry.Telemetry, error) {
	for _, service := range services {
		tel, err := telemetry.Setup(ctx, service, telemetry.Config{
			Logs: s.logs, Spans: s.spans, Metrics: s.counters.reader(), Drain: opts.Drain,
		})
		if err != nil {
			return nil, err
		}
		s.telemetry = append(s.telemetry, tel)
	}
	return s.telemetry, nil
}

// runner is a service that runs until it is stopped.
type runner struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// run outlives ctx: services stop one after the other, not all at once.
func (s *system) run(ctx context.Context, name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &runner{cancel: cancel, done: make(chan struct{})}
	s.running[name] = r
	go func() {
		defer close(r.done)
		r.err = run(ctx)
	}()
}

// halt stops one service and waits for it.
func (s *system) halt(name string) error {
	r := s.running[name]
	if r == nil {
		return nil
	}
	delete(s.running, name)
	r.cancel()
	<-r.done
	if r.err != nil {
		return fmt.Errorf("%s: %w", name, r.err)
	}
	return nil
}

// stop ends the services in the order in which work flows, so that each finishes what it was given.
func (s *system) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	var faults []error
	for _, name := range []string{"orders", "fulfilment", "watch", "inventory"} {
		faults = append(faults, s.halt(name))
	}
	for _, tel := range s.telemetry {
		faults = append(faults, tel.Shutdown(ctx))
	}
	return errors.Join(append(faults, s.cluster.close(ctx))...)
}

// stopInventory takes the inventory away; its clients find a closed port.
func (s *system) stopInventory() error { return s.halt("inventory") }

// startInventory brings it back where it was.
func (s *system) startInventory(ctx context.Context) error {
	if err := s.inventory.Listen(s.inventory.Addr(), s.telemetry[0]); err != nil {
		return err
	}
	s.run(ctx, "inventory", s.inventory.Run)
	return nil
}

// failed returns a channel that closes when a service ends by itself.
func (s *system) failed() <-chan error {
	failed := make(chan error, len(s.running))
	var once sync.Once
	for name, r := range s.running {
		go func() {
			<-r.done
			once.Do(func() { failed <- errors.Join(fmt.Errorf("%s ended by itself", name), r.err) })
		}()
	}
	return failed
}
