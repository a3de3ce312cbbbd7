package service

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/logging"
)

// Main runs a service until SIGTERM, SIGINT, or its own end, and then ends the process, with the exit code that the
// package's documentation tells. It does not return. It is all of a main:
//
//	func main() { service.Main(service.Config{}, setup) }
//
// SIGUSR1 and SIGUSR2 change the levels of logs, see [logging.RunLevelSignals]. A write to a standard output that nobody
// reads any more is an error of that write and not the end of the process.
func Main(cfg Config, setup func(context.Context, *Service) error) {
	os.Exit(exitCode(cfg, setup))
}

func exitCode(cfg Config, setup func(context.Context, *Service) error) int {
	// Both a first and a second signal must find room.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// Taken and not ignored: what is ignored stays so in the processes that this one starts.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	err := run(context.Background(), cfg, setup, process{signals, logging.NotifyLevelSignals})
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[*startError](err); ok {
		slog.Error("service did not start", "error", err) // by package log: the service's own logs are not there
	}
	return 1
}

// startError is one that nobody has logged.
type startError struct{ error }

func (e *startError) Unwrap() error { return e.error }
