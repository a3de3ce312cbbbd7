package service

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/logging"
)

// server is the public one, while it runs.
type server struct {
	*httpserver.Server
	end  context.CancelFunc // stops accepting
	task *task              // Run
}

// listen binds the public address.
func (s *Service) listen() error {
	if s.handler == nil {
		if s.cfg.Listener != nil {
			_ = s.cfg.Listener.Close() // nobody will ever accept
		}
		return nil
	}
	cfg := s.cfg.HTTP
	cfg.Addr, cfg.Listener, cfg.Health = s.cfg.Addr, s.cfg.Listener, s.health
	cfg.DrainDelay, cfg.DrainTimeout = -1, s.budget().handlers
	cfg.Logger = s.slog
	cfg.TracerProvider, cfg.MeterProvider = s.telemetry.TracerProvider(), s.telemetry.MeterProvider()
	cfg.Propagator = s.telemetry.Propagator()
	made, err := httpserver.New(s.handler, cfg)
	if err != nil {
		return err
	}
	s.server = &server{Server: made}
	return nil
}

// serve begins to accept. A server that ends before it was told to stops the service; nobody can come any more.
func (s *Service) serve(ctx context.Context) {
	if s.server == nil {
		s.health.SetReady(true)
		return
	}
	ctx, s.server.end = context.WithCancel(ctx)
	s.server.task = spawn(func() error {
		err := s.server.Run(ctx)
		if ctx.Err() == nil {
			s.halt.begin(cause{text: "the HTTP server failed", err: err, quick: true})
		}
		return err
	})
}

// admin serves operators and probes. It is no httpserver.Server: profiles take longer than requests may, and nobody wants
// spans of probes.
type admin struct {
	mux  *http.ServeMux
	addr string // "": none
	http *http.Server
	task *task
}

const (
	adminHeaderTimeout = 5 * time.Second
	adminIdleTimeout   = 2 * time.Minute
)

// startAdmin binds the admin address and serves it.
func (s *Service) startAdmin() error {
	mux := httpserver.NewAdminMux(s.health)
	mux.Handle("/debug/loglevel", logging.LevelHandler(s.logger))
	s.admin = &admin{mux: mux}
	listener := s.cfg.AdminListener
	if listener == nil && s.cfg.AdminAddr == "-" {
		return nil
	}
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", s.cfg.AdminAddr); err != nil {
			return fmt.Errorf("bind admin server to %q: %w", s.cfg.AdminAddr, err)
		}
	}
	s.admin.addr = listener.Addr().String()
	s.admin.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: adminHeaderTimeout,
		IdleTimeout:       adminIdleTimeout,
		ErrorLog:          log.New(lineWriter{s.logger}, "", 0),
	}
	s.admin.task = spawn(func() error {
		err := s.admin.http.Serve(listener)
		if !errors.Is(err, http.ErrServerClosed) {
			err = fmt.Errorf("serve admin address: %w", err)
			s.halt.begin(cause{text: "the admin server failed", err: err})
			return err
		}
		return nil
	})
	return nil
}

// close ends the admin server when everything else has ended: probes and scrapes are answered until then.
func (a *admin) close() error {
	if a.http == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastGrace)
	defer cancel()
	if a.http.Shutdown(ctx) != nil {
		_ = a.http.Close()
	}
	<-a.task.done
	return a.task.err
}

// lineWriter takes the lines that net/http writes about connections.
type lineWriter struct{ logger *zap.Logger }

func (w lineWriter) Write(line []byte) (int, error) {
	w.logger.Warn(strings.TrimSpace(string(line)))
	return len(line), nil
}

var _ slog.LogValuer = (*Service)(nil)
