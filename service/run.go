package service

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/backend-platform/sdk/internal/policy"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/tracing"
)

// Run is [Main] without signals and without the exit: it runs the service until ctx ends, which begins the stop, or until
// the service ends by itself.
//
// It returns nil where Main would exit with 0, and otherwise everything that went wrong, joined. What is left at a bound
// goes on running after Run has returned. Unless cfg says otherwise, Run sets the process's defaults of logs, which it puts
// back at its end, and of telemetry, and its memory limit.
func Run(ctx context.Context, cfg Config, setup func(context.Context, *Service) error) error {
	return run(ctx, cfg, setup, process{})
}

// process is what only a main does: in a synctest bubble os/signal is fatal.
type process struct {
	signals <-chan os.Signal // nil: none
	// levels has signals change the levels of a logger while what it returns runs; nil: nothing does.
	levels func(*zap.Logger) (func(context.Context) error, error)
}

func run(ctx context.Context, cfg Config, setup func(context.Context, *Service) error, p process) error {
	s, err := newService(ctx, cfg)
	if err != nil {
		return err
	}
	if !s.cfg.NoGlobals {
		defer logging.SetDefault(s.logger)()
		s.telemetry.SetGlobal()
	}
	over := make(chan struct{})
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer close(over)
	helpers.Go(func() { s.halt.watch(ctx, p.signals, over) })
	// What the service does has the values of ctx, and ends in the order of the stop.
	base, end := context.WithCancel(logging.NewContext(context.WithoutCancel(ctx), s.logger))
	defer end()
	if p.levels != nil {
		change, err := p.levels(s.logger)
		if err != nil {
			return err
		}
		helpers.Go(func() { _ = change(base) })
	}
	runners, endRunners := context.WithCancel(base)
	defer endRunners()
	starting, endSetup := context.WithCancel(base)
	defer endSetup()
	s.start(base, runners, func() error { return setup(starting, s) })
	<-s.halt.begun
	if !s.started {
		endSetup()
	}
	err = s.stop(endRunners)
	end()
	_ = s.logger.Sync() // standard output has nothing to sync
	return err
}

// newService makes what needs nobody: the configuration, logs and telemetry.
func newService(ctx context.Context, cfg Config) (*Service, error) {
	cfg, err := cfg.resolve(os.Getenv)
	if err != nil {
		return nil, &startError{err}
	}
	limit := setMemoryLimit(cfg.MemoryRatio, os.DirFS("/"), os.Getenv)
	s := &Service{cfg: cfg, began: time.Now(), halt: newHalt(), ready: make(chan struct{}), draining: make(chan struct{})}
	if s.logger, err = logging.New(cfg.Name, cfg.Logging); err != nil {
		return nil, &startError{fmt.Errorf("set up logs: %w", err)}
	}
	s.slog = slog.New(logging.NewSlogHandler(s.logger))
	limit.log(s.logger)
	cfg.Tracing.Logger, cfg.Tracing.ShutdownTimeout = s.slog, -1
	if s.telemetry, err = tracing.Setup(ctx, cfg.Name, cfg.Tracing); err != nil {
		s.logger.Error("service did not start", zap.Error(err))
		return nil, err
	}
	if s.health, err = httpserver.NewHealth(httpserver.HealthConfig{Logger: s.slog}); err != nil {
		return nil, err
	}
	policy.Register("service", s.Name(), s)
	return s, nil
}

// start brings the service up, step by step, or begins the stop.
func (s *Service) start(base, runners context.Context, setup func() error) {
	if err := s.startAdmin(); err != nil {
		s.halt.begin(cause{text: "the admin address could not be bound", err: err, quick: true})
		return
	}
	s.logger.Info("service starting", zap.String("admin_addr", s.admin.addr))
	if !s.setUp(setup) {
		return
	}
	if err := s.listen(); err != nil {
		s.halt.begin(cause{text: "the address could not be bound", err: err, quick: true})
		return
	}
	s.started = true
	for _, r := range s.runners {
		r.start(runners, s.halt)
	}
	s.serve(base)
	s.logReady()
	close(s.ready)
}

// setUp calls setup and reports whether to go on. It does not wait longer than until the stop begins: the stop does that.
func (s *Service) setUp(setup func() error) bool {
	s.setup = spawn(setup)
	select {
	case <-s.setup.done:
	case <-s.halt.begun:
		return false
	}
	s.seal()
	switch err := s.setup.err; {
	case errors.Is(err, ErrStop):
		s.halt.begin(cause{text: "setup is done"})
	case err != nil:
		s.halt.begin(cause{text: "setup failed", err: fmt.Errorf("setup: %w", err)})
	}
	return !s.halt.isBegun()
}

// logReady writes one line with what is running, where, and how it will stop.
func (s *Service) logReady() {
	info := buildinfo.Read()
	versions := make(map[string]string, len(info.Modules))
	for _, m := range info.Modules {
		versions[strings.TrimPrefix(m.Path, buildinfo.Prefix)] = m.Version
	}
	fields := []zap.Field{
		zap.String("version", info.Main.Version), zap.String("go", info.Go), zap.Any("sdk", versions),
		zap.Any("stop", s), zap.Any("telemetry", s.telemetry), zap.Duration("took", time.Since(s.began)),
	}
	if s.server != nil {
		fields = append(fields, zap.String("addr", s.server.Addr().String()))
	}
	if s.admin.addr != "" {
		fields = append(fields, zap.String("admin_addr", s.admin.addr))
	}
	s.logger.Info("service ready", fields...)
}
