package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
)

// hedging makes a second call after 100 ms.
func hedging() *resilience.HedgeConfig { return &resilience.HedgeConfig{Delay: 100 * time.Millisecond} }

func TestHedgeTakesTheFirstAnswerAndLeavesNothing(t *testing.T) {
	slow := httpclienttest.Step{Delay: 5 * time.Second, Body: "slow"}
	for name, tc := range map[string]struct {
		steps []httpclienttest.Step
		want  string
		took  time.Duration
		sent  int
	}{
		"a quick answer":              {[]httpclienttest.Step{{Body: "quick"}}, "200 quick", 0, 1},
		"the second is quicker":       {[]httpclienttest.Step{slow, {Body: "quick"}}, "200 quick", 100 * time.Millisecond, 2},
		"the first is quicker":        {[]httpclienttest.Step{{Delay: time.Second, Body: "first"}, slow}, "200 first", time.Second, 2},
		"both at the same time":       {[]httpclienttest.Step{{Delay: 200 * time.Millisecond, Body: "a"}, {Delay: 100 * time.Millisecond, Body: "a"}}, "200 a", 200 * time.Millisecond, 2},
		"a slow body is no hedge":     {[]httpclienttest.Step{{Body: "body", BodyDelay: time.Second}}, "200 body", 2 * time.Second, 1},
		"not found is an answer":      {[]httpclienttest.Step{slow, {Status: 404, Body: "no"}}, "404 no", 100 * time.Millisecond, 2},
		"a failure waits for another": {[]httpclienttest.Step{{Delay: time.Second, Body: "first"}, {Status: 500, Body: "no"}}, "200 first", time.Second, 2},
		"all fail":                    {[]httpclienttest.Step{{Delay: time.Second, Status: 500, Body: "first"}, {Delay: time.Second, Status: 500, Body: "second"}}, "500 first", 1100 * time.Millisecond, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := httpclienttest.NewTransport(tc.steps...)
				recorder := httpclienttest.NewRecorder(script)
				client := newClient(t, recorder, httpclient.Config{Hedge: hedging()})
				start := time.Now()
				got := hedgedOnce(t, client, recorder, "PUT")
				if got != tc.want || time.Since(start) != tc.took || len(script.Requests()) != tc.sent {
					t.Errorf("%s after %v and %d requests; want %s after %v and %d", got, time.Since(start), len(script.Requests()), tc.want, tc.took, tc.sent)
				}
				for _, r := range script.Requests() {
					if string(r.Body) != "order" {
						t.Errorf("sent %q", r.Body)
					}
				}
				script.Check(t)
				recorder.Check(t)
			})
		})
	}
}

func hedgedOnce(t *testing.T, client *http.Client, recorder *httpclienttest.Recorder, method string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader("order"))
	if err != nil {
		t.Fatal(err)
	}
	recorder.Watch(req)
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return resp.Status[:4] + string(body)
}

func TestOnlyWhatIsSafeIsHedged(t *testing.T) {
	for name, tc := range map[string]struct {
		method string
		header []string
		body   io.Reader
		call   httpclient.Call
		want   int
	}{
		"GET":                    {method: "GET", want: 2},
		"DELETE":                 {method: "DELETE", want: 2},
		"POST":                   {method: "POST", want: 1},
		"POST with a key":        {method: "POST", call: httpclient.Call{IdempotencyKey: "k"}, want: 1},
		"NoRetry":                {method: "GET", call: httpclient.Call{NoRetry: true}, want: 1},
		"PUT without GetBody":    {method: "PUT", body: io.NopCloser(strings.NewReader("x")), want: 1},
		"PUT with GetBody":       {method: "PUT", body: strings.NewReader("x"), want: 2},
		"a method of their own":  {method: "PURGE", want: 1},
		"PATCH, which may break": {method: "PATCH", want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := httpclienttest.NewTransport(httpclienttest.Step{Delay: time.Second, Body: "x"})
				req, _ := http.NewRequestWithContext(httpclient.With(t.Context(), tc.call), tc.method, target, tc.body)
				resp, err := newClient(t, script, httpclient.Config{Hedge: hedging()}).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				readAndClose(t, resp)
				if got := len(script.Requests()); got != tc.want {
					t.Errorf("%d requests, want %d", got, tc.want)
				}
				script.Check(t)
			})
		})
	}
}

// Hedges draw on the budget of the retries: 10 in 10 s where there are few calls.
func TestHedgesAndRetriesShareTheBudgetOfTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Delay: 101 * time.Millisecond, Status: 204})
		client, err := httpclient.New("inventory", httpclient.Config{Transport: script, Hedge: hedging()})
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			resp, err := send(t, client, "GET", target, "")
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
		}
		if got := len(script.Requests()); got != 40 {
			t.Errorf("%d requests for 30 calls, want 10 hedges", got)
		}
		if d, _ := httpclient.Describe(client); d.Hosts[0].RetriesLeft != 0 {
			t.Errorf("%d retries are left, want 0", d.Hosts[0].RetriesLeft)
		}
	})
}

func TestCallerThatGoesAwayEndsAHedgedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Hang: true})
		client := newClient(t, script, httpclient.Config{Hedge: hedging()})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		start := time.Now()
		_, err := client.Do(req)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second || len(script.Requests()) != 2 {
			t.Errorf("%v after %v and %d requests", err, time.Since(start), len(script.Requests()))
		}
		if got := breakerState(t, client); got != resilience.Closed {
			t.Errorf("breaker is %v", got)
		}
	})
}

func TestErrorOfAHedgedCallIsThatOfTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return nil, syscall.ECONNRESET
		})
		client := newClient(t, base, httpclient.Config{Hedge: hedging(), Retry: once})
		_, err := send(t, client, "GET", target, "")
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCallSpanIsTheParentOfTheAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		r.config.CallSpan = true
		client := newClient(t, httpclienttest.NewTransport(
			httpclienttest.Status(503), httpclienttest.Step{Body: "x"}, httpclienttest.Fail(syscall.ECONNREFUSED)), r.config)
		req, _ := http.NewRequestWithContext(httpclient.With(t.Context(), httpclient.Call{Route: "/items/{sku}"}), "GET", target+"?token=s3cret", nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Request != req {
			t.Error("the response is of another request")
		}
		readAndClose(t, resp)
		spans := r.spans.Ended()
		if len(spans) != 3 {
			t.Fatalf("%d spans, want 2 and the call's", len(spans))
		}
		call := spans[2]
		for _, attempt := range spans[:2] {
			if attempt.Parent().SpanID() != call.SpanContext().SpanID() {
				t.Errorf("%s is no child of the call's", attempt.Name())
			}
		}
		want := map[string]string{
			"http.request.method": "GET", "server.address": "inventory", "server.port": "8080", "url.template": "/items/{sku}",
			"http.response.status_code": "200", "http.request.resend_count": "1",
		}
		if diff := cmp.Diff(want, attributes(call.Attributes())); diff != "" || call.Name() != "call inventory" || call.SpanKind().String() != "internal" {
			t.Errorf("%s, %v: %s", call.Name(), call.SpanKind(), diff)
		}

		if _, err := send(t, client, "POST", target, ""); err == nil {
			t.Fatal("no error")
		}
		spans = r.spans.Ended()
		last := spans[len(spans)-1]
		if got := attributes(last.Attributes())["error.type"]; got != "unavailable" || last.Status().Code.String() != "Error" {
			t.Errorf("error.type %q, status %v", got, last.Status())
		}
	})
}

// retriesLeft returns what is left of the budget of the one host that was called.
func retriesLeft(t *testing.T, client *http.Client) int {
	t.Helper()
	d, _ := httpclient.Describe(client)
	if len(d.Hosts) != 1 {
		t.Fatalf("hosts %v", d.Hosts)
	}
	return d.Hosts[0].RetriesLeft
}

func TestHedgeIsPaidForOnceAndEarnsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, quick := httpclienttest.Step{Delay: time.Second}, httpclienttest.Status(200)
		script := httpclienttest.NewTransport(quick, quick, quick, slow, slow)
		client := newClient(t, script, httpclient.Config{
			Hedge: hedging(), Retry: resilience.RetryConfig{Budget: resilience.BudgetConfig{Ratio: 1, MinPerSecond: -1}},
		})
		for range 4 {
			resp, err := send(t, client, "GET", target, "")
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
		}
		if got := retriesLeft(t, client); len(script.Requests()) != 5 || got != 3 {
			t.Errorf("%d are left of the budget that 4 calls earned, after %d requests", got, len(script.Requests()))
		}
	})
}

func TestHedgeDrawsOnASharedBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		empty, err := resilience.NewBudget("shared", resilience.BudgetConfig{MinPerSecond: -1})
		if err != nil {
			t.Fatal(err)
		}
		script := httpclienttest.NewTransport(httpclienttest.Step{Delay: time.Second})
		client, err := httpclient.New("inventory", httpclient.Config{Transport: script, Hedge: hedging(), Retry: resilience.RetryConfig{SharedBudget: empty}})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := send(t, client, "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		if got := len(script.Requests()); got != 1 {
			t.Errorf("%d requests with an empty budget", got)
		}
	})
}

// After ten minutes without a call, a host's budget is another one.
func TestHedgeDrawsOnTheBudgetOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, httpclienttest.NewTransport(httpclienttest.Step{Delay: time.Second}), httpclient.Config{
			Hedge: hedging(), Retry: resilience.RetryConfig{Budget: resilience.BudgetConfig{MinPerSecond: 1}},
		})
		for range 2 {
			resp, err := send(t, client, "GET", target, "")
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
			if got := retriesLeft(t, client); got != 9 {
				t.Errorf("%d are left after one hedge of 10", got)
			}
			time.Sleep(time.Hour)
		}
	})
}

// A panic of the transport reaches the caller, and leaves no response behind.
func TestHedgeThatPanicsLeavesNoResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Delay: time.Second, Status: 500, Body: "first"})
		var calls atomic.Int64
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			if calls.Add(1) == 2 {
				time.Sleep(2 * time.Second)
				panic("broken transport")
			}
			return script.RoundTrip(req)
		})
		client := newClient(t, base, httpclient.Config{Hedge: hedging()})
		defer func() {
			if got := recover(); got != "broken transport" {
				t.Errorf("recovered %v", got)
			}
			script.Check(t)
		}()
		resp, err := send(t, client, "GET", target, "")
		t.Errorf("%v, %v", resp, err)
	})
}
