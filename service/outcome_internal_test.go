package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/internal/locked"
	"github.com/backend-platform/sdk/internal/memnet"
)

// Each way in which a runner ends, alone and during the stop.
func TestARunnerThatEndsStopsTheService(t *testing.T) {
	failed := errors.New("the group was fenced")
	for _, c := range []struct {
		name  string
		end   func() error
		err   string // "": exit code 0
		cause string
	}{
		{"an error", func() error { return failed }, `runner "orders": the group was fenced`, `runner "orders" failed`},
		{"nil", func() error { return nil }, `runner "orders" ended, without an error and before the stop`, `runner "orders" failed`},
		{"a panic", func() error { panic("no such key") }, `panic: no such key`, `runner "orders" failed`},
		{"a panic with ErrStop", func() error { panic(ErrStop) }, `panic: the work is done`, `runner "orders" failed`},
		{"Goexit", func() error { runtime.Goexit(); return nil }, `runtime.Goexit`, `runner "orders" failed`},
		{"a cancellation that is not ours", func() error { return context.Canceled }, `context canceled`, `runner "orders" failed`},
		{"ErrStop", func() error { return ErrStop }, "", `runner "orders" is done`},
		{"ErrStop inside", func() error { return fmt.Errorf("migrate: %w", ErrStop) }, "", `runner "orders" is done`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other := false
				l := live(t, Config{}, func(_ context.Context, s *Service) error {
					s.Go("orders", func(context.Context) error { return c.end() })
					s.Go("other", func(ctx context.Context) error { <-ctx.Done(); other = true; return ctx.Err() })
					return nil
				})
				_, err := l.end()
				if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
					t.Errorf("Run = %v, want %q", err, c.err)
				}
				if c.name == "an error" && !errors.Is(err, failed) {
					t.Errorf("Run's error %v does not hold the runner's", err)
				}
				if !other {
					t.Error("the other runner was not stopped in order")
				}
				line := l.last()
				if line.Cause != c.cause || (line.Level == "ERROR") != (c.err != "") {
					t.Errorf("last line: %+v", line)
				}
				if c.name == "a panic" && !strings.Contains(l.log.String(), "outcome_internal_test.go") {
					t.Errorf("the log does not say where the panic was:\n%s", &l.log)
				}
			})
		})
	}
}

// A runner that fails while the service stops makes the stop a failed one; one that is done is welcome.
func TestARunnersEndDuringTheStop(t *testing.T) {
	for _, c := range []struct {
		name string
		end  error
		err  string
	}{
		{"its context's end", context.Canceled, ""}, {"nil", nil, ""}, {"ErrStop", ErrStop, ""},
		{"an error", errors.New("offsets were not committed"), "offsets were not committed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := live(t, Config{}, func(_ context.Context, s *Service) error {
					s.Go("orders", func(ctx context.Context) error { <-ctx.Done(); return c.end })
					return nil
				})
				l.terminate(syscall.SIGTERM)
				_, err := l.end()
				if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
					t.Errorf("Run = %v, want %q", err, c.err)
				}
				if line := l.last(); line.Cause != "signal: terminated" {
					t.Errorf("last line: %+v", line)
				}
			})
		})
	}
}

// A failure of one runner takes clients along no faster than a signal does: they have the drain delay.
func TestAFailedRunnerDrainsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := make(chan error, 1)
		l := live(t, Config{}, func(_ context.Context, s *Service) error {
			s.Go("orders", func(context.Context) error { return <-fail })
			s.Handle(http.NotFoundHandler())
			return nil
		})
		l.began = time.Now()
		fail <- errors.New("lost")
		took, err := l.end()
		if err == nil {
			t.Error("Run = nil")
		}
		wantTook(t, took, 5*time.Second)
	})
}

func TestSetupDecidesWhetherTheServiceRuns(t *testing.T) {
	for _, c := range []struct {
		name  string
		end   func() error
		err   string
		cause string
	}{
		{"an error", func() error { return errors.New("no database") }, "setup: no database", "setup failed"},
		{"a panic", func() error { panic("nil map") }, "panic: nil map", "setup failed"},
		{"ErrStop", func() error { return ErrStop }, "", "setup is done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l *life
				there := make(chan struct{}) // closed when l is
				l = live(t, Config{}, func(_ context.Context, s *Service) error {
					<-there
					s.OnStop("producer", func(context.Context) error { l.event("producer"); return nil })
					s.OnStop("db", func(context.Context) error { l.event("db"); return nil })
					s.Go("orders", func(context.Context) error { t.Error("a runner has run"); return nil })
					s.Handle(http.NotFoundHandler())
					l.began = time.Now()
					return c.end()
				})
				close(there)
				took, err := l.end()
				if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
					t.Errorf("Run = %v, want %q", err, c.err)
				}
				wantTook(t, took, 0) // nobody has been served: there is nobody to wait for
				l.wantEvents("db at 0s", "producer at 0s")
				if line := l.last(); line.Cause != c.cause {
					t.Errorf("last line: %+v", line)
				}
			})
		})
	}
}

// A service that is told to stop while it starts does so at once, and has closed what it has opened.
func TestASignalDuringSetup(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(context.Context) error
	}{
		{"setup obeys", func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("connect: %w", ctx.Err()) }},
		{"setup hides the cause", func(ctx context.Context) error { <-ctx.Done(); return errors.New("no connection") }},
		{"setup succeeds all the same", func(ctx context.Context) error { <-ctx.Done(); return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l *life
				l = live(t, Config{}, func(ctx context.Context, s *Service) error {
					s.OnStop("db", func(context.Context) error { l.event("db"); return nil })
					s.Go("orders", func(context.Context) error { t.Error("a runner has run"); return nil })
					s.Handle(http.NotFoundHandler())
					return c.setup(ctx)
				})
				if status, _, err := l.get(l.admin, "/livez"); status != 200 {
					t.Errorf("livez during setup: %d, %v", status, err)
				}
				if status, _, err := l.get(l.admin, "/readyz"); status != 503 {
					t.Errorf("readyz during setup: %d, %v", status, err)
				}
				l.terminate(syscall.SIGTERM)
				took, err := l.end()
				if err != nil {
					t.Errorf("Run = %v", err)
				}
				wantTook(t, took, 0)
				l.wantEvents("db at 0s")
			})
		})
	}
}

// A setup that does not look at its context is left behind, what it has registered is called, and what it registers
// later is refused.
func TestASignalDuringASetupThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *life
		refused := make(chan any, 1)
		t.Cleanup(func() {
			if v := <-refused; v == nil {
				t.Error("Handle was accepted after the stop")
			}
		})
		stuck := hang(t) // until after the test, and before the clean-up above
		l = live(t, Config{}, func(ctx context.Context, s *Service) error {
			s.OnStop("db", func(context.Context) error { l.event("db"); return nil })
			err := stuck(ctx)
			defer func() { refused <- recover() }()
			s.Handle(http.NotFoundHandler())
			return err
		})
		l.terminate(syscall.SIGTERM)
		took, err := l.end()
		if err == nil || !strings.Contains(err.Error(), "setup did not end in time") {
			t.Errorf("Run = %v", err)
		}
		wantTook(t, took, 19*time.Second)
		l.wantEvents("db at 19s")
		wantOpen(t, l.last(), "setup")
	})
}

// An address that is taken shows before a consumer has joined its group.
func TestATakenAddressFailsTheStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		name string
		cfg  Config
		text string
	}{
		{"public", Config{Addr: taken.Addr().String(), AdminAddr: "127.0.0.1:0"}, "bind http server to"},
		{"admin", Config{Addr: "127.0.0.1:0", AdminAddr: taken.Addr().String()}, "bind admin server to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := c.cfg
			cfg.NoGlobals, cfg.MemoryRatio = true, -1
			var log locked.Buffer
			cfg.Logging.Output = &log
			closed := false
			err := Run(t.Context(), cfg, func(_ context.Context, s *Service) error {
				s.OnStop("db", func(context.Context) error { closed = true; return nil })
				s.Go("orders", func(context.Context) error { t.Error("a runner has run"); return nil })
				s.Handle(http.NotFoundHandler())
				return nil
			})
			if err == nil || !strings.Contains(err.Error(), c.text) || !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("Run = %v", err)
			}
			if closed != (c.name == "public") {
				t.Errorf("OnStop was called: %v", closed)
			}
			last(t, log.String())
		})
	}
}

// A listener that breaks ends the service: what nobody can reach should be replaced.
func TestABrokenListenerStopsTheService(t *testing.T) {
	for _, name := range []string{"public", "admin"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := live(t, Config{}, func(_ context.Context, s *Service) error { s.Handle(http.NotFoundHandler()); return nil })
				l.began = time.Now()
				listener := map[string]*memnet.Listener{"public": l.public, "admin": l.admin}[name]
				_ = listener.Close()
				_, err := l.end()
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Run = %v", err)
				}
				if line := l.last(); !strings.Contains(line.Cause, "server failed") {
					t.Errorf("last line: %+v", line)
				}
			})
		})
	}
}

func TestAFailingOnStopFailsTheStopAndStopsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *life
		l = live(t, Config{}, func(_ context.Context, s *Service) error {
			s.OnStop("producer", func(context.Context) error { l.event("producer"); return nil })
			s.OnStop("db", func(context.Context) error { return errors.New("a transaction is open") })
			s.OnStop("cache", func(context.Context) error { panic("closed twice") })
			return nil
		})
		l.terminate(os.Interrupt)
		_, err := l.end()
		for _, want := range []string{`OnStop "db": a transaction is open`, `OnStop "cache": internal: panic: closed twice`} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run = %v, want %q", err, want)
			}
		}
		l.wantEvents("producer at 0s")
	})
}

// Run's context is one more way to stop, with its cause in the log; a value in it reaches everybody.
func TestRunEndsWithItsContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var log locked.Buffer
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "shard 3"))
		done := make(chan error, 1)
		cfg := Config{Listener: memnet.Listen(), AdminListener: memnet.Listen(), NoGlobals: true, MemoryRatio: -1}
		cfg.Logging.Output = &log
		go func() {
			done <- Run(ctx, cfg, func(setup context.Context, s *Service) error {
				s.Go("orders", func(ctx context.Context) error {
					if ctx.Value(key{}) != "shard 3" || setup.Value(key{}) != "shard 3" {
						t.Error("the context's values are lost")
					}
					<-ctx.Done()
					return context.Cause(ctx)
				})
				return nil
			})
		}()
		synctest.Wait()
		cancel(errors.New("the test is over"))
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		if line := last(t, log.String()); line.Cause != "the context ended: the test is over" {
			t.Errorf("last line: %+v", line)
		}
	})
}

// Who sees "service ready" may send a signal at once.
func TestSignalsForLevelsAreTakenBeforeTheServiceIsReady(t *testing.T) {
	taken, ended := false, false
	var log locked.Buffer
	cfg := Config{NoGlobals: true, MemoryRatio: -1, AdminAddr: "127.0.0.1:0"}
	cfg.Logging.Output = &log
	levels := func(*zap.Logger) (func(context.Context) error, error) {
		taken = true
		return func(ctx context.Context) error {
			<-ctx.Done()
			ended = true
			return nil
		}, nil
	}
	err := run(t.Context(), cfg, func(_ context.Context, s *Service) error {
		if !taken {
			t.Error("setup runs, and signals are not taken")
		}
		return ErrStop
	}, process{levels: levels})
	if err != nil || !ended {
		t.Errorf("run = %v, and what follows the signals has ended: %v", err, ended)
	}
}
