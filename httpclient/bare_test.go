package httpclient_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
)

// A maker makes a client over a transport, with a log.
type maker func(t *testing.T, base http.RoundTripper, lines io.Writer) *http.Client

// bareClient is go-retryablehttp as its documentation shows it.
func bareClient(_ *testing.T, base http.RoundTripper, lines io.Writer) *http.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient.Transport = base
	c.Logger = log.New(lines, "", 0)
	return c.StandardClient()
}

func sdkClient(t *testing.T, base http.RoundTripper, lines io.Writer) *http.Client {
	return newClient(t, base, httpclient.Config{
		Logger: slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

// retryFaults are what go-retryablehttp does wrong where it is used as it comes, each with the issue of
// hashicorp/go-retryablehttp that is about it. A fault returns whether a client shows it.
var retryFaults = map[string]struct {
	issue string
	shown func(t *testing.T, client maker) bool
}{
	"a POST is sent again": {"#169", func(t *testing.T, client maker) bool {
		script := httpclienttest.NewTransport(httpclienttest.Fail(syscall.ECONNREFUSED))
		_, _ = discardResponse(send(t, client(t, script, io.Discard), "POST", target, "order"))
		return len(script.Requests()) > 1
	}},
	"Retry-After is waited for without a limit": {"#247", func(t *testing.T, client maker) bool {
		script := httpclienttest.NewTransport(retryAfter("86400"), httpclienttest.Status(200))
		start := time.Now()
		_, _ = discardResponse(send(t, client(t, script, io.Discard), "GET", target, ""))
		return time.Since(start) >= 24*time.Hour
	}},
	"Retry-After overflows, and attempts follow at once": {"#247", func(t *testing.T, client maker) bool {
		script := httpclienttest.NewTransport(retryAfter("9300000000"))
		start := time.Now()
		_, _ = discardResponse(send(t, client(t, script, io.Discard), "GET", target, ""))
		return len(script.Requests()) > 3 && time.Since(start) == 0
	}},
	"a failure closes the idle connections to all hosts": {"#237", func(t *testing.T, client maker) bool {
		script := httpclienttest.NewTransport(httpclienttest.Fail(syscall.ECONNREFUSED))
		_, _ = discardResponse(send(t, client(t, script, io.Discard), "GET", target, ""))
		return script.IdleCloses() > 0
	}},
	"the body is read into memory": {"#145", func(t *testing.T, client maker) bool {
		const size = 16 << 20
		c := client(t, &discards{attempts: 2}, io.Discard)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = discardResponse(c.Do((&upload{size: size}).request(t)))
		runtime.ReadMemStats(&after)
		return after.TotalAlloc-before.TotalAlloc > size
	}},
	"the caller's body is not closed": {"#145", func(t *testing.T, client maker) bool {
		body := &upload{size: 10}
		_, _ = discardResponse(client(t, &discards{attempts: 2}, io.Discard).Do(body.request(t)))
		return body.closed.Load() < body.opened.Load()
	}},
	"the last response is thrown away": {"#46", func(t *testing.T, client maker) bool {
		_, err := discardResponse(send(t, client(t, httpclienttest.NewTransport(httpclienttest.Status(503)), io.Discard), "GET", target, ""))
		return err != nil
	}},
	"a wait goes on past the deadline": {"#272", func(t *testing.T, client maker) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		_, err := discardResponse(client(t, httpclienttest.NewTransport(retryAfter("5")), io.Discard).Do(req))
		return errors.Is(err, context.DeadlineExceeded)
	}},
	"the client's CheckRedirect is not asked": {"#128", func(t *testing.T, client maker) bool {
		c := client(t, httpclienttest.NewTransport(redirect("/there"), httpclienttest.Status(200)), io.Discard)
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		status, _ := discardResponse(send(t, c, "GET", target, ""))
		return status != 302
	}},
	"the error shows the query": {"#206", func(t *testing.T, client maker) bool {
		c := client(t, httpclienttest.NewTransport(httpclienttest.Fail(syscall.ECONNREFUSED)), io.Discard)
		_, err := discardResponse(send(t, c, "GET", target+"?token=s3cret", ""))
		outer, _ := errors.AsType[*url.Error](err) // net/http's own, which shows the URL that was asked for
		return strings.Contains(outer.Err.Error(), "s3cret")
	}},
	"the log shows the query": {"#206", func(t *testing.T, client maker) bool {
		var lines bytes.Buffer
		c := client(t, httpclienttest.NewTransport(httpclienttest.Status(503), httpclienttest.Status(200)), &lines)
		_, _ = discardResponse(send(t, c, "GET", target+"?token=s3cret", ""))
		return strings.Contains(lines.String(), "s3cret")
	}},
	"the caller's request is changed": {"#94", func(t *testing.T, client maker) bool {
		body := io.NopCloser(strings.NewReader("order"))
		req, _ := http.NewRequestWithContext(t.Context(), "PUT", target, body)
		_, _ = discardResponse(client(t, &discards{attempts: 2}, io.Discard).Do(req))
		return req.Body != body
	}},
}

func retryAfter(value string) httpclienttest.Step {
	return httpclienttest.Step{Status: 503, Header: http.Header{"Retry-After": {value}}}
}

func discardResponse(resp *http.Response, err error) (status int, _ error) {
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

func TestFaultsOfGoRetryablehttpAreNotOurs(t *testing.T) {
	for name, fault := range retryFaults {
		t.Run(name+" ("+fault.issue+")", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if !fault.shown(t, bareClient) {
					t.Error("go-retryablehttp does not do that any more: what is done against it may go")
				}
			})
			synctest.Test(t, func(t *testing.T) {
				if fault.shown(t, sdkClient) {
					t.Error("the client does that, too")
				}
			})
		})
	}
}

// #82: 4 KiB of a body that nobody wants are read, so that each larger one costs a connection. Since Go
// 1.27 net/http reads a little more when a body is closed, so these are larger still.
func TestFaultOfGoRetryablehttpDrainsTooLittle(t *testing.T) {
	connectionsOf := func(do func(url string)) int64 {
		server, connections := countingServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, strings.Repeat("x", 800<<10))
		})
		for range 5 {
			do(server.URL)
		}
		return connections.Load()
	}
	bare := retryablehttp.NewClient()
	bare.Logger, bare.RetryMax, bare.RetryWaitMin, bare.RetryWaitMax = nil, 2, 1, 1
	bare.ErrorHandler = retryablehttp.PassthroughErrorHandler
	defer bare.HTTPClient.CloseIdleConnections()
	if got := connectionsOf(func(url string) { _, _ = discardResponse(bare.StandardClient().Get(url)) }); got < 10 {
		t.Errorf("go-retryablehttp makes %d connections for 15 attempts: what is done against it may go", got)
	}
	client := ownClient(t, httpclient.Config{
		Retry: resilience.RetryConfig{Backoff: resilience.Backoff{Base: -1}}, Breaker: resilience.BreakerConfig{FailureRatio: -1},
	})
	got := connectionsOf(func(url string) {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
	})
	if got > few {
		t.Errorf("the client makes %d connections for 15 attempts, want 1", got)
	}
}

// #237: ten failures of one host cost a healthy one ten connections.
func TestFaultOfGoRetryablehttpClosesOtherHostsConnections(t *testing.T) {
	connectionsOf := func(client *http.Client) int64 {
		healthy, connections := countingServer(t, func(http.ResponseWriter, *http.Request) {})
		broken, _ := countingServer(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		for range 10 {
			_, _ = discardResponse(client.Get(broken.URL))
			if _, err := discardResponse(client.Get(healthy.URL)); err != nil {
				t.Fatal(err)
			}
		}
		return connections.Load()
	}
	bare := retryablehttp.NewClient()
	bare.Logger, bare.RetryMax, bare.RetryWaitMin, bare.RetryWaitMax = nil, 1, 1, 1
	defer bare.HTTPClient.CloseIdleConnections()
	if got := connectionsOf(bare.StandardClient()); got < 10 {
		t.Errorf("go-retryablehttp makes %d connections to the healthy host: what is done against it may go", got)
	}
	client := ownClient(t, httpclient.Config{Retry: resilience.RetryConfig{Backoff: resilience.Backoff{Base: -1}}})
	if got := connectionsOf(client); got > few {
		t.Errorf("the client makes %d connections to the healthy host, want 1", got)
	}
}
