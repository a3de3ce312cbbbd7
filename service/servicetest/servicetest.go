// Package servicetest starts a service in a test: the same setup as in main, on free ports, without a drain delay, and
// stopped at the end of the test, which fails if the stop does.
//
//	func TestGreeting(t *testing.T) {
//		s := servicetest.Start(t, setup)
//		res, err := http.Get(s.URL() + "/hello/ann")
//		…
//	}
package servicetest

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/service"
)

// A Service is one that runs. Methods are safe for concurrent use.
type Service struct {
	*service.Service

	url, admin string
	cancel     context.CancelFunc
	done       chan struct{}
	err        error // written before done is closed
	stopped    sync.Once
}

// Start runs a service whose main would be service.Main(service.Config{}, setup), and returns when it serves; a start that
// fails ends the test. At the end of the test it is stopped, and an error of [service.Run] fails the test.
//
// Its logs go to t's output. It leaves the defaults of logs and of OpenTelemetry alone, and the memory limit, so tests may
// run side by side.
func Start(t testing.TB, setup func(context.Context, *service.Service) error) *Service {
	t.Helper()
	return StartConfig(t, service.Config{}, setup)
}

// StartConfig is Start with a Config. Fields that are zero are as Start has them.
func StartConfig(t testing.TB, cfg service.Config, setup func(context.Context, *service.Service) error) *Service {
	t.Helper()
	cfg.NoGlobals, cfg.MemoryRatio = true, -1
	if cfg.DrainDelay == 0 {
		cfg.DrainDelay = -1
	}
	if cfg.Logging.Output == nil {
		cfg.Logging.Output = t.Output()
	}
	if cfg.Logging.Format == logging.FormatAuto {
		cfg.Logging.Format = logging.FormatConsole
	}
	s := &Service{done: make(chan struct{})}
	cfg.Listener, s.url = listen(t, cfg.Listener, cfg.HTTP.CertFile != "" || cfg.HTTP.TLS != nil)
	cfg.AdminListener, s.admin = listen(t, cfg.AdminListener, false)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s.cancel = cancel
	registered := make(chan *service.Service, 1)
	go func() {
		defer close(s.done)
		s.err = service.Run(ctx, cfg, func(ctx context.Context, made *service.Service) error {
			registered <- made
			return setup(ctx, made)
		})
	}()
	t.Cleanup(func() {
		s.stopped.Do(func() {
			if err := s.stop(); err != nil {
				t.Errorf("the service ended with: %v", err)
			}
		})
	})
	s.await(t, registered)
	return s
}

// await returns when the service serves.
func (s *Service) await(t testing.TB, registered <-chan *service.Service) {
	t.Helper()
	var ready <-chan struct{}
	for {
		select {
		case s.Service = <-registered:
			ready = s.Ready()
		case <-ready:
			return
		case <-s.done:
			s.stopped.Do(func() {})
			t.Fatalf("the service did not start: %v", s.err)
		}
	}
}

func listen(t testing.TB, given net.Listener, secure bool) (net.Listener, string) {
	t.Helper()
	if given == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		given = l
	}
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	return given, scheme + given.Addr().String()
}

// URL returns where the service's handler is served, such as "http://127.0.0.1:40123".
func (s *Service) URL() string { return s.url }

// AdminURL returns where the service's admin mux is served.
func (s *Service) AdminURL() string { return s.admin }

// Stop stops the service, waits for it, and returns the error of [service.Run], for a test that expects one: then the end
// of the test says nothing about it. Later calls return the same.
func (s *Service) Stop() error {
	s.stopped.Do(func() {})
	return s.stop()
}

// Done returns a channel that is closed when the service has ended, whoever has stopped it.
func (s *Service) Done() <-chan struct{} { return s.done }

func (s *Service) stop() error {
	s.cancel()
	<-s.done
	return s.err
}
