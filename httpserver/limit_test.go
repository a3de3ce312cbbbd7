package httpserver_test

import (
	"net/http"
	"net/http/httptest"
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
			if got := w.Header().Get("Retry-After"); got != "1" {
				t.Errorf("Retry-After = %q", got)
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
		// The next one tells how many there were since.
		time.Sleep(time.Second)
		for range 6 {
			go o.get("/")
		}
		synctest.Wait()
		lines := o.logs.lines(t, "requests shed")
		if len(lines) != 2 || lines[1]["shed"] != 15.0 {
			t.Errorf("lines = %v", lines)
		}
		time.Sleep(time.Second)
	})
}

func TestPanicGivesItsPlaceBack(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }), httpserver.Config{MaxConcurrent: 1})
	for range 3 {
		if w := o.get("/"); w.Code != 500 {
			t.Errorf("status = %d", w.Code)
		}
	}
}

func TestConcurrencyLimitCanBeTurnedOff(t *testing.T) {
	if w := observe(t, failing(nil), httpserver.Config{MaxConcurrent: -1}).get("/"); w.Code != 200 {
		t.Errorf("status = %d", w.Code)
	}
}
