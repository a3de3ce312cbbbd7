package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/kafka"
)

const ordersInOutage = 20

// outage has three parts: the warehouse does not answer while orders are taken, then the whole
// inventory is gone, then both come back.
func (d *demo) outage(ctx context.Context) error {
	d.step(4, "The inventory is down")
	before := len(d.customer.accepted)
	d.system.inventory.Faults.FailShipments(true)
	for range ordersInOutage {
		if _, err := d.customer.order(ctx, event.Item{SKU: "mug", Qty: 1}); err != nil {
			return err
		}
	}
	d.check(len(d.customer.accepted) == before+ordersInOutage, "the warehouse does not answer; %d orders are accepted all the same", ordersInOutage)
	if err := d.wait(ctx, "the consumer to pause", func() bool { return d.system.fulfilment.Consumer().Status().Paused != kafka.NotPaused }); err != nil {
		return err
	}
	status := d.system.fulfilment.Consumer().Status()
	d.say("The consumer has paused (%v) and keeps its %d records; next probe in %s. Cause:", status.Paused, status.InFlight, time.Until(status.NextProbe).Round(100*time.Millisecond))
	d.quote(fmt.Sprint(status.PauseCause))

	if err := d.system.stopInventory(); err != nil {
		return err
	}
	if err := d.showOpenBreaker(ctx); err != nil {
		return err
	}
	dead, err := d.deadLetters(ctx)
	if err != nil {
		return err
	}
	d.check(len(dead) == 0, "the consumer paused; no order became a dead letter")

	d.system.inventory.Faults.FailShipments(false)
	if err := d.system.startInventory(ctx); err != nil {
		return err
	}
	return d.recover(ctx)
}

// showOpenBreaker orders until the breaker has seen enough: from then on the answer comes at once.
func (d *demo) showOpenBreaker(ctx context.Context) error {
	begin := time.Now()
	refused := 0
	for {
		a, err := d.customer.order(ctx, event.Item{SKU: "mug", Qty: 1})
		if err != nil {
			return err
		}
		if a.status == http.StatusServiceUnavailable && a.retryAfter != "" {
			d.say("The inventory is gone. After %d refusals the breaker is open:", refused)
			d.say("POST /orders: %s in %s, Retry-After: %s", d.status(a.status), a.took.Round(100*time.Microsecond), a.retryAfter)
			d.quote(a.body)
			d.check(errors.CodeOf(a.problem()) == errors.Unavailable, "503 at once, with the wait until the next probe")
			return nil
		}
		refused++
		if time.Since(begin) > patience {
			return fmt.Errorf("the breaker did not open after %d refusals; last answer: %d %s", refused, a.status, a.body)
		}
	}
}

func (d *demo) recover(ctx context.Context) error {
	begin := time.Now()
	for {
		a, err := d.customer.order(ctx, event.Item{SKU: "mug", Qty: 1})
		if err != nil {
			return err
		}
		if a.orderID != "" {
			break
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("orders are still refused: %d %s", a.status, a.body)
		}
	}
	d.say("The inventory is back; orders are accepted again after %s.", time.Since(begin).Round(100*time.Millisecond))
	if err := d.wait(ctx, "every accepted order to be shipped", func() bool { return d.system.shipments.missing(d.customer.accepted) == 0 }); err != nil {
		return err
	}
	d.check(true, "every accepted order is shipped, %s after it came back", time.Since(begin).Round(100*time.Millisecond))
	d.check(once(d.system.shipments.all()), "none of them twice")
	return nil
}
