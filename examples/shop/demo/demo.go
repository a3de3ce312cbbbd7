// Package demo drives the shop and shows what its services do when things go well and when they do not.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/examples/shop/event"
)

// ErrCheck says that the demonstration ran, but something it checks does not hold.
var ErrCheck = errors.New("the demonstration found something wrong")

// A demo is one run.
type demo struct {
	*screen
	system   *system
	customer *customer
	poison   string // id of the order that was published broken
	dead     int    // dead letters seen
	redriven int
}

// patience bounds each wait for something that has to come. The longest is for a consumer that probes
// a dependency which came back: its interval grows to 30 s.
const patience = 60 * time.Second

// Run starts the shop, takes it through six scenes and stops it. It returns [ErrCheck] if a figure is
// wrong, and any other error if the demonstration could not run to its end.
func Run(ctx context.Context, w io.Writer, opts Options) error {
	system, err := start(ctx, opts)
	if err != nil {
		return err
	}
	d := &demo{screen: newScreen(w), system: system, customer: &customer{url: "http://" + system.ordersAddr}}
	d.introduce()
	for _, scene := range []func(context.Context) error{d.success, d.retries, d.badRequest, d.outage, d.poisoned, d.figures} {
		if err := scene(ctx); err != nil {
			return errors.Join(err, system.stop(ctx))
		}
	}
	if err := system.stop(ctx); err != nil {
		return err
	}
	if len(d.failed) > 0 {
		return fmt.Errorf("%w: %s", ErrCheck, strings.Join(d.failed, "; "))
	}
	return nil
}

func (d *demo) introduce() {
	d.printf("%s", d.paint(bold, "The shop: three services on the Backend Platform SDK"))
	d.printf("   orders      takes orders                 %s/orders", d.customer.url)
	d.printf("   inventory   knows what is in stock       http://%s", d.system.inventoryAddr)
	d.printf("   fulfilment  ships what orders publishes  topic %s", d.system.cluster.topics.Placed)
	d.printf("   Kafka       %s", d.system.cluster)
}

func (d *demo) success(ctx context.Context) error {
	d.step(1, "An order goes through")
	a, err := d.place(ctx, event.Item{SKU: "mug", Qty: 2})
	if err != nil {
		return err
	}
	id, err := d.traceOf(a.orderID)
	if err != nil {
		return err
	}
	if err := d.wait(ctx, "the order to be shipped and its trace to be complete", func() bool {
		return d.system.shipments.missing([]string{a.orderID}) == 0 && d.complete(id)
	}); err != nil {
		return err
	}
	spans := d.system.spans.of(id)
	d.say("One trace through three services and Kafka, %s:", d.paint(cyan, id.String()))
	for _, line := range tree(spans) {
		d.say("  %s", line)
	}
	d.say("A log line of each service with that trace id:")
	for _, service := range []string{"orders", "inventory", "fulfilment"} {
		line := d.system.logs.find(id.String(), `"`+service+`"`, "order_id")
		if line == nil {
			d.check(false, "%s logged with the trace id", service)
			continue
		}
		d.quote(line.brief())
	}
	d.check(slices.Equal(services(spans), []string{"demo", "fulfilment", "inventory", "orders"}), "the trace has spans of all three services, and of what watches them")
	return nil
}

// complete reports whether both consumers' spans of the trace have ended: that of the fulfilment, and
// that of the demonstration itself, which reads what was shipped.
func (d *demo) complete(id trace.TraceID) bool {
	consumers := 0
	for _, span := range d.system.spans.of(id) {
		if span.SpanKind() == trace.SpanKindConsumer {
			consumers++
		}
	}
	return consumers == 2
}

func (d *demo) retries(ctx context.Context) error {
	d.step(2, "The inventory fails twice, then works")
	d.system.inventory.Faults.FailNext(2)
	a, err := d.place(ctx, event.Item{SKU: "mug", Qty: 1})
	if err != nil {
		return err
	}
	id, err := d.traceOf(a.orderID)
	if err != nil {
		return err
	}
	var attempts []string
	for _, span := range d.system.spans.of(id) {
		if span.SpanKind() == trace.SpanKindClient && serviceOf(span) == "orders" && attr(span, "http.request.method") != "" {
			attempts = append(attempts, attr(span, "http.response.status_code"))
		}
	}
	d.say("The attempts of orders at the inventory: %s", strings.Join(attempts, ", "))
	d.check(slices.Equal(attempts, []string{"503", "503", "200"}), "two attempts failed, the third went through")
	return nil
}

func (d *demo) badRequest(ctx context.Context) error {
	d.step(3, "Bad requests: what the caller sees, and what only we see")
	invalid, err := d.post(ctx, event.Item{SKU: "", Qty: 0})
	if err != nil {
		return err
	}
	d.check(invalid.status == 400 && strings.Contains(invalid.body, "#/items/0/sku") && strings.Contains(invalid.body, "#/items/0/qty"),
		"400 names both faults at once, with JSON pointers")

	scarce, err := d.post(ctx, event.Item{SKU: "teapot", Qty: 5})
	if err != nil {
		return err
	}
	entry := d.system.logs.find("OUT_OF_STOCK", "B-teapot")
	d.say("The inventory's log line about it, with what the caller must not see:")
	d.quote(entry.brief())
	d.check(entry.text("trace_id") != "" && strings.Contains(scarce.body, entry.text("trace_id")), "both carry the same trace id")
	d.check(!strings.Contains(scarce.body, "B-teapot"), "the caller does not see the shelf")
	return nil
}

func (d *demo) figures(ctx context.Context) error {
	d.step(6, "The figures")
	const transitions, retries = "resilience.breaker.transitions", "resilience.retries"
	if err := d.wait(ctx, "the last orders to be shipped", func() bool { return d.system.shipments.missing(d.everything()) == 0 }); err != nil {
		return err
	}
	shipped := d.system.shipments.all()
	counters := d.system.counters
	for _, row := range []struct {
		name  string
		value int64
	}{
		{"orders accepted", int64(len(d.customer.accepted))},
		{"published broken", 1},
		{"orders shipped", int64(len(shipped))},
		{"dead letters", int64(d.dead)},
		{"redriven", int64(d.redriven)},
		{"HTTP retries", counters.sum(ctx, retries)},
		{"breaker transitions", counters.sum(ctx, transitions)},
	} {
		d.say("%-22s %6d", row.name, row.value)
	}
	d.check(len(shipped) == len(d.everything()), "every accepted order was shipped, and the repaired one")
	d.check(once(shipped), "no order was shipped twice")
	d.check(d.dead == 1 && d.redriven == 1, "one dead letter, redriven once")
	d.check(counters.sum(ctx, retries) >= 2, "the retries of scene 2 were counted")
	d.check(counters.sum(ctx, transitions) >= 2, "the breaker opened and closed again")
	return nil
}

// everything returns the ids of all orders that have to be shipped.
func (d *demo) everything() []string { return append(slices.Clone(d.customer.accepted), d.poison) }

func once(counts map[string]int) bool {
	for _, n := range counts {
		if n != 1 {
			return false
		}
	}
	return true
}

// post orders and shows the request and the answer.
func (d *demo) post(ctx context.Context, item event.Item) (answer, error) {
	a, err := d.customer.order(ctx, item)
	if err != nil {
		return a, err
	}
	d.say("POST /orders, %d × %q: %s in %s", item.Qty, item.SKU, d.status(a.status), a.took.Round(100*time.Microsecond))
	d.quote(a.body)
	return a, nil
}

// place is post for an order that has to be accepted.
func (d *demo) place(ctx context.Context, item event.Item) (answer, error) {
	a, err := d.post(ctx, item)
	if err != nil {
		return a, err
	}
	if a.orderID == "" {
		return a, fmt.Errorf("the order was not accepted: %d %s", a.status, a.body)
	}
	return a, nil
}

func (d *demo) status(status int) string {
	code := green
	if status >= 400 {
		code = red
	}
	return d.paint(code, fmt.Sprint(status))
}

// traceOf finds the trace of an order by the line that orders wrote about it.
func (d *demo) traceOf(order string) (trace.TraceID, error) {
	entry := d.system.logs.find(order, "order accepted")
	id, err := trace.TraceIDFromHex(entry.text("trace_id"))
	if err != nil {
		return id, fmt.Errorf("find the trace of order %s in the log: %w", order, err)
	}
	return id, nil
}

// wait looks again and again whether something has come.
func (d *demo) wait(ctx context.Context, what string, come func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !come() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
	return nil
}
