package httpclient_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
)

func timeoutOf(t testing.TB, err error) httpclient.TimeoutError {
	t.Helper()
	timeout, ok := errors.AsType[*httpclient.TimeoutError](err)
	if !ok {
		t.Fatalf("%v is no TimeoutError", err)
	}
	if errors.CodeOf(err) != errors.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errors.DeadlineExceeded) {
		t.Errorf("%v: code %v", err, errors.CodeOf(err))
	}
	return *timeout
}

func TestAttemptTimeoutStartsAnotherAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Hang: true}, httpclienttest.Status(200))
		start := time.Now()
		resp, err := send(t, newClient(t, script, httpclient.Config{}), "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("took %v, want 10 s and a wait", took)
		}
	})
}

func TestAttemptTimeoutOfPostIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Hang: true})
		_, err := send(t, newClient(t, script, httpclient.Config{}), "POST", target, "x")
		if got, want := timeoutOf(t, err), (httpclient.TimeoutError{Phase: httpclient.PhaseAttempt, Limit: 10 * time.Second}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		var wrapped *url.Error
		if !errors.As(err, &wrapped) || !wrapped.Timeout() {
			t.Errorf("%v: url.Error.Timeout is false", err)
		}
		if got := len(script.Requests()); got != 1 {
			t.Errorf("%d attempts, want 1", got)
		}
	})
}

func TestTotalTimeoutEndsTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Hang: true})
		start := time.Now()
		_, err := send(t, newClient(t, script, httpclient.Config{Timeout: 15 * time.Second}), "GET", target, "")
		if got, want := timeoutOf(t, err), (httpclient.TimeoutError{Phase: httpclient.PhaseTotal, Limit: 15 * time.Second}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("took %v, want 15 s", took)
		}
	})
}

func TestEndOfTheCallersContextIsNoTimeoutOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		_, err := newClient(t, script, httpclient.Config{}).Do(req)
		if _, ours := errors.AsType[*httpclient.TimeoutError](err); ours || errors.CodeOf(err) != errors.DeadlineExceeded {
			t.Errorf("%v: code %v", err, errors.CodeOf(err))
		}
	})
}

func TestTotalTimeoutCoversTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Body: strings.Repeat("x", 1000), BodyDelay: 9 * time.Second})
		resp, err := send(t, newClient(t, script, httpclient.Config{}), "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for err == nil {
			_, err = resp.Body.Read(make([]byte, 1))
		}
		if got, want := timeoutOf(t, err), (httpclient.TimeoutError{Phase: httpclient.PhaseTotal, Limit: 30 * time.Second}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("took %v, want 30 s", took)
		}
		_ = resp.Body.Close()
		script.Check(t)
	})
}

func TestStalledBodyEndsAtTheIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Body: "x", BodyDelay: time.Hour})
		resp, err := send(t, newClient(t, script, httpclient.Config{Timeout: -1}), "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = io.ReadAll(resp.Body)
		if got, want := timeoutOf(t, err), (httpclient.TimeoutError{Phase: httpclient.PhaseBody, Limit: 10 * time.Second}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %v, want 10 s", took)
		}
		_ = resp.Body.Close()
		script.Check(t)
	})
}

func TestSlowDownloadIsNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Body: strings.Repeat("x", 10), BodyDelay: 9 * time.Second})
		ctx := httpclient.With(t.Context(), httpclient.Call{Timeout: -1})
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		resp, err := newClient(t, script, httpclient.Config{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) // a slow reader is not an idle body
		}
		_ = resp.Body.Close()
		script.Check(t)
	})
}

func TestServerSentEventsStayOpenForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Body: "event", BodyDelay: 3 * time.Hour, Chunked: true})
		ctx := httpclient.With(t.Context(), httpclient.Call{Timeout: -1, BodyIdleTimeout: -1})
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		resp, err := newClient(t, script, httpclient.Config{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := readAndClose(t, resp); got != "event" {
			t.Errorf("got %q", got)
		}
	})
}

func TestRedirectsShareTheTotalTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hop := httpclienttest.Step{Status: 302, Header: http.Header{"Location": {"/again"}}, Body: "x", Delay: 4 * time.Second}
		script := httpclienttest.NewTransport(hop)
		start := time.Now()
		_, err := send(t, newClient(t, script, httpclient.Config{Timeout: 10 * time.Second}), "GET", target, "")
		if timeoutOf(t, err).Phase != httpclient.PhaseTotal || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v, want the total timeout after 10 s", err, time.Since(start))
		}
		script.Check(t)
	})
}

// The timer must be gone with the call: synctest fails a bubble that ends with one running in which
// nobody waits, and virtual time tells whether one was left.
func TestNothingIsLeftOfACall(t *testing.T) {
	for name, step := range map[string]httpclienttest.Step{
		"response":     {Status: 200, Body: "x"},
		"no body":      {Status: 204},
		"error":        {Err: io.ErrUnexpectedEOF},
		"broken body":  {Body: "x", BodyErr: io.ErrUnexpectedEOF},
		"last attempt": {Status: 503, Body: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := httpclienttest.NewTransport(step)
				ctx, cancel := context.WithCancel(t.Context())
				req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
				var attempt context.Context
				spy := roundTripper(func(req *http.Request) (*http.Response, error) {
					attempt = req.Context()
					return script.RoundTrip(req)
				})
				resp, err := newClient(t, spy, httpclient.Config{}).Do(req)
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					_ = resp.Body.Close()
				}
				if attempt.Err() == nil {
					t.Error("the attempt's context was not ended")
				}
				cancel()
				script.Check(t)
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestUpgradedConnectionHasNoTimeoutsAndCanBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempt context.Context
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			attempt = req.Context()
			return &http.Response{StatusCode: 101, Header: http.Header{}, Body: &pipe{}}, nil
		})
		resp, err := send(t, newClient(t, base, httpclient.Config{}), "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if attempt.Err() != nil {
			t.Error("the connection was cut off")
		}
		conn, ok := resp.Body.(io.ReadWriteCloser)
		if !ok {
			t.Fatalf("body is a %T, want an io.ReadWriteCloser", resp.Body)
		}
		if _, err := conn.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "ping" {
			t.Errorf("read %q, %v", got, err)
		}
		_ = conn.Close()
	})
}

type pipe struct{ strings.Builder }

func (p *pipe) Read(b []byte) (int, error) { return copy(b, p.String()), nil }
func (p *pipe) Close() error               { return nil }

func TestDrainOfARetriedResponseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(
			httpclienttest.Step{Status: 503, Body: strings.Repeat("x", 5000), BodyDelay: time.Minute},
			httpclienttest.Status(200))
		start := time.Now()
		resp, err := send(t, newClient(t, script, httpclient.Config{}), "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("took %v, want at most the 2 s of draining and a wait", took)
		}
		script.Check(t)
	})
}

func TestDrainLeavesTimeForTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(
			httpclienttest.Step{Status: 503, Body: strings.Repeat("x", 5000), BodyDelay: time.Minute},
			httpclienttest.Step{Delay: 100 * time.Millisecond})
		resp, err := send(t, newClient(t, script, httpclient.Config{Timeout: 1500 * time.Millisecond}), "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
		script.Check(t)
	})
}
