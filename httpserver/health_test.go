package httpserver_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

func newHealth(t *testing.T, cfg httpserver.HealthConfig) (*httpserver.Health, *logs) {
	t.Helper()
	l := new(logs)
	cfg.Logger = l.logger()
	h, err := httpserver.NewHealth(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h, l
}

func ask(handler http.Handler) (int, string) {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestLivenessNeverAsksADependency(t *testing.T) {
	h, _ := newHealth(t, httpserver.HealthConfig{})
	h.Check("db", func(context.Context) error { t.Error("asked"); return nil })
	if code, body := ask(h.Livez()); code != 200 || body != `{"status":"ok"}` {
		t.Errorf("livez = %d %s", code, body)
	}
}

func TestReadinessFollowsTheServerAndTheChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := newHealth(t, httpserver.HealthConfig{})
		var down atomic.Bool
		h.Check("db", func(context.Context) error {
			if down.Load() {
				return errors.Unavailable.Wrap(io.ErrUnexpectedEOF, "")
			}
			return nil
		})
		h.Check("cache", func(context.Context) error { return nil })
		if code, body := ask(h.Readyz()); code != 503 || body != `{"status":"not ready"}` {
			t.Errorf("before the start: %d %s", code, body)
		}
		h.SetReady(true)
		if code, body := ask(h.Readyz()); code != 200 || body != `{"status":"ready"}` {
			t.Errorf("started: %d %s", code, body)
		}
		down.Store(true)
		if code, _ := ask(h.Readyz()); code != 200 {
			t.Errorf("the result was not cached: %d", code)
		}
		time.Sleep(time.Second)
		if code, body := ask(h.Readyz()); code != 503 || body != `{"status":"not ready"}` {
			t.Errorf("a check fails: %d %s", code, body)
		}
		if err := h.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "db") {
			t.Errorf("Ready = %v", err)
		}
		if line := l.line(t, "readiness check fails"); line["check"] != "db" {
			t.Errorf("line = %v", line)
		}
		down.Store(false)
		time.Sleep(time.Second)
		if code, _ := ask(h.Readyz()); code != 200 {
			t.Errorf("the check passes again: %d", code)
		}
		l.line(t, "readiness check passes again")
	})
}

func TestHungCheckFailsInTimeAndRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newHealth(t, httpserver.HealthConfig{Timeout: 300 * time.Millisecond})
		h.SetReady(true)
		var running, most atomic.Int32
		release := make(chan struct{})
		h.Check("stuck", func(context.Context) error { // it does not look at its context
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
			return nil
		})
		for range 3 {
			began := time.Now()
			if code, _ := ask(h.Readyz()); code != 503 {
				t.Errorf("status = %d", code)
			}
			if took := time.Since(began); took > 300*time.Millisecond {
				t.Errorf("took %v", took)
			}
			time.Sleep(2 * time.Second)
		}
		if most.Load() != 1 {
			t.Errorf("%d runs at once", most.Load())
		}
		close(release)
		synctest.Wait()
		if code, _ := ask(h.Readyz()); code != 200 {
			t.Errorf("after it came back: %d", code)
		}
	})
}

func TestCheckThatIsAlwaysTooSlowNeverPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := newHealth(t, httpserver.HealthConfig{})
		h.SetReady(true)
		h.Check("slow", func(context.Context) error { // it does not look at its context
			time.Sleep(1500 * time.Millisecond)
			return nil
		})
		for range 20 {
			if code, _ := ask(h.Readyz()); code != 503 {
				t.Errorf("status = %d", code)
			}
			time.Sleep(600 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		l.line(t, "readiness check fails") // and no word of recovery in between
	})
}

func TestCheckThatEndsOddlyFails(t *testing.T) {
	for name, end := range map[string]func(){
		"panic":     func() { panic("boom") },
		"nil panic": func() { panic(nil) },
		"goexit":    runtime.Goexit,
	} {
		h, l := newHealth(t, httpserver.HealthConfig{CacheFor: -1})
		h.SetReady(true)
		h.Check("odd", func(context.Context) error { end(); return nil })
		for range 2 { // it is run again
			if err := h.Ready(t.Context()); err == nil {
				t.Errorf("%s: the check passes", name)
			}
		}
		l.line(t, "readiness check fails")
	}
}

func TestManyProbesShareOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newHealth(t, httpserver.HealthConfig{})
		h.SetReady(true)
		var runs atomic.Int32
		h.Check("slow", func(context.Context) error {
			runs.Add(1)
			time.Sleep(100 * time.Millisecond)
			return nil
		})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if code, _ := ask(h.Readyz()); code != 200 {
					t.Errorf("status = %d", code)
				}
			})
		}
		wg.Wait()
		if runs.Load() != 1 {
			t.Errorf("%d runs", runs.Load())
		}
	})
}

func TestAdminPageNamesTheChecks(t *testing.T) {
	h, _ := newHealth(t, httpserver.HealthConfig{})
	h.SetReady(true)
	h.Check("db", func(context.Context) error { return errors.Unavailable.New("") })
	h.Check("cache", func(context.Context) error { return nil })
	w := httptest.NewRecorder()
	httpserver.NewAdminMux(h).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	var page struct {
		Status string
		Checks map[string]struct{ Status, Code string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	if w.Code != 503 || page.Checks["db"].Code != "unavailable" || page.Checks["cache"].Status != "ok" {
		t.Errorf("page = %d %+v", w.Code, page)
	}
}

func TestCheckNeedsANameOfItsOwn(t *testing.T) {
	h, _ := newHealth(t, httpserver.HealthConfig{})
	pass := func(context.Context) error { return nil }
	h.Check("db", pass)
	for name, add := range map[string]func(){
		"taken": func() { h.Check("db", pass) },
		"empty": func() { h.Check("", pass) },
		"nil":   func() { h.Check("cache", nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			add()
		}()
	}
}

func TestHealthConfigNamesItsFault(t *testing.T) {
	_, err := httpserver.NewHealth(httpserver.HealthConfig{Timeout: -time.Second})
	if err == nil || !strings.Contains(err.Error(), "Timeout: -1s") {
		t.Errorf("err = %v", err)
	}
}

func TestDebugSDKPage(t *testing.T) {
	server, err := httpserver.New(failing(nil), httpserver.Config{Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	w := httptest.NewRecorder()
	server.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/sdk", nil))
	var page struct {
		Go       string
		Modules  []struct{ Path, Version string }
		Policies []struct {
			Kind, Name string
			Value      map[string]any
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	found := false
	for _, p := range page.Policies {
		if p.Kind == "httpserver" && p.Name == server.Addr().String() {
			found = true
			if p.Value["request_timeout"] != "30s" || p.Value["max_concurrent"] != 1000.0 {
				t.Errorf("policy = %v", p.Value)
			}
		}
	}
	if !found || page.Modules == nil || !strings.HasPrefix(page.Go, "go1.") {
		t.Errorf("page = %s", w.Body)
	}
}
