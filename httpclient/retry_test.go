package httpclient_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

const target = "http://inventory:8080/items/17"

// unlimited lets tests retry as often as they like; the budget has tests of its own.
var unlimited = resilience.RetryConfig{Budget: resilience.BudgetConfig{Ratio: -1}}

func newClient(t testing.TB, script http.RoundTripper, cfg httpclient.Config) *http.Client {
	t.Helper()
	cfg.Transport = script
	if cfg.Retry.Budget == (resilience.BudgetConfig{}) {
		cfg.Retry.Budget = unlimited.Budget
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	client, err := httpclient.New("inventory", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func send(t testing.TB, client *http.Client, method, url, body string, header ...string) (*http.Response, error) {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return client.Do(req)
}

func readAndClose(t testing.TB, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRetriesOnlyWhatIsSafe(t *testing.T) {
	reset := httpclienttest.Fail(syscall.ECONNRESET)
	for name, tc := range map[string]struct {
		method, body string
		header       []string
		cfg          httpclient.Config
		first        httpclienttest.Step
		want         int // attempts
	}{
		"GET after 503":                     {method: "GET", first: httpclienttest.Status(503), want: 2},
		"GET after 502":                     {method: "GET", first: httpclienttest.Status(502), want: 2},
		"GET after 504":                     {method: "GET", first: httpclienttest.Status(504), want: 2},
		"GET after 429":                     {method: "GET", first: httpclienttest.Status(429), want: 2},
		"GET after a reset":                 {method: "GET", first: reset, want: 2},
		"GET after 500":                     {method: "GET", first: httpclienttest.Status(500), want: 1},
		"GET after 501":                     {method: "GET", first: httpclienttest.Status(501), want: 1},
		"GET after 408":                     {method: "GET", first: httpclienttest.Status(408), want: 1},
		"GET after 404":                     {method: "GET", first: httpclienttest.Status(404), want: 1},
		"GET after 409":                     {method: "GET", first: httpclienttest.Status(409), want: 1},
		"GET after 302 without a Location":  {method: "GET", first: httpclienttest.Status(302), want: 1},
		"GET after a bad certificate":       {method: "GET", first: httpclienttest.Fail(&tls.CertificateVerificationError{Err: io.EOF}), want: 1},
		"HEAD":                              {method: "HEAD", first: reset, want: 2},
		"OPTIONS":                           {method: "OPTIONS", first: reset, want: 2},
		"TRACE":                             {method: "TRACE", first: reset, want: 2},
		"DELETE":                            {method: "DELETE", first: reset, want: 2},
		"PUT with a body":                   {method: "PUT", body: "x", first: reset, want: 2},
		"POST after a reset":                {method: "POST", body: "x", first: reset, want: 1},
		"POST without a body after a reset": {method: "POST", first: reset, want: 1},
		"POST after 503":                    {method: "POST", body: "x", first: httpclienttest.Status(503), want: 1},
		"PATCH after 503":                   {method: "PATCH", body: "x", first: httpclienttest.Status(503), want: 1},
		"an unknown method":                 {method: "PURGE", first: reset, want: 1},
		"POST with an idempotency key":      {method: "POST", body: "x", header: []string{"Idempotency-Key", "k"}, first: reset, want: 2},
		"PATCH with an idempotency key":     {method: "PATCH", body: "x", header: []string{"Idempotency-Key", "k"}, first: reset, want: 2},
		"POST with an added key":            {method: "POST", body: "x", cfg: httpclient.Config{IdempotencyKeys: true}, first: reset, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := httpclienttest.NewTransport(tc.first, httpclienttest.Status(200))
				resp, err := send(t, newClient(t, script, tc.cfg), tc.method, target, tc.body, tc.header...)
				if err == nil {
					readAndClose(t, resp)
				}
				if got := len(script.Requests()); got != tc.want {
					t.Errorf("%d attempts, want %d", got, tc.want)
				}
				script.Check(t)
			})
		})
	}
}

// go-retryablehttp sends a POST five times after connection errors.
func TestPostWithoutIdempotencyKeyIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Fail(syscall.ECONNREFUSED))
		_, err := send(t, newClient(t, script, httpclient.Config{}), "POST", target, "order")
		if got := len(script.Requests()); got != 1 {
			t.Errorf("%d attempts, want 1", got)
		}
		if errors.CodeOf(err) != errors.Unavailable || errors.Retryable(err) {
			t.Errorf("%v: code %v, retryable %v; want unavailable, and no layer above may send it again", err, errors.CodeOf(err), errors.Retryable(err))
		}
	})
}

func TestAddedIdempotencyKeyIsTheSameForAllAttemptsAndNewForEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(
			httpclienttest.Status(503), httpclienttest.Status(200), httpclienttest.Status(503), httpclienttest.Status(200))
		client := newClient(t, script, httpclient.Config{IdempotencyKeys: true})
		for range 2 {
			resp, err := send(t, client, "POST", target, "order")
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
		}
		var keys []string
		for _, r := range script.Requests() {
			keys = append(keys, r.Header.Get("Idempotency-Key"))
		}
		if len(keys) != 4 || keys[0] == "" || keys[0] != keys[1] || keys[2] != keys[3] || keys[0] == keys[2] {
			t.Errorf("keys %q, want two of each call", keys)
		}
	})
}

// go-retryablehttp has no limit for Retry-After, and 9300000000 overflows: five attempts in no time.
func TestRetryAfterIsHonouredButNotBeyondItsLimit(t *testing.T) {
	for value, want := range map[string]struct {
		attempts int
		wait     time.Duration // at least
	}{
		"2":                             {attempts: 2, wait: 2 * time.Second},
		"0":                             {attempts: 2},
		"nonsense":                      {attempts: 2},
		"-5":                            {attempts: 2},
		"11":                            {attempts: 1}, // more than MaxRetryAfter, 10 s
		"9300000000":                    {attempts: 1},
		"99999999999999999999":          {attempts: 1},
		"Sat, 01 Jan 2000 00:00:03 GMT": {attempts: 2, wait: 3 * time.Second}, // a bubble begins at midnight
		"Sat, 01 Jan 2000 01:00:00 GMT": {attempts: 1},
	} {
		t.Run(value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := httpclienttest.NewTransport(
					httpclienttest.Step{Status: 503, Header: http.Header{"Retry-After": {value}}}, httpclienttest.Status(200))
				start := time.Now()
				resp, err := send(t, newClient(t, script, httpclient.Config{}), "GET", target, "")
				if err != nil {
					t.Fatal(err)
				}
				readAndClose(t, resp)
				if got := len(script.Requests()); got != want.attempts {
					t.Errorf("%d attempts, want %d", got, want.attempts)
				}
				if waited := time.Since(start); waited < want.wait || waited > want.wait+3*time.Second {
					t.Errorf("waited %v, want %v or a little more", waited, want.wait)
				}
			})
		})
	}
}

// go-retryablehttp calls CloseIdleConnections on the shared pool after any final failure: ten failures
// of one host cost ten connections to healthy others.
func TestFailuresDoNotCloseTheSharedPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Fail(syscall.ECONNREFUSED))
		client := newClient(t, script, httpclient.Config{})
		for range 3 {
			if _, err := send(t, client, "GET", target, ""); err == nil {
				t.Fatal("no error")
			}
		}
		if got := script.IdleCloses(); got != 0 {
			t.Errorf("idle connections were closed %d times", got)
		}
		client.CloseIdleConnections()
		if got := script.IdleCloses(); got != 1 {
			t.Errorf("CloseIdleConnections reached the transport %d times, want 1", got)
		}
	})
}

// go-retryablehttp discards the last response and returns an error without it.
func TestTheLastResponseIsHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Status: 503, Body: "closed for lunch"})
		resp, err := send(t, newClient(t, script, httpclient.Config{}), "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		if body := readAndClose(t, resp); resp.StatusCode != 503 || body != "closed for lunch" {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
		if got := len(script.Requests()); got != 3 {
			t.Errorf("%d attempts, want 3", got)
		}
		if resp.Header.Get("Retry-Exhausted") != "1" {
			t.Error("the response does not say that attempts are used up")
		}
		script.Check(t)
	})
}

// go-retryablehttp sleeps past the deadline, so that a 503 comes back as DeadlineExceeded.
func TestNeverSleepsPastTheDeadline(t *testing.T) {
	retryAfter := httpclienttest.Step{Status: 503, Header: http.Header{"Retry-After": {"5"}}}
	for name, tc := range map[string]struct {
		cfg     httpclient.Config
		context time.Duration
	}{
		"of the client": {cfg: httpclient.Config{Timeout: 3 * time.Second}},
		"of the caller": {context: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tc.context > 0 {
					deadline, cancel := context.WithTimeout(ctx, tc.context)
					defer cancel()
					ctx = deadline
				}
				script := httpclienttest.NewTransport(retryAfter)
				start := time.Now()
				req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
				resp, err := newClient(t, script, tc.cfg).Do(req)
				if err != nil {
					t.Fatalf("%v, want the 503", err)
				}
				readAndClose(t, resp)
				if resp.StatusCode != 503 || time.Since(start) != 0 {
					t.Errorf("status %d after %v, want 503 at once", resp.StatusCode, time.Since(start))
				}
			})
		})
	}
}

func TestStopsWhenTheResponseSaysRetryExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Status: 503, Header: http.Header{"Retry-Exhausted": {"1"}}})
		resp, err := send(t, newClient(t, script, httpclient.Config{}), "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		if got := len(script.Requests()); got != 1 {
			t.Errorf("%d attempts, want 1", got)
		}
	})
}

func TestErrorOfUsedUpAttemptsIsMarkedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Fail(syscall.ECONNREFUSED))
		_, err := send(t, newClient(t, script, httpclient.Config{}), "GET", target, "")
		attempts, ok := errors.AsType[*resilience.AttemptsError](err)
		if !ok || attempts.Attempts != 3 {
			t.Errorf("%v: no count of 3 attempts", err)
		}
		if !errors.Exhausted(err) || errors.CodeOf(err) != errors.Unavailable || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v: exhausted %v, code %v", err, errors.Exhausted(err), errors.CodeOf(err))
		}
	})
}

func TestCallerThatGoesAwayEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Status: 503, Header: http.Header{"Retry-After": {"5"}}})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		_, err := newClient(t, script, httpclient.Config{}).Do(req)
		if !errors.Is(err, context.Canceled) || errors.CodeOf(err) != errors.Canceled {
			t.Errorf("%v: code %v, want canceled", err, errors.CodeOf(err))
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want 1 s", took)
		}
		if !errors.Is(err, errors.Unavailable) || !strings.Contains(err.Error(), "unavailable") {
			t.Errorf("what the last attempt ended with is not found in %v", err)
		}
		script.Check(t)
	})
}

func TestCallerThatGoesAwayAfterATimeoutIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, cancel)
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		_, err := newClient(t, script, httpclient.Config{AttemptTimeout: time.Second, Retry: resilience.RetryConfig{
			Backoff: resilience.Backoff{Base: time.Second, Jitter: -1},
		}}).Do(req)
		outer, ok := errors.AsType[*url.Error](err)
		if !ok || outer.Timeout() || errors.CodeOf(err) != errors.Canceled {
			t.Errorf("%v: code %v, want canceled and no timeout", err, errors.CodeOf(err))
		}
		if _, ok := errors.AsType[*httpclient.TimeoutError](err); !ok {
			t.Errorf("the timeout of the attempt is not found in %v", err)
		}
	})
}

func TestCallerThatGoesAwayDuringAWaitIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		script := httpclienttest.NewTransport(httpclienttest.Step{Status: 503, Header: http.Header{"Retry-After": {"5"}}})
		client := newClient(t, script, httpclient.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := httpclient.Get[item](ctx, client, target); err == nil {
			t.Fatal("no error")
		}
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				if m.Name == "resilience.calls" {
					for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
						got = append(got, fmt.Sprint(point.Attributes.Encoded(attribute.DefaultEncoder()), " ", point.Value))
					}
				}
			}
		}
		if diff := cmp.Diff([]string{"resilience.name=inventory,resilience.verdict=canceled 1"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCallerThatGoesAwayEndsTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		_, err := newClient(t, script, httpclient.Config{}).Do(req)
		if errors.CodeOf(err) != errors.Canceled || len(script.Requests()) != 1 {
			t.Errorf("%v: code %v, %d attempts", err, errors.CodeOf(err), len(script.Requests()))
		}
	})
}

func TestRetryBudgetOfTheHostEndsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Status(503))
		client := newClient(t, script, httpclient.Config{
			Retry:   resilience.RetryConfig{Budget: resilience.BudgetConfig{Ratio: 0.1, MinPerSecond: 0.1}},
			Breaker: resilience.BreakerConfig{FailureRatio: -1},
		})
		for range 10 {
			resp, err := send(t, client, "GET", target, "")
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
		}
		if got := len(script.Requests()); got > 12 {
			t.Errorf("%d attempts of 10 calls, want at most 12", got)
		}
	})
}

func TestEachHostHasItsOwnRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Status(503))
		client := newClient(t, script, httpclient.Config{
			Retry:   resilience.RetryConfig{Budget: resilience.BudgetConfig{Ratio: 0.1, MinPerSecond: 0.1}},
			Breaker: resilience.BreakerConfig{FailureRatio: -1},
		})
		for _, host := range []string{"http://a/", "http://b/"} {
			before := len(script.Requests())
			resp, err := send(t, client, "GET", host, "")
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
			if got := len(script.Requests()) - before; got != 2 {
				t.Errorf("%s: %d attempts, want 2: the budget has one retry", host, got)
			}
		}
	})
}

// net/http may still write an attempt's headers when the next attempt starts.
func TestAttemptsDoNotShareHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []*http.Request
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			sent = append(sent, req)
			return nil, syscall.ECONNRESET
		})
		if _, err := send(t, newClient(t, base, newRecorder().config), "GET", target, ""); err == nil {
			t.Fatal("no error")
		}
		seen := map[string]bool{}
		for _, req := range sent {
			seen[req.Header.Get("Traceparent")] = true
		}
		if len(seen) != 3 {
			t.Errorf("%d different trace contexts in 3 attempts", len(seen))
		}
	})
}

func TestCallersRequestIsNotChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Status(503), httpclienttest.Status(200))
		client := newClient(t, script, httpclient.Config{IdempotencyKeys: true, InternalHosts: []string{"inventory"}})
		body := io.NopCloser(strings.NewReader("order"))
		req, _ := http.NewRequestWithContext(t.Context(), "POST", target, body)
		req.ContentLength = 5
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("order")), nil }
		req.Header.Set("X-Mine", "1")
		before := req.Header.Clone()
		// The round trip itself: an http.Client makes a copy of its own.
		resp, err := client.Transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		if diff := cmp.Diff(before, req.Header); diff != "" {
			t.Error(diff)
		}
		if req.Body != body || req.ContentLength != 5 || resp.Request != req {
			t.Error("the request's body or length was changed, or the response has another request")
		}
	})
}

// go-retryablehttp ignores the client's CheckRedirect.
func TestCheckRedirectOfTheClientIsRespected(t *testing.T) {
	script := httpclienttest.NewTransport(httpclienttest.Step{Status: 302, Header: http.Header{"Location": {"/elsewhere"}}})
	client := newClient(t, script, httpclient.Config{})
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := send(t, client, "GET", target, "")
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
	if resp.StatusCode != 302 || len(script.Requests()) != 1 {
		t.Errorf("status %d after %d requests, want the 302", resp.StatusCode, len(script.Requests()))
	}
}

func TestHooksSeeAllAttemptsOfConcurrentCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Status(503))
		client := newClient(t, script, httpclient.Config{Breaker: resilience.BreakerConfig{FailureRatio: -1}})
		done := make(chan struct{})
		for range 20 {
			go func() {
				defer func() { done <- struct{}{} }()
				resp, err := send(t, client, "PUT", target, "x")
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
			}()
		}
		for range 20 {
			<-done
		}
		if got := len(script.Requests()); got != 60 {
			t.Errorf("%d attempts, want 60", got)
		}
		for _, r := range script.Requests() {
			if !bytes.Equal(r.Body, []byte("x")) {
				t.Fatalf("an attempt sent %q", r.Body)
			}
		}
	})
}
