// Command shop demonstrates the SDK: three services that talk over HTTP and Kafka, and what happens to
// their orders when things go well and when they do not.
//
//	shop          drives the shop through six scenes and checks what comes out
//	shop -serve   leaves it running; Ctrl-C stops it
//	shop -v       prints the services' log lines on standard error as well
//
// Kafka is embedded unless KAFKA_BROKERS names one ("host:port,host:port"). It exits 1 when something
// is wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/backend-platform/sdk/examples/shop/demo"
)

func main() {
	serve := flag.Bool("serve", false, "leave the shop running until Ctrl-C")
	verbose := flag.Bool("v", false, "print the services' log lines on standard error")
	drain := flag.Duration("drain", time.Second, "with -serve: how long to wait for clients to leave")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "shop: unexpected argument %q; flags begin with -\n", flag.Arg(0))
		os.Exit(2)
	}
	scenario, opts := demo.Run, demo.Options{Brokers: os.Getenv("KAFKA_BROKERS"), Drain: -1}
	if *serve {
		scenario, opts.Drain = demo.Serve, *drain
	}
	if *verbose {
		opts.Logs = os.Stderr
	}
	if err := run(scenario, opts); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(scenario func(context.Context, io.Writer, demo.Options) error, opts demo.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return scenario(ctx, os.Stdout, opts)
}
