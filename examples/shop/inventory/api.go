// Package inventory is the service that knows what is in stock, and the client for it.
package inventory

import (
	"context"
	"fmt"
	"net/http"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/httpclient"
)

var catalogue = errors.NewCatalogue("inventory", "https://errors.example.com/inventory/")

// ErrOutOfStock: there is not enough of an item.
var ErrOutOfStock = catalogue.Define(errors.Definition{
	Code:   errors.FailedPrecondition,
	Reason: "OUT_OF_STOCK",
	Title:  "Item is out of stock",
	Doc:    "Order fewer, or wait until the item is restocked.",
})

// A Request asks to reserve or to ship the items of an order. Asking again for the same order changes
// nothing.
type Request struct {
	OrderID string       `json:"order_id"`
	Items   []event.Item `json:"items"`
}

// Validate refuses quantities that would fill the stock instead of emptying it.
func (r Request) Validate() error {
	for i, item := range r.Items {
		if item.Qty < 1 {
			return errors.InvalidArgument.New("The request is not valid.").
				WithViolation(fmt.Sprintf("#/items/%d/qty", i), "must be at least 1", "RANGE")
		}
	}
	return nil
}

// A Reply says what was done.
type Reply struct {
	OrderID string `json:"order_id"`
	Status  string `json:"status"`
}

// A Client calls the inventory.
type Client struct {
	url  string
	http *http.Client
}

// NewClient returns a client of the inventory at url.
func NewClient(url string, cfg httpclient.Config) (*Client, error) {
	cfg.IdempotencyKeys = true // the inventory does the same order once
	client, err := httpclient.New("inventory", cfg)
	if err != nil {
		return nil, err
	}
	return &Client{url: url, http: client}, nil
}

// Reserve sets the items of an order aside. It returns [ErrOutOfStock] where there are too few.
func (c *Client) Reserve(ctx context.Context, order string, items []event.Item) error {
	return c.post(ctx, "/reservations", Request{order, items})
}

// Ship sends the items of an order out.
func (c *Client) Ship(ctx context.Context, order string, items []event.Item) error {
	return c.post(ctx, "/shipments", Request{order, items})
}

func (c *Client) post(ctx context.Context, route string, request Request) error {
	ctx = httpclient.With(ctx, httpclient.Call{Route: route})
	_, err := httpclient.Post[Reply](ctx, c.http, c.url+route, request)
	return err
}
