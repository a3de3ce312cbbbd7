package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/examples/shop/orders"
)

// customer calls the orders service as anybody would: with a plain HTTP client.
type customer struct {
	url      string
	accepted []string // ids of the orders that were accepted
}

// answer is what the customer got.
type answer struct {
	status     int
	retryAfter string
	body       string
	took       time.Duration
	orderID    string // of an accepted order
}

// problem returns the error that the answer reports, or nil.
func (a answer) problem() error {
	if a.status < 400 {
		return nil
	}
	return errors.DecodeProblem(errors.Response{Status: a.status, Body: []byte(a.body)})
}

func (c *customer) order(ctx context.Context, items ...event.Item) (answer, error) {
	body, err := json.Marshal(orders.Order{Items: items})
	if err != nil {
		return answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/orders", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	begin := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, retryAfter: response.Header.Get("Retry-After"), body: string(text), took: time.Since(begin)}
	if a.status == http.StatusCreated {
		var accepted orders.Accepted
		if err := json.Unmarshal(text, &accepted); err != nil {
			return answer{}, err
		}
		a.orderID = accepted.ID
		c.accepted = append(c.accepted, a.orderID)
	}
	return a, nil
}
