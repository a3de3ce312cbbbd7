package httpclient_test

import (
	"context"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
)

var once = resilience.RetryConfig{Attempts: -1}

func breakerState(t testing.TB, client *http.Client) resilience.State {
	t.Helper()
	d, ok := httpclient.Describe(client)
	if !ok || len(d.Hosts) == 0 {
		t.Fatal("no description")
	}
	return d.Hosts[0].Breaker
}

func TestBreakerJudgesAtTheHeaders(t *testing.T) {
	for name, tc := range map[string]struct {
		step httpclienttest.Step
		want resilience.State
	}{
		"500":         {httpclienttest.Status(500), resilience.Open},
		"503":         {httpclienttest.Status(503), resilience.Open},
		"501":         {httpclienttest.Status(501), resilience.Closed},
		"404":         {httpclienttest.Status(404), resilience.Closed},
		"429":         {httpclienttest.Status(429), resilience.Closed},
		"reset":       {httpclienttest.Fail(syscall.ECONNRESET), resilience.Open},
		"timeout":     {httpclienttest.Step{Hang: true}, resilience.Open},
		"broken body": {httpclienttest.Step{Body: "x", BodyErr: syscall.ECONNRESET}, resilience.Closed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := httpclienttest.NewTransport(tc.step)
				client := newClient(t, script, httpclient.Config{Retry: once, AttemptTimeout: 100 * time.Millisecond})
				for range 25 {
					if resp, err := send(t, client, "GET", target, ""); err == nil {
						_ = resp.Body.Close()
					}
				}
				if got := breakerState(t, client); got != tc.want {
					t.Errorf("breaker is %v, want %v", got, tc.want)
				}
				script.Check(t)
			})
		})
	}
}

func TestBreakerDoesNotCountCallersThatGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, httpclienttest.NewTransport(httpclienttest.Step{Hang: true}), httpclient.Config{})
		for range 25 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
			if _, err := client.Do(req); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if got := breakerState(t, client); got != resilience.Closed {
			t.Errorf("breaker is %v, want closed", got)
		}
	})
}

func TestOpenBreakerRefusesAtOnceAndSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Status(500))
		client := newClient(t, script, httpclient.Config{Breaker: resilience.BreakerConfig{MinCalls: 1, Spread: -1}})
		resp, err := send(t, client, "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		start := time.Now()
		_, err = send(t, client, "GET", target, "")
		if !errors.Is(err, resilience.ErrCircuitOpen) || errors.CodeOf(err) != errors.Unavailable || errors.RetryAfter(err) != 5*time.Second {
			t.Errorf("%v: code %v, retry after %v", err, errors.CodeOf(err), errors.RetryAfter(err))
		}
		if len(script.Requests()) != 1 || time.Since(start) != 0 {
			t.Errorf("%d requests after %v, want 1 at once", len(script.Requests()), time.Since(start))
		}
		// Another port is another destination.
		if resp, err = send(t, client, "GET", "http://inventory:9090/", ""); err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
	})
}

// What was not sent may be sent again, be it a POST: the service that called says so to its own caller.
func TestPostThatAnOpenBreakerRefusedMayBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Status(500))
		client := newClient(t, script, httpclient.Config{Breaker: resilience.BreakerConfig{MinCalls: 1}})
		for range 2 {
			resp, err := send(t, client, "POST", target, "x")
			if err == nil {
				readAndClose(t, resp)
				continue
			}
			if !errors.Is(err, resilience.ErrCircuitOpen) || !errors.Retryable(err) {
				t.Errorf("%v: retryable %v, want true", err, errors.Retryable(err))
			}
		}
		if len(script.Requests()) != 1 {
			t.Errorf("%d requests, want 1", len(script.Requests()))
		}
	})
}

// A wrapper that returned (nil, err) for a 503 leaked the response: fifty connections in fifty calls.
func TestFailedResponsesAreHandedOutAndClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Status: 503, Body: "down"})
		client := newClient(t, script, httpclient.Config{})
		for range 50 {
			if resp, err := send(t, client, "GET", target, ""); err == nil {
				readAndClose(t, resp)
			}
		}
		script.Check(t)
	})
}

func TestBreakersAreKeptPerSchemeHostAndPort(t *testing.T) {
	client := newClient(t, httpclienttest.NewTransport(), httpclient.Config{})
	for _, url := range []string{"http://a/", "http://A:80/x", "https://a/", "https://a:443/", "http://a:8080/", "http://[::1]/", "http://[::1]:80/"} {
		resp, err := send(t, client, "GET", url, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
	}
	d, _ := httpclient.Describe(client)
	got := map[string]bool{}
	for _, h := range d.Hosts {
		got[h.Host] = true
	}
	for _, want := range []string{"http://a:80", "https://a:443", "http://a:8080", "http://[::1]:80"} {
		if !got[want] {
			t.Errorf("no %s in %v", want, got)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d hosts, want 4: %v", len(got), got)
	}
}

// Who recovers from a panic of the base transport, as net/http's server does, goes on with the client.
func TestPanicOfTheTransportIsAFailureAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script, broken := httpclienttest.NewTransport(httpclienttest.Status(500)), false
		var last context.Context
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			if last = req.Context(); broken {
				panic("broken transport")
			}
			return script.RoundTrip(req)
		})
		client := newClient(t, base, httpclient.Config{Timeout: -1, AttemptTimeout: -1, Breaker: resilience.BreakerConfig{MinCalls: 2, Probes: 1}})
		try := func() {
			defer func() { _ = recover() }()
			if resp, err := send(t, client, "GET", target, ""); err == nil {
				readAndClose(t, resp)
			}
		}
		try()
		try()
		time.Sleep(10 * time.Second)
		broken = true
		try() // a probe
		if got := breakerState(t, client); got != resilience.Open {
			t.Errorf("breaker is %v", got)
		}
		if last.Err() == nil {
			t.Error("the attempt's context did not end")
		}
	})
}
