package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Serve starts the shop, says how to use it, and leaves it running until ctx ends. Then every service
// finishes what it was given: no request that was accepted is cut off.
func Serve(ctx context.Context, w io.Writer, opts Options) error {
	system, err := start(ctx, opts)
	if err != nil {
		return err
	}
	url := "http://" + system.ordersAddr
	_, _ = fmt.Fprintf(w, `The shop is running; Ctrl-C stops it.

  An order; one with two faults, told at once; an error that the inventory defines, and its documentation, for programs
  here and for people in a browser; a probe:

  curl -i %[1]s/orders -H 'Content-Type: application/json' -d '{"items":[{"sku":"mug","qty":2}]}'
  curl -i %[1]s/orders -H 'Content-Type: application/json' -d '{"items":[{"sku":"","qty":0}]}'
  curl -i %[1]s/orders -H 'Content-Type: application/json' -d '{"items":[{"sku":"teapot","qty":5}]}'
  curl -i http://%[2]s/inventory/OUT_OF_STOCK
  curl -i %[1]s/readyz

  Kafka: %[3]s
`, url, system.inventoryAddr, system.cluster)
	select {
	case err = <-system.failed():
	case <-ctx.Done():
	}
	_, _ = fmt.Fprintln(w, "Stopping: finishing what is in hand.")
	begin := time.Now()
	if stopErr := system.stop(ctx); err != nil || stopErr != nil {
		return errors.Join(err, stopErr)
	}
	_, _ = fmt.Fprintf(w, "Stopped after %s; %d orders were shipped.\n", time.Since(begin).Round(100*time.Millisecond), len(system.shipments.all()))
	return nil
}
