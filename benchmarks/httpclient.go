package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/backend-platform/sdk/httpclient"
)

// stub answers every request at once, so that what is measured is the client alone.
type stub struct{}

func (stub) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), ContentLength: 2, Request: r,
	}, nil
}

func httpclientRow() row {
	return row{"httpclient: GET over a stub transport, without an SDK of OpenTelemetry", "call", []contender{
		{"sdk", "zero Config but the transport", func() (work, func(), error) {
			client, err := httpclient.New("benchmark", httpclient.Config{Transport: stub{}})
			return get(client), nil, err
		}},
		{"hand-made stack", "go-retryablehttp over gobreaker over a timeout an attempt over otelhttp, inside a total timeout", func() (work, func(), error) {
			return get(handMade()), nil, nil
		}},
		{"net/http", "the floor: none of it", func() (work, func(), error) {
			return get(&http.Client{Transport: stub{}}), nil, nil
		}},
	}, 0}
}

func get(client *http.Client) work {
	return all(func(n int) error {
		for range n {
			response, err := client.Get("http://inventory.example.com/stock/17")
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				return err
			}
			if err := response.Body.Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

// handMade is what a team assembles from the same libraries.
func handMade() *http.Client {
	retry := retryablehttp.NewClient()
	retry.Logger = nil
	retry.HTTPClient = &http.Client{Transport: &breaking{
		next:    &attemptTimeout{otelhttp.NewTransport(stub{})},
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{Interval: 10 * time.Second, BucketPeriod: time.Second}),
	}}
	client := retry.StandardClient()
	client.Timeout = 30 * time.Second
	return client
}

type breaking struct {
	next    http.RoundTripper
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
}

func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	done, err := b.breaker.Allow()
	if err != nil {
		return nil, err
	}
	response, err := b.next.RoundTrip(r)
	done(err)
	return response, err
}

type attemptTimeout struct{ next http.RoundTripper }

func (t *attemptTimeout) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	response, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = &cancelling{response.Body, cancel}
	return response, nil
}

type cancelling struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *cancelling) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
