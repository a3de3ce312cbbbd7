package service

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/backend-platform/sdk/internal/memnet"
	"github.com/backend-platform/sdk/tracing"
)

// spans is where spans go: it tells what ends, and when telemetry is shut down.
type spans struct {
	ended    func(string)
	shutdown func(context.Context) error
}

func (s spans) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (s spans) OnEnd(span sdktrace.ReadOnlySpan) {
	if s.ended != nil {
		s.ended(span.Name())
	}
}
func (s spans) ForceFlush(context.Context) error   { return nil }
func (s spans) Shutdown(ctx context.Context) error { return s.shutdown(ctx) }
func (s spans) config() tracing.Config {
	return tracing.Config{SpanProcessors: []sdktrace.SpanProcessor{s}}
}

// The whole stop: who is told what, and when. Requests that come in the delay are served; a consumer in the middle of a
// batch finishes it, after the requests that may need it; probes are answered until the end; telemetry is last.
func TestStopInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *life
		cfg := Config{Tracing: spans{
			ended: func(string) { l.event("span of the last request") },
			shutdown: func(context.Context) error {
				status, _, err := l.get(l.admin, "/livez")
				if status != 200 {
					t.Errorf("livez while telemetry is sent: %d, %v", status, err)
				}
				l.event("telemetry sent")
				return nil
			},
		}.config()}
		setup := func(_ context.Context, s *Service) error {
			s.OnStop("producer", func(context.Context) error { l.event("producer closed"); return nil })
			s.OnStop("db", func(context.Context) error { l.event("db closed"); return nil })
			s.Go("orders", func(ctx context.Context) error {
				<-ctx.Done()
				l.event("consumer told")
				time.Sleep(4 * time.Second) // the batch that it holds
				l.event("batch done")
				return ctx.Err()
			})
			mux := http.NewServeMux()
			mux.HandleFunc("GET /slow", func(http.ResponseWriter, *http.Request) {
				time.Sleep(7 * time.Second)
				l.event("request done")
			})
			s.Handle(mux)
			go func() { <-s.Draining(); l.event("draining") }()
			return nil
		}
		l = live(t, cfg, setup)
		if status, _, err := l.get(l.admin, "/readyz"); status != 200 {
			t.Errorf("readyz before the stop: %d, %v", status, err)
		}
		l.call("/slow")
		l.terminate(syscall.SIGTERM)
		synctest.Wait()
		for address, listener := range map[string]*memnet.Listener{"public": l.public, "admin": l.admin} {
			if status, _, err := l.get(listener, "/readyz"); status != 503 {
				t.Errorf("readyz at the %s address after the stop began: %d, %v", address, status, err)
			}
		}
		time.Sleep(5*time.Second - time.Millisecond)
		status, res, err := l.get(l.public, "/livez")
		if status != 200 || !res.Close {
			t.Errorf("a request in the drain delay: %d, close %v, %v", status, res != nil && res.Close, err)
		}
		time.Sleep(2 * time.Millisecond)
		if _, _, err := l.get(l.public, "/livez"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a request after the drain delay: %v, want it refused", err)
		}
		took, err := l.end()
		if err != nil {
			t.Errorf("Run = %v", err)
		}
		wantTook(t, took, 11*time.Second)
		if _, _, err := l.get(l.admin, "/livez"); err == nil {
			t.Error("the admin address is still served")
		}
		l.wantEvents("draining at 0s", "request done at 7s", "span of the last request at 7s", "consumer told at 7s",
			"batch done at 11s", "db closed at 11s", "producer closed at 11s", "telemetry sent at 11s")
		line := l.last()
		wantOpen(t, line)
		if line.Level != "INFO" || line.Cause != "signal: terminated" || line.Error != "" {
			t.Errorf("last line: %+v", line)
		}
		for phase, want := range map[string]float64{"drain_delay": 5, "http": 2, "runners": 4, "on_stop": 0, "flush": 0} {
			if got := line.Phases[phase]; got < want || got > want+0.5 {
				t.Errorf("phase %s took %v s, want %v", phase, got, want)
			}
		}
	})
}

// A person who presses Ctrl-C has no load balancer; a service without a public address has no clients.
func TestNoDelayWithoutSomebodyToWaitFor(t *testing.T) {
	serve := func(_ context.Context, s *Service) error { s.Handle(http.NotFoundHandler()); return nil }
	work := func(_ context.Context, s *Service) error {
		s.Go("work", func(ctx context.Context) error { <-ctx.Done(); return nil })
		return nil
	}
	for _, c := range []struct {
		name  string
		cfg   Config
		setup func(context.Context, *Service) error
		sig   os.Signal
		want  time.Duration
	}{
		{"SIGTERM", Config{}, serve, syscall.SIGTERM, 5 * time.Second},
		{"SIGINT", Config{}, serve, os.Interrupt, 0},
		{"no handler", Config{}, work, syscall.SIGTERM, 0},
		{"no handler, and a delay that somebody wants", Config{DrainDelay: 3 * time.Second}, work, syscall.SIGTERM, 3 * time.Second},
		{"switched off", Config{DrainDelay: -1}, serve, syscall.SIGTERM, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := live(t, c.cfg, c.setup)
				l.terminate(c.sig)
				took, err := l.end()
				if err != nil {
					t.Errorf("Run = %v", err)
				}
				wantTook(t, took, c.want)
			})
		})
	}
}

// net/http tells a handler nothing when Shutdown's time is over. Here its context ends, and what it uses is still open.
func TestHandlersAreToldBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *life
		l = live(t, Config{}, func(_ context.Context, s *Service) error {
			s.OnStop("db", func(context.Context) error { l.event("db closed"); return nil })
			s.Handle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				l.event("handler told")
				time.Sleep(500 * time.Millisecond)
				l.event("handler done")
			}))
			return nil
		})
		// The request's own deadline is 30 s, longer than all of the stop.
		l.call("/")
		l.terminate(syscall.SIGTERM)
		took, err := l.end()
		if err == nil || !strings.Contains(err.Error(), "1 requests were cut off") {
			t.Errorf("Run = %v", err)
		}
		wantTook(t, took, 13500*time.Millisecond)
		l.wantEvents("handler told at 13s", "handler done at 13.5s", "db closed at 13.5s")
		wantOpen(t, l.last(), "http requests")
	})
}

// Everything hangs: the sum of the bounds holds all the same, each step gets its share, and the last line names what was
// left.
func TestEverythingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *life
		stuck := hang(t)
		cfg := Config{Tracing: spans{shutdown: func(ctx context.Context) error {
			l.event("telemetry")
			return stuck(ctx)
		}}.config()}
		l = live(t, cfg, func(_ context.Context, s *Service) error {
			s.OnStop("producer", func(context.Context) error { l.event("producer"); return nil })
			s.OnStop("db", func(ctx context.Context) error { l.event("db"); return stuck(ctx) })
			s.Go("orders", func(ctx context.Context) error {
				<-ctx.Done()
				l.event("orders told")
				return stuck(ctx)
			})
			s.Go("mails", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			s.Handle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = stuck(r.Context()) }))
			return nil
		})
		l.call("/")
		l.terminate(syscall.SIGTERM)
		took, err := l.end()
		if err == nil {
			t.Error("Run = nil")
		}
		if took > 28*time.Second || took < 27*time.Second {
			t.Errorf("the stop took %v, want at most 28 s", took)
		}
		l.wantEvents("orders told at 14s", "db at 24s", "producer at 24.5s", "telemetry at 24.5s")
		line := l.last()
		wantOpen(t, line, "http requests", `runner "orders"`, `OnStop "db"`)
		if line.Level != "ERROR" || line.Telemetry.Message == "" {
			t.Errorf("last line: %+v", line)
		}
		// Where the runner hangs is in the log, and where the other one was is not.
		if text := l.log.String(); !strings.Contains(text, "TestEverythingHangs") || !strings.Contains(text, "hang.func") {
			t.Errorf("the runner's stack is not in the log:\n%s", text)
		}
	})
}

// A collector that is down costs its bound and spans, and is no failure: a job that has done its work must not be repeated.
func TestTelemetryThatIsLostIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Tracing: spans{shutdown: hang(t)}.config()}
		l := live(t, cfg, func(_ context.Context, s *Service) error {
			s.Go("work", func(ctx context.Context) error { <-ctx.Done(); return nil })
			return nil
		})
		l.terminate(syscall.SIGTERM)
		took, err := l.end()
		if err != nil {
			t.Errorf("Run = %v", err)
		}
		wantTook(t, took, 3*time.Second)
		line := l.last()
		if line.Level != "WARN" || line.Telemetry.Message == "" {
			t.Errorf("last line: %+v", line)
		}
	})
}

// Whatever is waited for when the second signal comes: the wait is over, what is left is named, and telemetry has 1 s.
func TestSecondSignalEndsEveryWait(t *testing.T) {
	for _, c := range []struct {
		name   string
		after  time.Duration // of the first signal
		handle bool          // a handler hangs
		runner bool
		hook   bool
		flush  bool
		open   []string
		at     time.Duration // the end, after the second signal
	}{
		{"drain delay", time.Second, false, false, false, false, nil, 0},
		{"requests", 6 * time.Second, true, false, false, false, []string{"http requests"}, 200 * time.Millisecond},
		{"runner", 6 * time.Second, false, true, false, false, []string{`runner "work"`}, 100 * time.Millisecond},
		{"OnStop", 6 * time.Second, false, false, true, false, []string{`OnStop "db"`}, 100 * time.Millisecond},
		{"telemetry", 6 * time.Second, false, false, false, true, nil, time.Second},
		{"all", 6 * time.Second, true, true, true, true, []string{"http requests", `runner "work"`, `OnStop "db"`}, 1400 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stuck := hang(t)
				maybe := func(hangs bool) func(context.Context) error {
					return func(ctx context.Context) error {
						if hangs {
							return stuck(ctx)
						}
						return nil
					}
				}
				cfg := Config{Tracing: spans{shutdown: maybe(c.flush)}.config()}
				l := live(t, cfg, func(_ context.Context, s *Service) error {
					s.OnStop("db", maybe(c.hook))
					s.Go("work", func(ctx context.Context) error { <-ctx.Done(); return maybe(c.runner)(ctx) })
					s.Handle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = maybe(c.handle)(r.Context()) }))
					return nil
				})
				l.call("/")
				l.terminate(syscall.SIGTERM)
				time.Sleep(c.after)
				l.began = time.Now()
				l.signals <- syscall.SIGTERM
				took, err := l.end()
				if err == nil || !strings.Contains(err.Error(), "second signal") {
					t.Errorf("Run = %v", err)
				}
				wantTook(t, took, c.at)
				wantOpen(t, l.last(), c.open...)
			})
		})
	}
}

// Streams have no end of their own.
func TestDrainingEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, Config{}, func(_ context.Context, s *Service) error {
			s.Handle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-s.Draining():
				case <-r.Context().Done():
					t.Error("the request's context ended first")
				}
			}))
			return nil
		})
		l.call("/")
		l.terminate(syscall.SIGTERM)
		took, err := l.end()
		if err != nil {
			t.Errorf("Run = %v", err)
		}
		wantTook(t, took, 5*time.Second)
	})
}

// The budgets of a stop are what they are whatever the timeouts are.
func TestBudgetsOfAShortStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *life
		stuck := hang(t)
		l = live(t, Config{StopTimeout: 2 * time.Second, DrainDelay: -1}, func(_ context.Context, s *Service) error {
			s.OnStop("db", func(ctx context.Context) error { <-ctx.Done(); l.event("db told"); return nil })
			s.Go("work", func(ctx context.Context) error { <-ctx.Done(); l.event("work told"); return stuck(ctx) })
			s.Handle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = stuck(r.Context()) }))
			return nil
		})
		l.call("/")
		l.terminate(syscall.SIGTERM)
		took, err := l.end()
		if err == nil {
			t.Error("Run = nil")
		}
		if took > 2*time.Second {
			t.Errorf("the stop took %v", took)
		}
		wantOpen(t, l.last(), "http requests", `runner "work"`)
	})
}
