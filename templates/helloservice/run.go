package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/tracing"
)

// app is what setup registers, and run starts and stops.
type app struct {
	handler http.Handler
	runners []func(context.Context) error
	stops   []func(context.Context) error
}

// handle sets the handler of public HTTP.
func (a *app) handle(handler http.Handler) { a.handler = handler }

// run is the life of the service: logs and traces, setup, then HTTP and runners until a signal or a failure. It stops
// in the other order: requests drain, runners finish what they hold, resources close, telemetry is sent.
func run(name string, setup func(context.Context, *app) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger, err := logging.New(name, logging.Config{})
	if err != nil {
		return err
	}
	logging.SetDefault(logger)
	telemetry, err := tracing.Setup(ctx, name, tracing.Config{})
	if err != nil {
		return err
	}
	telemetry.SetGlobal()
	var a app
	err = setup(ctx, &a)
	if err == nil {
		err = a.serve(ctx, stop)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	for _, stop := range slices.Backward(a.stops) {
		err = errors.Join(err, stop(closing))
	}
	if lost := telemetry.Shutdown(closing); lost != nil {
		slog.Warn("telemetry was lost", "error", lost)
	}
	return err
}

func (a *app) serve(ctx context.Context, stop func()) error {
	delay, err := time.ParseDuration(cmp.Or(os.Getenv("SERVICE_DRAIN_DELAY"), "0s"))
	if err != nil {
		return errors.InvalidArgument.Wrap(err, "SERVICE_DRAIN_DELAY is no duration.")
	}
	config := httpserver.Config{
		Addr:       cmp.Or(os.Getenv("SERVICE_ADDR"), ":8080"),
		AdminAddr:  cmp.Or(os.Getenv("SERVICE_ADMIN_ADDR"), ":8081"),
		DrainDelay: delay,
	}
	if a.handler == nil { // probes are all that is asked
		a.handler, config.Addr, config.DrainDelay = http.NotFoundHandler(), "127.0.0.1:0", -1
	}
	server, err := httpserver.New(a.handler, config)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	errs := make([]error, len(a.runners))
	var runners sync.WaitGroup
	for i, runner := range a.runners {
		runners.Go(func() { errs[i] = runner(running); stop() })
	}
	err = server.Run(ctx)
	cancel()
	runners.Wait()
	return errors.Join(err, errors.Join(errs...))
}
