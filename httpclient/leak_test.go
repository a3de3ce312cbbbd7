package httpclient_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
)

// scenarios are the ways in which a call ends. Each makes the calls that it says, and returns how the
// last one ended: its status, or what errors.Is finds in its error.
var scenarios = map[string]struct {
	steps []httpclienttest.Step
	cfg   httpclient.Config
	calls int
	after time.Duration // when the caller goes away; zero: never
	want  any
}{
	"success":               {steps: []httpclienttest.Step{{Body: "x"}}, want: 200},
	"success without body":  {steps: []httpclienttest.Step{{Status: 204}}, want: 204},
	"retry of a response":   {steps: []httpclienttest.Step{{Status: 503, Body: "later"}, {Body: "x"}}, want: 200},
	"retry of an error":     {steps: []httpclienttest.Step{httpclienttest.Fail(syscall.ECONNRESET), {Body: "x"}}, want: 200},
	"retry of a timeout":    {steps: []httpclienttest.Step{{Hang: true}, {Body: "x"}}, want: 200},
	"attempts used up":      {steps: []httpclienttest.Step{{Status: 503, Body: "later"}}, want: 503},
	"errors used up":        {steps: []httpclienttest.Step{httpclienttest.Fail(syscall.ECONNRESET)}, want: syscall.ECONNRESET},
	"cancel of an attempt":  {steps: []httpclienttest.Step{{Hang: true}}, after: time.Second, want: context.Canceled},
	"cancel of a wait":      {steps: []httpclienttest.Step{retryAfter("5")}, after: time.Second, want: context.Canceled},
	"cancel of a body":      {steps: []httpclienttest.Step{{Body: "x", BodyDelay: time.Hour}}, after: time.Second, want: context.Canceled},
	"total timeout":         {steps: []httpclienttest.Step{{Hang: true}}, cfg: httpclient.Config{Timeout: 15 * time.Second}, want: context.DeadlineExceeded},
	"timeout within a body": {steps: []httpclienttest.Step{{Body: "x", BodyDelay: time.Hour}}, want: context.DeadlineExceeded},
	"broken body":           {steps: []httpclienttest.Step{{Body: "x", BodyErr: io.ErrUnexpectedEOF}}, want: io.ErrUnexpectedEOF},
	"breaker open": {
		steps: []httpclienttest.Step{{Status: 500, Body: "x"}}, calls: 3,
		cfg: httpclient.Config{Breaker: resilience.BreakerConfig{MinCalls: 1}}, want: resilience.ErrCircuitOpen,
	},
	"redirect": {steps: []httpclienttest.Step{redirect("/there"), {Body: "x"}}, want: 200},
	"redirects with a body": {
		steps: []httpclienttest.Step{{Status: 307, Body: "x", Header: http.Header{"Location": {"/there"}}}, redirect("/there"), {Status: 404, Body: "x"}},
		want:  404,
	},
	"redirects without end": {steps: []httpclienttest.Step{redirect("/again")}, want: nil},
}

func TestNothingIsLeftHoweverACallEnds(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := httpclienttest.NewTransport(s.steps...)
				recorder := httpclienttest.NewRecorder(script)
				client := newClient(t, recorder, s.cfg)
				for range max(s.calls, 1) - 1 {
					_, _ = finished(t, client, recorder, 0)
				}
				status, err := finished(t, client, recorder, s.after)
				switch want := s.want.(type) {
				case int:
					if status != want || err != nil {
						t.Errorf("status %d, %v; want %d", status, err, want)
					}
				case error:
					if !errors.Is(err, want) {
						t.Errorf("%v, want %v", err, want)
					}
				default:
					if err == nil {
						t.Error("no error")
					}
				}
				script.Check(t)
				recorder.Check(t)
			})
		})
	}
}

// finished makes one call to its end; when it returns, nobody here holds the request or the response.
func finished(t *testing.T, client *http.Client, recorder *httpclienttest.Recorder, after time.Duration) (int, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if after > 0 {
		time.AfterFunc(after, cancel)
	}
	req, err := http.NewRequestWithContext(ctx, "PUT", target, strings.NewReader("order"))
	if err != nil {
		t.Fatal(err)
	}
	recorder.Watch(req)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	return resp.StatusCode, err
}

// The same over TLS, with both versions of HTTP, connections and all.
func TestNothingIsLeftOfCallsOfRealServers(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var calls atomic.Int64
		more := make(chan struct{})
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			switch r.URL.Path {
			case "/flaky":
				if calls.Add(1)%3 != 0 {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				_, _ = io.WriteString(w, strings.Repeat("x", 5000))
			case "/redirect":
				http.Redirect(w, r, "/flaky", http.StatusTemporaryRedirect)
			case "/broken":
				w.Header().Set("Content-Length", "100")
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			case "/stalled":
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				<-more
			}
		}))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.EnableHTTP2 = http2
		server.StartTLS()
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		recorder := httpclienttest.NewRecorder(&http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		})
		client := newClient(t, recorder, httpclient.Config{
			Retry: resilience.RetryConfig{Backoff: resilience.Backoff{Base: -1}}, Breaker: resilience.BreakerConfig{FailureRatio: -1},
		})
		for path, want := range map[string]int{"/flaky": 200, "/redirect": 200, "/broken": 0, "/stalled": 0, "/nowhere": 200} {
			for range 3 {
				if status, err := calledReal(t, client, recorder, server.URL+path, want == 0); status != want {
					t.Errorf("HTTP/2 %v, %s: status %d, %v; want %d", http2, path, status, err, want)
				}
			}
		}
		recorder.Check(t)
		close(more)
		server.Close()
	}
}

func calledReal(t *testing.T, client *http.Client, recorder *httpclienttest.Recorder, url string, ends bool) (int, error) {
	t.Helper()
	call := httpclient.Call{}
	if ends {
		call.BodyIdleTimeout = 100 * time.Millisecond
	}
	req, err := http.NewRequestWithContext(httpclient.With(context.Background(), call), "PUT", url, strings.NewReader("order"))
	if err != nil {
		t.Fatal(err)
	}
	recorder.Watch(req)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}
