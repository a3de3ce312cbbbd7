package service

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/tracing"
)

// ErrStop is returned by a runner, or by setup, that has done all there is to do: the service stops in its order, and the
// program's exit code is 0. It is how a job ends.
var ErrStop = errors.New("the work is done")

// A Service is what setup registers with, and what runs. Methods are safe for concurrent use.
//
// Handle, Go and OnStop are for the time of setup: after it they panic, as they do on a nil function and a name that is
// empty or taken.
type Service struct {
	cfg       Config
	began     time.Time
	logger    *zap.Logger
	slog      *slog.Logger
	telemetry *tracing.Providers
	health    *httpserver.Health
	admin     *admin
	halt      *halt
	ready     chan struct{}
	draining  chan struct{}
	started   bool // runners run; only the goroutine of Run looks at it

	mu      sync.Mutex
	sealed  bool
	handler http.Handler
	runners []*runner
	hooks   []hook

	setup  *task   // nil: not called
	server *server // nil: no handler
}

type hook struct {
	name string
	stop func(context.Context) error
}

// Name returns the name of the service, as telemetry carries it.
func (s *Service) Name() string { return s.telemetry.ServiceName() }

// Logger returns the service's logger. It is the default one, too, unless Config.NoGlobals says otherwise.
func (s *Service) Logger() *zap.Logger { return s.logger }

// Telemetry returns the sources of spans and metrics. They are OpenTelemetry's global ones, too, unless Config.NoGlobals
// says otherwise.
func (s *Service) Telemetry() *tracing.Providers { return s.telemetry }

// Admin returns the mux that is served at the admin address from before setup until the end: /livez, /readyz, /debug/sdk
// and /debug/loglevel. Add what else belongs there, such as metrics for Prometheus or net/http/pprof, at any time.
func (s *Service) Admin() *http.ServeMux { return s.admin.mux }

// Handle sets the handler of public HTTP, which is served by package httpserver with all its middleware. Without one the
// service has no public address and no drain delay.
//
// It panics if there is a handler already, and if handler is nil or http.DefaultServeMux, into which any import may put
// what must not be public, such as profiles.
func (s *Service) Handle(handler http.Handler) {
	s.register("Handle", "", handler == nil, func() {
		if s.handler != nil {
			panic("service: Handle: there is a handler already")
		}
		if handler == http.Handler(http.DefaultServeMux) {
			panic("service: Handle: http.DefaultServeMux has what any imported package puts there; use http.NewServeMux")
		}
		s.handler = handler
	})
}

// Go registers background work. It runs from the end of setup until the stop, in a goroutine with the pprof label runner.
//
// When its context ends, run takes nothing new, finishes what it holds and returns; its bound is in the package's
// documentation. The context ends when no request is served any more. An error, a panic and a nil before the stop stop the
// whole service, with exit code 1; [ErrStop] stops it with 0.
func (s *Service) Go(name string, run func(context.Context) error) {
	s.register("Go", name, run == nil, func() {
		for _, r := range s.runners {
			if r.name == name {
				panic(fmt.Sprintf("service: Go(%q): the name is taken", name))
			}
		}
		s.runners = append(s.runners, newRunner(name, run))
	})
}

// OnStop registers what closes a resource, such as (*sql.DB).Close. It is called after requests and runners have ended,
// the last registered first, also after a setup that has failed. Its context ends at its bound: an equal share, among
// those that are still to be called, of what is left of Config.StopTimeout, at least 5 % of it. An error makes the exit
// code 1.
func (s *Service) OnStop(name string, stop func(context.Context) error) {
	s.register("OnStop", name, stop == nil, func() {
		for _, h := range s.hooks {
			if h.name == name {
				panic(fmt.Sprintf("service: OnStop(%q): the name is taken", name))
			}
		}
		s.hooks = append(s.hooks, hook{name, stop})
	})
}

// register panics for what is a mistake of the code that calls.
func (s *Service) register(method, name string, missing bool, add func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what := method
	if name != "" {
		what = fmt.Sprintf("%s(%q)", method, name)
	}
	switch {
	case missing:
		panic("service: " + what + ": the function or handler is nil")
	case name == "" && method != "Handle":
		panic("service: " + what + ": the name is empty")
	case s.sealed:
		panic("service: " + what + ": setup is over")
	}
	add()
}

// seal ends the time of setup.
func (s *Service) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
}

// Check adds a check to readiness, see [httpserver.Health.Check]. Liveness has none. A check of a dependency that all
// instances share takes all of them out at once: check what this instance alone can lack.
func (s *Service) Check(name string, check func(context.Context) error) { s.health.Check(name, check) }

// Ready returns a channel that is closed when the service serves. It stays open where the start fails.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Draining returns a channel that is closed when the stop begins. What answers without an end, such as a stream, ends
// then: the contexts of requests and runners go on.
func (s *Service) Draining() <-chan struct{} { return s.draining }
