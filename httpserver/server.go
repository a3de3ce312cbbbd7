package httpserver

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
)

// A Server serves one handler at one address, with the middleware, the timeouts and the orderly stop
// that every service needs. [New] makes one and takes the address, [Server.Run] serves. Methods are
// safe for concurrent use.
type Server struct {
	cfg      Config
	files    certificates
	health   *Health
	handler  http.Handler
	listener net.Listener
	http     *http.Server
	http2    *http2Server

	adminMux      *http.ServeMux
	adminListener net.Listener // nil: none
	admin         *http.Server

	probes    map[string]http.Handler // by path
	closing   atomic.Bool             // every response ends its connection
	inHand    atomic.Int64            // requests that a handler has
	ran       atomic.Bool
	announced sync.Once
	draining  chan struct{}
	closed    chan struct{}
	close     sync.Once
}

// New returns a server for handler that has bound its addresses and does not serve yet. A mux is given
// as it is: the patterns of its routes name the spans, and what it does not know becomes a problem
// document.
//
// New returns an error that names every fault of cfg, or the address that could not be bound: a port
// that is taken shows before anything is started. Whoever has a Server calls Run, or else Close.
func New(handler http.Handler, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	files, err := readCertificates(cfg)
	if err != nil {
		return nil, fmt.Errorf("http server: %w", err)
	}
	l, err := newLayers(handler, cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:      cfg,
		files:    files,
		health:   cfg.Health,
		handler:  l,
		draining: make(chan struct{}),
		closed:   make(chan struct{}),
	}
	l.closing = &s.closing
	if s.health == nil {
		if s.health, err = NewHealth(HealthConfig{Logger: cfg.Logger}); err != nil {
			return nil, err
		}
	}
	if !cfg.NoProbes {
		s.probes = map[string]http.Handler{"/livez": s.health.Livez(), "/readyz": s.health.Readyz()}
	}
	s.adminMux = NewAdminMux(s.health)
	s.http = s.newHTTPServer(http.HandlerFunc(s.serve))
	s.http.TLSConfig = files.config(cfg.TLS, s.http)
	s.http2 = newHTTP2Server()
	s.admin = s.newHTTPServer(s.adminMux)
	s.admin.ReadTimeout, s.admin.WriteTimeout = 0, 0 // a profile takes the time that it is asked for
	if err := s.listen(); err != nil {
		return nil, err
	}
	policy.Register("httpserver", s.Addr().String(), s)
	return s, nil
}

func (s *Server) newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: max(s.cfg.ReadHeaderTimeout, 0),
		ReadTimeout:       max(s.cfg.ReadTimeout, 0),
		WriteTimeout:      max(s.cfg.WriteTimeout, 0),
		IdleTimeout:       max(s.cfg.IdleTimeout, 0),
		MaxHeaderBytes:    s.cfg.MaxHeaderBytes,
		ErrorLog:          log.New(errorLog{s}, "", 0),
	}
}

func (s *Server) listen() (err error) {
	if s.listener, err = listen(s.cfg.Listener, s.cfg.Addr); err != nil {
		return err
	}
	if s.cfg.AdminListener == nil && s.cfg.AdminAddr == "" {
		return nil
	}
	if s.adminListener, err = listen(s.cfg.AdminListener, s.cfg.AdminAddr); err != nil {
		_ = s.listener.Close()
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}

func listen(given net.Listener, addr string) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("bind http server to %q: %w", addr, err)
	}
	return l, nil
}

// serve is what every request enters by.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.inHand.Add(1)
	defer s.inHand.Add(-1)
	leaving := s.closing.Load()
	if c := http2ConnOf(r); leaving && c != nil {
		c.goAway()
		leaving = false
	}
	probe := s.probes[r.URL.Path]
	if probe == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.handler.ServeHTTP(w, r)
		return
	}
	if leaving {
		w.Header().Set("Connection", "close")
	}
	probe.ServeHTTP(w, r)
}

// Addr returns the address that the server is bound to.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// AdminAddr returns the address that the admin handlers are bound to; nil: none.
func (s *Server) AdminAddr() net.Addr {
	if s.adminListener == nil {
		return nil
	}
	return s.adminListener.Addr()
}

// URL returns the address as a URL for a client on this machine, such as "http://127.0.0.1:8080".
func (s *Server) URL() string {
	scheme := "http"
	if s.cfg.secure() {
		scheme = "https"
	}
	addr, ok := s.Addr().(*net.TCPAddr)
	if !ok {
		return scheme + "://" + s.Addr().String()
	}
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// Health returns the server's readiness, to add checks to.
func (s *Server) Health() *Health { return s.health }

// Admin returns the mux that is served at AdminAddr; see [NewAdminMux]. Handlers may be added to it
// at any time. Without an AdminAddr nothing serves it.
func (s *Server) Admin() *http.ServeMux { return s.adminMux }

// HTTPServer returns the http.Server inside, for what Config does not offer. Change it before Run is
// called, and leave its Handler, BaseContext and Shutdown to the Server, as its TLSNextProto where HTTP/2
// shall be served as [Server.Run] says.
func (s *Server) HTTPServer() *http.Server { return s.http }

// Draining returns a channel that is closed when the stop begins. Handlers that answer without an end,
// such as streams, end when it is closed: their contexts go on until the drain's bound.
func (s *Server) Draining() <-chan struct{} { return s.draining }

// Run serves until ctx ends, then stops in an orderly way, and returns when nothing is served any more:
//
//  1. Readiness turns off, Draining is closed, and every response says "Connection: close" (HTTP/2:
//     GOAWAY), while requests are still accepted, for DrainDelay. Clients leave at a moment of their own;
//     measured, any order without this breaks requests on connections that are kept alive. This GOAWAY
//     promises an answer to every request that is on its way (RFC 9113, section 6.8), which net/http's own
//     does not; without a DrainDelay there is no time between the two, and with unencrypted HTTP/2 only
//     the latter.
//  2. Nothing is accepted any more; requests in hand have DrainTimeout to finish.
//  3. What is left has its context ended (cause [ErrShuttingDown]), and a second later its connection.
//     Where handlers hang that do not end even then, is logged.
//
// The admin address is served until the end. The contexts of requests carry the values of ctx, but do
// not end with it.
//
// Run returns nil after a stop that left no request behind, an error with the number of those that
// it did leave, or the error of an address that could not be served on. It can be called once; a ctx
// that has ended before the call makes it return at once.
func (s *Server) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return errors.New("run http server: it has been run before")
	}
	if ctx.Err() != nil {
		return s.Close()
	}
	base, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(ErrShuttingDown)
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	s.http2.adopt(s.http)

	var serving sync.WaitGroup
	defer func() {
		_ = s.Close()
		serving.Wait()
	}()
	failed := make(chan error, 2)
	serving.Go(func() { failed <- serveError(s.serveAdmin()) })
	serving.Go(func() { failed <- serveError(s.servePublic()) })
	serving.Go(func() { _ = s.http2.http.Serve(s.http2) })

	s.health.SetReady(true)
	if s.closing.Load() { // StartDraining was called before, or in between
		s.health.SetReady(false)
	}
	s.logger().LogAttrs(ctx, slog.LevelInfo, "http server ready", slog.String("addr", s.Addr().String()))
	var err error
	select {
	case <-ctx.Done():
		s.drainDelay(base, failed)
	case err = <-failed:
		s.announce(base)
	case <-s.closed:
		s.announce(base)
	}
	return errors.Join(err, s.drain(base, end))
}

func (s *Server) servePublic() error {
	if s.cfg.secure() {
		return s.http.ServeTLS(s.listener, "", "")
	}
	return s.http.Serve(s.listener)
}

func (s *Server) serveAdmin() error {
	if s.adminListener == nil {
		<-s.closed
		return nil
	}
	return s.admin.Serve(s.adminListener)
}

// serveError is nil for an end that we asked for.
func serveError(err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve HTTP: %w", err)
}

// Close ends everything at once: the addresses are freed, connections cut, contexts ended. It makes Run
// return. It may be called at any time, also without Run, and more than once.
func (s *Server) Close() error {
	s.close.Do(func() { close(s.closed) })
	err := errors.Join(s.http.Close(), s.http2.end(), s.admin.Close())
	// A server that has never served does not know its listener.
	_ = s.listener.Close()
	if s.adminListener != nil {
		_ = s.adminListener.Close()
	}
	return err
}

func (s *Server) logger() *slog.Logger {
	if s.cfg.Logger != nil {
		return s.cfg.Logger
	}
	return slog.Default()
}

// errorLog takes the lines that net/http writes about connections and misuse.
type errorLog struct{ s *Server }

func (l errorLog) Write(line []byte) (int, error) {
	l.s.logger().Warn(strings.TrimSpace(string(line)))
	return len(line), nil
}

// LogValue returns the effective policy.
func (s *Server) LogValue() slog.Value {
	c := s.cfg
	attrs := append(s.files.attrs(c),
		slog.Bool("public", c.Public),
		slog.Duration("request_timeout", c.RequestTimeout),
		slog.Duration("read_header_timeout", c.ReadHeaderTimeout),
		slog.Duration("read_timeout", c.ReadTimeout),
		slog.Duration("write_timeout", c.WriteTimeout),
		slog.Duration("idle_timeout", c.IdleTimeout),
		slog.Int("max_header_bytes", c.MaxHeaderBytes),
		slog.Int64("max_body_bytes", c.MaxBodyBytes),
		slog.Int("max_concurrent", c.MaxConcurrent),
		slog.Duration("drain_delay", c.DrainDelay),
		slog.Duration("drain_timeout", c.DrainTimeout),
	)
	if addr := s.AdminAddr(); addr != nil {
		attrs = append(attrs, slog.String("admin_addr", addr.String()))
	}
	return slog.GroupValue(attrs...)
}
