package httpclient_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
)

// Item is what the inventory answers.
type Item struct {
	SKU   string `json:"sku"`
	Stock int    `json:"stock"`
}

// Reservation is what the inventory makes of an order.
type Reservation struct {
	ID string `json:"id"`
}

// inventory stands for a service; without Transport the client uses the network.
func inventory(steps ...httpclienttest.Step) http.RoundTripper {
	return httpclienttest.NewTransport(steps...)
}

func Example() {
	// One client for each service that is called, made when the program starts.
	client, err := httpclient.New("inventory", httpclient.Config{
		InternalHosts: []string{"inventory"},
		Transport:     inventory(httpclienttest.Status(503), httpclienttest.JSON(200, `{"sku":"17","stock":3}`)),
	})
	if err != nil {
		log.Fatal(err)
	}

	// The first attempt meets a 503, the second one succeeds.
	ctx := httpclient.With(context.Background(), httpclient.Call{Route: "/items/{sku}"})
	item, err := httpclient.Get[Item](ctx, client, "http://inventory/items/17")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of item %s\n", item.Stock, item.SKU)
	// Output: 3 of item 17
}

func ExampleNew() {
	_, err := httpclient.New("inventory", httpclient.Config{
		Timeout:        5 * time.Second,
		AttemptTimeout: 8 * time.Second,
		InternalHosts:  []string{"http://inventory"},
	})
	fmt.Println(err)
	// Output:
	// configure HTTP client "inventory": AttemptTimeout: 8s is longer than Timeout, 5s
	// InternalHosts: "http://inventory" is no host, host:port or *.suffix
}

func ExampleGet_notFound() {
	client, err := httpclient.New("inventory", httpclient.Config{Transport: inventory(httpclienttest.Step{
		Status: 404,
		Header: http.Header{"Content-Type": {"application/problem+json"}},
		Body:   `{"title":"Not found","status":404,"code":"not_found","reason":"NO_SUCH_ITEM","domain":"inventory"}`,
	})})
	if err != nil {
		log.Fatal(err)
	}
	_, err = httpclient.Get[Item](context.Background(), client, "http://inventory/items/18?token=s3cret")
	fmt.Println(errors.Is(err, errors.NotFound), errors.ReasonOf(err), errors.Remote(err))
	fmt.Println(err)
	// Output:
	// true NO_SUCH_ITEM true
	// GET http://inventory/items/18?token=REDACTED: remote not_found (NO_SUCH_ITEM)
}

func ExamplePost() {
	client, err := httpclient.New("inventory", httpclient.Config{
		Transport: inventory(httpclienttest.Status(503), httpclienttest.JSON(201, `{"id":"r-1"}`)),
	})
	if err != nil {
		log.Fatal(err)
	}

	// The order's own id is the key, so the reservation is made once, whoever repeats the call.
	ctx := httpclient.With(context.Background(), httpclient.Call{IdempotencyKey: "order-4711"})
	reservation, err := httpclient.Post[Reservation](ctx, client, "http://inventory/reservations", Item{SKU: "17", Stock: 1})
	fmt.Println(reservation.ID, err)
	// Output: r-1 <nil>
}

func ExampleNew_circuitBreaker() {
	client, err := httpclient.New("inventory", httpclient.Config{
		Breaker:   resilience.BreakerConfig{MinCalls: 1},
		Retry:     resilience.RetryConfig{Attempts: -1},
		Logger:    slog.New(slog.DiscardHandler),
		Transport: inventory(httpclienttest.Status(503)),
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		_, err = httpclient.Get[Item](context.Background(), client, "http://inventory/items/17")
		fmt.Println(errors.CodeOf(err), errors.Is(err, resilience.ErrCircuitOpen), errors.RetryAfter(err) > 0)
	}
	description, _ := httpclient.Describe(client)
	fmt.Println(description.Hosts[0].Host, description.Hosts[0].Breaker)
	// Output:
	// unavailable false false
	// unavailable true true
	// http://inventory:80 open
}

func ExampleNew_publicOnly() {
	// A webhook's URL is chosen by a customer, who may try the cloud's address of credentials.
	client, err := httpclient.New("webhooks", httpclient.Config{PublicOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, url := range []string{
		"http://169.254.169.254/latest/meta-data/", "http://[::ffff:10.0.0.1]/", "http://2130706433/",
	} {
		err := httpclient.Delete(context.Background(), client, url)
		fmt.Println(errors.Is(err, httpclient.ErrNotPublic), err)
	}
	// Output:
	// true DELETE http://169.254.169.254/latest/meta-data/: address is not public: 169.254.169.254 is for link local use (RFC 3927)
	// true DELETE http://[::ffff:10.0.0.1]/: address is not public: ::ffff:10.0.0.1 is for private use (RFC 1918)
	// true DELETE http://2130706433/: address is not public: "2130706433" is a number that resolvers read as an address, each in its own way
}

func ExampleWith() {
	client, err := httpclient.New("reports", httpclient.Config{
		Transport: inventory(httpclienttest.Step{Body: "a large report"}),
	})
	if err != nil {
		log.Fatal(err)
	}

	// A download may take as long as it takes, as long as bytes keep coming.
	ctx := httpclient.With(context.Background(), httpclient.Call{Timeout: -1, NoRetry: true, Route: "/reports/{id}"})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://reports/reports/8", nil)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, resp.ContentLength)
	// Output: 200 14
}
