// Command hello is the smallest whole service: logs, traces, errors, probes and an orderly stop.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/tracing"
)

func main() {
	if err := run(); err != nil {
		slog.Error("hello ended", "error", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger, err := logging.New("hello", logging.Config{})
	if err != nil {
		return err
	}
	logging.SetDefault(logger)
	telemetry, err := tracing.Setup(ctx, "hello", tracing.Config{})
	if err != nil {
		return err
	}
	telemetry.SetGlobal()
	defer func() {
		if err := telemetry.Shutdown(context.WithoutCancel(ctx)); err != nil {
			slog.Warn("telemetry was lost", "error", err)
		}
	}()

	mux := http.NewServeMux()
	mux.Handle("GET /hello/{name}", httpserver.HandlerFunc(hello))
	server, err := httpserver.New(mux, httpserver.Config{})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

func hello(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if name == "nobody" {
		return errors.NotFound.Newf("There is no %s here.", name)
	}
	slog.InfoContext(r.Context(), "said hello", "name", name)
	return httpserver.WriteJSON(w, http.StatusOK, map[string]string{"hello": name})
}
