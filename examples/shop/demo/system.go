package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/backend-platform/sdk/examples/shop/fulfilment"
	"github.com/backend-platform/sdk/examples/shop/inventory"
	"github.com/backend-platform/sdk/examples/shop/orders"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/service"
	"github.com/backend-platform/sdk/tracing"
)

// system is the shop: three services, their Kafka, and what is recorded of them.
type system struct {
	opts    Options
	cluster *cluster

	inventory  *inventory.Stock
	fulfilment *fulfilment.Shipper
	shipments  *shipments

	inventoryAddr, ordersAddr string

	logs     *logbook
	spans    *spans
	counters counters

	running map[string]*runner
}

// Options say how the system runs.
type Options struct {
	Brokers string        // of a Kafka that is there; "": embedded
	Logs    io.Writer     // where log lines go as well; nil: nowhere
	Drain   time.Duration // how long a service waits for its clients to leave; negative: not at all
}

// start brings everything up. What was started before a failure is stopped again.
func start(ctx context.Context, opts Options) (s *system, err error) {
	s = &system{opts: opts, logs: &logbook{also: opts.Logs}, spans: &spans{}, running: make(map[string]*runner)}
	if s.cluster, err = openCluster(ctx, opts.Brokers); err != nil {
		return nil, err
	}
	if err := s.startServices(ctx); err != nil {
		return nil, errors.Join(err, s.stop(ctx))
	}
	return s, nil
}

func (s *system) startServices(ctx context.Context) (err error) {
	c := s.cluster
	s.inventory = inventory.New(map[string]int{"teapot": 3, "mug": 100_000})
	if s.inventoryAddr, err = s.run(ctx, "inventory", "127.0.0.1:0", s.inventory.Setup); err != nil {
		return err
	}
	inventoryURL := "http://" + s.inventoryAddr
	desk := orders.New(orders.Config{InventoryURL: inventoryURL, Brokers: c.brokers, Topics: c.topics})
	if s.ordersAddr, err = s.run(ctx, "orders", "127.0.0.1:0", desk.Setup); err != nil {
		return err
	}
	s.fulfilment = fulfilment.New(fulfilment.Config{InventoryURL: inventoryURL, Brokers: c.brokers, Group: c.group, Topics: c.topics})
	if _, err = s.run(ctx, "fulfilment", "", s.fulfilment.Setup); err != nil {
		return err
	}
	s.shipments = watchShipments(c)
	_, err = s.run(ctx, "demo", "", s.shipments.setup)
	return err
}

// runner is a service that runs until it is stopped.
type runner struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // written before done is closed
}

// run starts a service as its main does, but with its telemetry apart from that of the others, and returns when it is ready
// with the address that it listens at; "" stands for none. It outlives ctx: services stop one after the other, not all at
// once.
func (s *system) run(ctx context.Context, name, addr string, setup func(context.Context, *service.Service) error) (string, error) {
	cfg := s.config(name)
	if addr != "" {
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			return "", err
		}
		cfg.Listener, cfg.DrainDelay, addr = listener, s.opts.Drain, listener.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &runner{cancel: cancel, done: make(chan struct{})}
	s.running[name] = r
	made := make(chan *service.Service, 1)
	go func() {
		defer close(r.done)
		r.err = service.Run(ctx, cfg, func(ctx context.Context, svc *service.Service) error {
			err := setup(ctx, svc)
			made <- svc
			return err
		})
	}()
	select {
	case svc := <-made:
		select {
		case <-svc.Ready():
			return addr, nil
		case <-r.done:
		}
	case <-r.done:
	}
	return "", fmt.Errorf("%s did not start", name) // stop says why
}

// config is what a process of its own would leave zero.
func (s *system) config(name string) service.Config {
	return service.Config{
		Name: name, AdminAddr: "-", NoGlobals: true, MemoryRatio: -1,
		Logging: logging.Config{Output: s.logs, Format: logging.FormatJSON},
		Tracing: tracing.Config{
			SpanProcessors: []sdktrace.SpanProcessor{s.spans}, MetricReaders: []sdkmetric.Reader{s.counters.reader()},
			NoRuntimeMetrics: true,
		},
	}
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
	var faults []error
	for _, name := range []string{"orders", "fulfilment", "demo", "inventory"} {
		faults = append(faults, s.halt(name))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return errors.Join(append(faults, s.cluster.close(ctx))...)
}

// stopInventory takes the inventory away; its clients find a closed port.
func (s *system) stopInventory() error { return s.halt("inventory") }

// startInventory brings it back where it was.
func (s *system) startInventory(ctx context.Context) error {
	_, err := s.run(ctx, "inventory", s.inventoryAddr, s.inventory.Setup)
	return err
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
