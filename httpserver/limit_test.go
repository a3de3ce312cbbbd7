package httpserver_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/httpserver"
)

// endless is a body that nobody could hold in memory.
type endless struct{ read int64 }

func (e *endless) Read(b []byte) (int, error) {
	clear(b)
	e.read += int64(len(b))
	return len(b), nil
}

func swallow(_ http.ResponseWriter, r *http.Request) error {
	_, err := io.Copy(io.Discard, r.Body)
	return err
}

func TestHugeBodyIsRefusedUnread(t *testing.T) {
	body := new(endless)
	r := httptest.NewRequest(http.MethodPut, "/", body)
	r.ContentLength = 10 << 30
	o := observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{})
	w := o.call(r)
	if p := problemOf(t, w); w.Code != 413 || p["reason"] != "BODY_TOO_LARGE" || p["detail"] != "The request body may have at most 1048576 bytes." {
		t.Errorf("answer = %d %v", w.Code, p)
	}
	if body.read != 0 {
		t.Errorf("%d bytes were read", body.read)
	}
}

func TestHugeBodyOfUnknownLengthEndsAtTheLimit(t *testing.T) {
	for name, handler := range map[string]http.Handler{
		"all":   observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{}),
		"alone": httpserver.LimitBody(httpserver.HandlerFunc(swallow), 0),
	} {
		body := new(endless)
		r := httptest.NewRequest(http.MethodPut, "/", body)
		r.ContentLength = -1
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if p := problemOf(t, w); w.Code != 413 || p["reason"] != "BODY_TOO_LARGE" {
			t.Errorf("%s: answer = %d %v", name, w.Code, p)
		}
		if body.read > 2<<20 {
			t.Errorf("%s: %d bytes were read", name, body.read)
		}
	}
}

// On a real connection the client is told that it need not go on sending.
func TestHugeBodyEndsTheConnection(t *testing.T) {
	server := httptest.NewServer(observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{MaxBodyBytes: 1000}))
	defer server.Close()
	res, err := server.Client().Post(server.URL, "text/plain", io.LimitReader(new(endless), 2000))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 413 || !res.Close {
		t.Errorf("status = %d, connection ended %v", res.StatusCode, res.Close)
	}
}

func TestBodyLimitCanBeSetAndTurnedOff(t *testing.T) {
	for limit, want := range map[int64]int{10: 413, 11: 200, -1: 200} {
		o := observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{MaxBodyBytes: limit})
		if w := o.call(httptest.NewRequest(http.MethodPut, "/", strings.NewReader("hello world"))); w.Code != want {
			t.Errorf("limit %d: status = %d, want %d", limit, w.Code, want)
		}
	}
}

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
