package httpserver_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/httpserver"
)

func TestLoadIsShedBeyondTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := observe(t, httpserver.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			time.Sleep(100 * time.Millisecond)
			return nil
		}), httpserver.Config{MaxConcurrent: 5})
		answers := make(chan *httptest.ResponseRecorder, 20)
		for range 20 {
			go func() { answers <- o.get("/") }()
		}
		served := 0
		for range 20 {
			w := <-answers
			if w.Code == 200 {
				served++
				continue
			}
			if p := problemOf(t, w); w.Code != 503 || p["reason"] != "OVERLOADED" || p["retryable"] != true {
				t.Errorf("answer = %d %v", w.Code, p)
			}
			if got := w.Header().Get("Retry-After"); got != "1" && got != "2" && got != "3" {
				t.Errorf("Retry-After = %q, want 1 to 3", got)
			}
		}
		if served != 5 {
			t.Errorf("%d requests were served, want 5", served)
		}
		if w := o.get("/"); w.Code != 200 {
			t.Errorf("after the crowd: %d", w.Code)
		}
		// One warning for fifteen requests, and no line for each.
		if lines := o.logs.lines(t, "request"); len(lines) != 7 {
			t.Errorf("%d lines:\n%s", len(lines), o.logs)
		}
		if line := o.logs.line(t, "requests shed"); line["level"] != "WARN" || line["limit"] != 5.0 {
			t.Errorf("line = %v", line)
		}
		// The next one tells how many there were since: of fifteen and one, none is told twice or not at all.
		time.Sleep(time.Second)
		for range 6 {
			go o.get("/")
		}
		synctest.Wait()
		lines := o.logs.lines(t, "requests shed")
		if len(lines) != 2 || lines[0]["shed"].(float64)+lines[1]["shed"].(float64) != 16 {
			t.Errorf("lines = %v", lines)
		}
		time.Sleep(time.Second)
	})
}

func TestPanicGivesItsPlaceBack(t *testing.T) {
	for name, value := range map[string]any{"text": "boom", "nil pointer": (*hollow)(nil)} {
		o := observe(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(value) }), httpserver.Config{MaxConcurrent: 1})
		for range 3 {
			if w := o.get("/"); w.Code != 500 {
				t.Errorf("%s: status = %d", name, w.Code)
			}
		}
	}
}

// A logger that panics is somebody else's fault, which must not take the server's places one by one.
func TestPanicOfTheLoggerGivesThePlaceBack(t *testing.T) {
	handler, err := httpserver.NewHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }),
		httpserver.Config{MaxConcurrent: 1, NoAccessLog: true, Logger: slog.New(brokenHandler{})})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w := httptest.NewRecorder()
		func() {
			defer func() {
				if value := recover(); value != "the log is broken" {
					t.Errorf("recovered %v, status %d", value, w.Code)
				}
			}()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		}()
	}
}

type brokenHandler struct{ slog.Handler }

func (brokenHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (brokenHandler) Handle(context.Context, slog.Record) error { panic("the log is broken") }

func TestConcurrencyLimitCanBeTurnedOff(t *testing.T) {
	if w := observe(t, failing(nil), httpserver.Config{MaxConcurrent: -1}).get("/"); w.Code != 200 {
		t.Errorf("status = %d", w.Code)
	}
}

// Requests of a service come at random and need one of a few places for a random time, as of a pool of connections. At
// normal load nothing is shed; at four times what the service can do, as many are served as it can, in a time that is
// about the normal one.
func TestSheddingKeepsLatencyAtFourTimesTheCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places, mean = 10, 10 * time.Millisecond
		const capacity = float64(places) / 0.010
		rng := rand.New(rand.NewPCG(1, 3))
		random := func(mean time.Duration) time.Duration { return time.Duration(rng.ExpFloat64() * float64(mean)) }
		pool := make(chan struct{}, places)
		handler, err := httpserver.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			need, _ := time.ParseDuration(r.URL.RawQuery)
			pool <- struct{}{}
			time.Sleep(need)
			<-pool
		}), httpserver.Config{})
		if err != nil {
			t.Fatal(err)
		}

		var mu sync.Mutex
		var shed int
		var served []time.Duration
		offer := func(load float64, length time.Duration) (median, p99 time.Duration, rate float64, refused int) {
			mu.Lock()
			shed, served = 0, nil
			mu.Unlock()
			for end := time.Now().Add(length); time.Now().Before(end); {
				time.Sleep(random(time.Duration(float64(time.Second) / (load * capacity))))
				r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/", RawQuery: random(mean).String()}}
				go func() {
					began := time.Now()
					w := &httptest.ResponseRecorder{}
					handler.ServeHTTP(w, r)
					mu.Lock()
					defer mu.Unlock()
					if w.Code == http.StatusServiceUnavailable {
						shed++
						return
					}
					served = append(served, time.Since(began))
				}()
			}
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(served)
			n := len(served)
			return served[n/2], served[n*99/100], float64(n) / length.Seconds(), shed
		}

		normal, normal99, _, refused := offer(0.8, 2*time.Second)
		if refused > 0 {
			t.Errorf("%d requests were shed at normal load", refused)
		}
		offer(4, 3*time.Second) // the limit finds its place
		median, p99, rate, refused := offer(4, 2*time.Second)
		t.Logf("normal: p50 %v, p99 %v; at 4 times the capacity: p50 %v, p99 %v, %.0f of %.0f a second served, %d shed",
			normal, normal99, median, p99, rate, capacity, refused)
		if median > 3*normal || p99 > 3*normal99 {
			t.Errorf("requests take %v (p99 %v), and %v (p99 %v) at normal load", median, p99, normal, normal99)
		}
		if rate < 0.8*capacity || refused == 0 {
			t.Errorf("%.0f a second are served, of %.0f that can be; %d shed", rate, capacity, refused)
		}
		offer(0.8, 3*time.Second) // the limit rises
		if _, _, _, refused := offer(0.8, 2*time.Second); refused > 0 {
			t.Errorf("%d requests were shed when the load was normal again", refused)
		}
		time.Sleep(time.Minute) // for what is in hand
	})
}
