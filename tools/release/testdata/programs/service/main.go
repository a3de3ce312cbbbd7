// Command service is a service as a team writes it that has every module of the SDK from a module proxy: package
// release builds it outside of the workspace, runs it and asks it. It prints its address and stops at an interrupt.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/resilience"
	"github.com/backend-platform/sdk/tracing"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type order struct {
	ID string `json:"id"`
}

func run() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	logger, err := logging.New("orders", logging.Config{Output: os.Stderr})
	if err != nil {
		return err
	}
	telemetry, err := tracing.Setup(ctx, "orders", tracing.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, telemetry.Shutdown(context.Background())) }()
	client, err := httpclient.New("orders", httpclient.Config{})
	if err != nil {
		return err
	}
	limit, err := resilience.NewTimeout("orders", 5*time.Second)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	server, err := httpserver.New(mux, httpserver.Config{
		Addr: "127.0.0.1:0", DrainDelay: -1, Logger: slog.New(logging.NewSlogHandler(logger)),
	})
	if err != nil {
		return err
	}
	mux.Handle("GET /orders/{id}", httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if r.PathValue("id") != "17" {
			return errors.NotFound.New("There is no such order.")
		}
		return httpserver.WriteJSON(w, http.StatusOK, order{"17"})
	}))
	// The answer is a call through all of it: client, server, an error that crosses the wire, a dead letter's name.
	mux.Handle("GET /", httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return limit.Do(r.Context(), func(ctx context.Context) error {
			found, err := httpclient.Get[order](ctx, client, server.URL()+"/orders/17")
			if err != nil {
				return err
			}
			if _, err := httpclient.Get[order](ctx, client, server.URL()+"/orders/18"); errors.CodeOf(err) != errors.NotFound {
				return errors.Internal.Newf("order 18: %v", err)
			}
			w.Header().Set("Dead-Letters", kafka.DeadLetterTopic("orders", "billing"))
			return httpserver.WriteJSON(w, http.StatusOK, found)
		})
	}))
	fmt.Println(server.URL())
	return server.Run(ctx)
}
