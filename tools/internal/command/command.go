// Package command is what the programs of this module have in common: their main function, and how they run others.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a program and ends the process: with 0, or with 1 after an error, which it prints. To ask for -help is none.
// The context ends at the first Ctrl-C or SIGTERM. Those that follow do nothing, because run is then at work to undo what
// it has begun.
func Main(run func(ctx context.Context, args []string, out io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
