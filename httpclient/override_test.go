package httpclient_test

import (
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
)

func TestInnerWithKeepsWhatItDoesNotSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Hang: true})
		ctx := httpclient.With(t.Context(), httpclient.Call{Timeout: 7 * time.Second, IdempotencyKey: "outer"})
		ctx = httpclient.With(ctx, httpclient.Call{AttemptTimeout: 3 * time.Second, IdempotencyKey: "inner"})
		req, _ := http.NewRequestWithContext(ctx, "POST", target, nil)
		start := time.Now()
		_, err := newClient(t, script, httpclient.Config{}).Do(req)
		if timeoutOf(t, err); time.Since(start) > 7*time.Second {
			t.Errorf("took %v, want at most 7 s", time.Since(start))
		}
		requests := script.Requests()
		if len(requests) < 2 || requests[1].Time.Sub(requests[0].Time) < 3*time.Second || requests[0].Header.Get("Idempotency-Key") != "inner" {
			t.Errorf("%d attempts, key %q", len(requests), requests[0].Header.Get("Idempotency-Key"))
		}
	})
}

func TestRequestsOwnKeyAndUserAgentComeFirst(t *testing.T) {
	script := httpclienttest.NewTransport()
	ctx := httpclient.With(t.Context(), httpclient.Call{IdempotencyKey: "of the context"})
	req, _ := http.NewRequestWithContext(ctx, "POST", target, nil)
	req.Header.Set("Idempotency-Key", "of the request")
	req.Header.Set("User-Agent", "mine")
	resp, err := newClient(t, script, httpclient.Config{IdempotencyKeys: true}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
	header := script.Requests()[0].Header
	if header.Get("Idempotency-Key") != "of the request" || header.Get("User-Agent") != "mine" {
		t.Errorf("sent %v", header)
	}
}

func TestNoRetryMakesOneAttempt(t *testing.T) {
	script := httpclienttest.NewTransport(httpclienttest.Status(503))
	req, _ := http.NewRequestWithContext(httpclient.With(t.Context(), httpclient.Call{NoRetry: true}), "GET", target, nil)
	resp, err := newClient(t, script, httpclient.Config{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
	if got := len(script.Requests()); got != 1 {
		t.Errorf("%d attempts, want 1", got)
	}
}

// A service that has a retry of its own around a call without one asks the error.
func TestNoRetrySaysNothingOfTheError(t *testing.T) {
	for method, want := range map[string]bool{"GET": true, "POST": false} {
		script := httpclienttest.NewTransport(httpclienttest.Fail(syscall.ECONNREFUSED))
		ctx := httpclient.With(t.Context(), httpclient.Call{NoRetry: true})
		req, _ := http.NewRequestWithContext(ctx, method, target, nil)
		_, err := newClient(t, script, httpclient.Config{}).Do(req)
		if got := errors.Retryable(err); got != want || len(script.Requests()) != 1 {
			t.Errorf("%s: retryable %v after %d attempts, want %v after 1", method, got, len(script.Requests()), want)
		}
	}
}
