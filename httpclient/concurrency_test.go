package httpclient_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
)

func TestConcurrencyIsBoundedAndSoIsItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Delay: 100 * time.Millisecond})
		client := newClient(t, script, httpclient.Config{Concurrency: resilience.BulkheadConfig{MaxConcurrent: 2, MaxQueue: 1}})
		var mu sync.Mutex
		var calls sync.WaitGroup
		answered, full := 0, 0
		for range 4 {
			calls.Go(func() {
				body := &upload{size: 1}
				resp, err := client.Do(body.request(t))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					answered++
					_ = resp.Body.Close()
				case errors.Is(err, resilience.ErrBulkheadFull) && errors.CodeOf(err) == errors.Unavailable:
					full++
				default:
					t.Errorf("got %v", err)
				}
				if body.opened.Load() != body.closed.Load() {
					t.Errorf("body opened %d times, closed %d times", body.opened.Load(), body.closed.Load())
				}
			})
		}
		synctest.Wait()
		if got := len(script.Requests()); got != 2 {
			t.Errorf("%d requests at a time, want 2", got)
		}
		calls.Wait()
		if answered != 3 || full != 1 {
			t.Errorf("%d answered, %d refused; want 3 and 1", answered, full)
		}
	})
}

// A body that nobody closes must not keep a place for ever.
func TestPlaceIsGivenBackAtTheHeaders(t *testing.T) {
	script := httpclienttest.NewTransport(httpclienttest.Step{Body: "x"})
	client := newClient(t, script, httpclient.Config{Concurrency: resilience.BulkheadConfig{MaxConcurrent: 1, MaxQueue: -1}})
	for range 3 {
		resp, err := send(t, client, "GET", target, "")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
	}
}

// A place is held during the waits between attempts: retries are not served before new calls, or after.
func TestPlaceIsHeldFromTheFirstAttemptToTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(
			httpclienttest.Step{Status: 503, Header: http.Header{"Retry-After": {"5"}}}, httpclienttest.Status(200))
		client := newClient(t, script, httpclient.Config{Concurrency: resilience.BulkheadConfig{MaxConcurrent: 1, MaxQueue: -1}})
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := send(t, client, "GET", target, ""); err == nil {
				_ = resp.Body.Close()
			}
		}()
		time.Sleep(time.Second)
		if _, err := send(t, client, "GET", target, ""); !errors.Is(err, resilience.ErrBulkheadFull) {
			t.Errorf("got %v, want ErrBulkheadFull", err)
		}
		<-done
	})
}

func TestTotalTimeoutAndCallerEndTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Hang: true})
		client := newClient(t, script, httpclient.Config{Concurrency: resilience.BulkheadConfig{MaxConcurrent: 1, MaxWait: -1}})
		first, endFirst := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		calls.Go(func() {
			req, _ := http.NewRequestWithContext(httpclient.With(first, httpclient.Call{Timeout: -1, AttemptTimeout: -1}), "GET", target, nil)
			_, _ = client.Do(req)
		})
		synctest.Wait()

		start := time.Now()
		_, err := send(t, client, "GET", target, "")
		if timeout, ok := errors.AsType[*httpclient.TimeoutError](err); !ok || timeout.Phase != httpclient.PhaseTotal || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %v, want the total timeout of 30s", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		_, err = client.Do(req)
		if _, ours := errors.AsType[*httpclient.TimeoutError](err); ours || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the end of the caller's context", err)
		}
		endFirst()
		calls.Wait()
		if got := len(script.Requests()); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
	})
}
