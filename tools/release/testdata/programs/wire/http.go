package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpserver"
)

func unavailable() ([]byte, error) {
	return response(errors.Unavailable.New("The warehouse is closed.").WithRetryAfter(3 * time.Second))
}

func exhausted() ([]byte, error) {
	return response(errors.MarkExhausted(errors.Unavailable.New("The warehouse is closed.")))
}

// response is what the server sends for an error.
func response(fault error) ([]byte, error) {
	recorder := httptest.NewRecorder()
	httpserver.WriteError(recorder, httptest.NewRequest(http.MethodGet, "/orders/17", nil), fault)
	result := recorder.Result()
	result.ContentLength = int64(recorder.Body.Len())
	var wire bytes.Buffer
	err := result.Write(&wire)
	return bytes.ReplaceAll(wire.Bytes(), []byte("\r\n"), []byte("\n")), err
}

// readResponse prints what a caller makes of it.
func readResponse(data []byte) error {
	client, err := httpclient.New("wire", httpclient.Config{Transport: transport(func(r *http.Request) (*http.Response, error) {
		return http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), r)
	})})
	if err != nil {
		return err
	}
	ctx := httpclient.With(context.Background(), httpclient.Call{NoRetry: true})
	_, err = httpclient.Get[struct{}](ctx, client, "http://orders/17")
	state(err)
	return nil
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// timeoutHeader is written out here: a fixture that used the SDK's constant would follow a change of it.
const timeoutHeader = "Request-Timeout-Ms"

// request is what the client sends to an internal host. The time that is left differs from run to run, so the fixture
// has a round value.
func request() ([]byte, error) {
	var wire bytes.Buffer
	client, err := httpclient.New("wire", httpclient.Config{
		InternalHosts: []string{"orders"}, UserAgent: "wire/1",
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			fmt.Fprintf(&wire, "%s %s HTTP/1.1\nHost: orders\n", r.Method, r.URL.Path)
			if left, err := strconv.Atoi(r.Header.Get(timeoutHeader)); err != nil || left < 1000 || left > 9000 {
				return nil, fmt.Errorf("%s is %q of 9000 ms", timeoutHeader, r.Header.Get(timeoutHeader))
			}
			fmt.Fprintf(&wire, "%s: 9000\nIdempotency-Key: %s\n\n", timeoutHeader, r.Header.Get("Idempotency-Key"))
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
		}),
	})
	if err != nil {
		return nil, err
	}
	ctx := httpclient.With(context.Background(), httpclient.Call{
		Timeout: 9 * time.Second, AttemptTimeout: -1, IdempotencyKey: "0f8fad5b",
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://orders/17", nil)
	if err != nil {
		return nil, err
	}
	result, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	return wire.Bytes(), result.Body.Close()
}

// readRequest prints what a handler finds.
func readRequest(data []byte) error {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(nil))
	handler, err := httpserver.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		deadline, ok := r.Context().Deadline()
		// The server's own limit is longer than what the fixture says.
		fmt.Println("deadline of the caller", ok && time.Until(deadline) <= 9*time.Second)
		fmt.Println("idempotency key", r.Header.Get("Idempotency-Key"))
	}), httpserver.Config{})
	if err != nil {
		return err
	}
	handler.ServeHTTP(httptest.NewRecorder(), r)
	return nil
}
