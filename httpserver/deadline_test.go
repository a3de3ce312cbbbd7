package httpserver_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// left is how much time a handler inside wrap has.
func left(t *testing.T, wrap func(http.Handler) http.Handler, header string) time.Duration {
	t.Helper()
	var got time.Duration
	inner := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if at, ok := r.Context().Deadline(); ok {
			got = time.Until(at)
		}
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if header != "" {
		r.Header.Set("Request-Timeout-Ms", header)
	}
	wrap(inner).ServeHTTP(httptest.NewRecorder(), r)
	return got
}

func TestDeadlineIsTheShorterOfOursAndTheCallers(t *testing.T) {
	limit := func(d time.Duration) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler { return httpserver.Deadline(next, d) }
	}
	all := func(cfg httpserver.Config) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler { return observe(t, next, cfg) }
	}
	inside := func(outer func(http.Handler) http.Handler, d time.Duration) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler { return outer(httpserver.Deadline(next, d)) }
	}
	tests := map[string]struct {
		wrap   func(http.Handler) http.Handler
		header string
		want   time.Duration // 0: none
	}{
		"default":                   {limit(0), "", 30 * time.Second},
		"own":                       {limit(time.Second), "", time.Second},
		"caller's shorter":          {limit(time.Second), "250", 250 * time.Millisecond},
		"caller's longer":           {limit(time.Second), "5000", time.Second},
		"caller's not a number":     {limit(time.Second), "soon", time.Second},
		"caller's zero":             {limit(time.Second), "0", time.Second},
		"caller's negative":         {limit(time.Second), "-5", time.Second},
		"caller's absurd":           {limit(time.Second), "99999999999999999999", time.Second},
		"none":                      {limit(-1), "", 0},
		"none but the caller's":     {limit(-1), "250", 250 * time.Millisecond},
		"server":                    {all(httpserver.Config{}), "", 30 * time.Second},
		"server, caller's":          {all(httpserver.Config{}), "250", 250 * time.Millisecond},
		"server, none":              {all(httpserver.Config{RequestTimeout: -1}), "", 0},
		"public":                    {all(httpserver.Config{Public: true}), "250", 30 * time.Second},
		"route longer":              {inside(all(httpserver.Config{}), time.Minute), "", time.Minute},
		"route shorter":             {inside(all(httpserver.Config{}), time.Second), "", time.Second},
		"route none":                {inside(all(httpserver.Config{}), -1), "", 0},
		"route none, caller's":      {inside(all(httpserver.Config{}), -1), "250", 250 * time.Millisecond},
		"route of a public server":  {inside(all(httpserver.Config{Public: true}), time.Minute), "250", time.Minute},
		"route longer than callers": {inside(all(httpserver.Config{}), time.Minute), "45000", 45 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := left(t, test.wrap, test.header); got != test.want {
					t.Errorf("time left = %v, want %v", got, test.want)
				}
			})
		})
	}
}

func TestDeadlineThatPassesIs504(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, wait := range map[string]func(ctx context.Context) error{
			"ctx.Err":       func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			"context.Cause": func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
			"child": func(ctx context.Context) error {
				child, cancel := context.WithTimeout(ctx, time.Hour)
				defer cancel()
				<-child.Done()
				return child.Err()
			},
			"AfterFunc": func(ctx context.Context) error {
				done := make(chan struct{})
				context.AfterFunc(ctx, func() { close(done) })
				<-done
				return ctx.Err()
			},
			"polling": func(ctx context.Context) error {
				for ctx.Err() == nil {
					time.Sleep(100 * time.Millisecond)
				}
				return ctx.Err()
			},
			"canceled by itself at the same time": func(ctx context.Context) error { <-ctx.Done(); return context.Canceled },
		} {
			o := observe(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
				return wait(r.Context())
			}), httpserver.Config{RequestTimeout: 2 * time.Second})
			began := time.Now()
			w := o.get("/")
			if p := problemOf(t, w); w.Code != 504 || p["code"] != "deadline_exceeded" {
				t.Errorf("%s: answer = %d %v", name, w.Code, p)
			}
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("%s: took %v", name, took)
			}
		}
	})
}

// A route's deadline replaces the server's, but nobody else's cancellation.
func TestReplacedDeadlineStillEndsForOtherReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, leave := context.WithCancel(t.Context())
		middle := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeoutCause(r.Context(), 20*time.Second, errors.Aborted)
				defer cancel()
				next.ServeHTTP(w, r.WithContext(ctx))
			})
		}
		var cause error
		var lived time.Duration
		waiting := httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			began := time.Now()
			<-r.Context().Done()
			cause, lived = context.Cause(r.Context()), time.Since(began)
			return nil
		})
		server := func(next http.Handler) http.Handler {
			return observe(t, next, httpserver.Config{RequestTimeout: 10 * time.Second})
		}
		request := func() *http.Request { return httptest.NewRequestWithContext(caller, http.MethodGet, "/", nil) }

		// The server's 10 s do not end it, the route's minute does.
		server(httpserver.Deadline(waiting, time.Minute)).ServeHTTP(httptest.NewRecorder(), request())
		if lived != time.Minute || errors.CodeOf(cause) != errors.DeadlineExceeded {
			t.Errorf("lived %v, cause %v", lived, cause)
		}
		// A timeout of somebody in between does, before the server's has passed.
		quick := func(next http.Handler) http.Handler { return observe(t, next, httpserver.Config{}) }
		quick(middle(httpserver.Deadline(waiting, time.Minute))).ServeHTTP(httptest.NewRecorder(), request())
		if lived != 20*time.Second || !errors.Is(cause, errors.Aborted) {
			t.Errorf("lived %v, cause %v", lived, cause)
		}
		// So does the caller, also after the server's has passed.
		time.AfterFunc(15*time.Second, leave)
		server(httpserver.Deadline(waiting, -1)).ServeHTTP(httptest.NewRecorder(), request())
		if lived != 15*time.Second || cause != context.Canceled {
			t.Errorf("lived %v, cause %v", lived, cause)
		}
	})
}

func TestContextEndsWithTheRequest(t *testing.T) {
	for _, touch := range []bool{false, true} {
		var kept context.Context
		o := observe(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			kept = r.Context()
			if touch {
				_ = kept.Done()
			}
			return nil
		}), httpserver.Config{})
		o.get("/")
		<-kept.Done()
		if kept.Err() != context.Canceled {
			t.Errorf("touched %v: Err = %v", touch, kept.Err())
		}
	}
}

// The context of a request, made when it is first needed, must do whatever the standard one does. Both
// are asked the same questions at the same moments of virtual time, from several goroutines.
func TestDeadlineContextModel(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 17))
			limit := time.Duration(1+random.IntN(20)) * time.Millisecond
			parent, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if random.IntN(2) == 0 {
				at := time.Duration(1+random.IntN(20))*time.Millisecond + time.Microsecond
				time.AfterFunc(at, func() { cancel(errors.Aborted) })
			}
			handler := httpserver.Deadline(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				want, stop := context.WithTimeout(parent, limit)
				defer stop()
				var wg sync.WaitGroup
				for i := range 4 {
					random := rand.New(rand.NewPCG(seed, uint64(i)))
					wg.Go(func() { compareContexts(r.Context(), want, t, random) })
				}
				wg.Wait()
			}), limit)
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(parent, http.MethodGet, "/", nil))
		})
	}
}

func compareContexts(got, want context.Context, t *testing.T, random *rand.Rand) {
	for range 12 { // 12 times 70 µs is less than a millisecond
		// Beside every event, which fall on whole milliseconds, so that nothing happens while we compare.
		time.Sleep(time.Duration(random.IntN(4))*time.Millisecond + 70*time.Microsecond)
		switch random.IntN(4) {
		case 0:
			if g, w := got.Err(), want.Err(); g != w {
				t.Errorf("Err = %v, want %v", g, w)
			}
		case 1:
			if g, w := closed(got.Done()), closed(want.Done()); g != w {
				t.Errorf("done = %v, want %v", g, w)
			}
		case 2:
			g, _ := got.Deadline()
			w, _ := want.Deadline()
			if !g.Equal(w) {
				t.Errorf("Deadline = %v, want %v", g, w)
			}
		case 3:
			g, stopG := context.WithCancel(got)
			w, stopW := context.WithCancel(want)
			if g.Err() != w.Err() || closed(g.Done()) != closed(w.Done()) {
				t.Errorf("child: %v, want %v", g.Err(), w.Err())
			}
			stopG()
			stopW()
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
