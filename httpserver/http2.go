package httpserver

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// http2Server serves HTTP/2 over TLS in place of net/http's own way to it, for one reason: the stop. A
// server that wants its clients to leave says so in a GOAWAY frame, with the last request that it will
// answer. net/http names the last one that it has seen, so those that are on their way when it says so
// are lost, and a client that cannot have the body again has to fail. RFC 9113, section 6.8, wants a
// first GOAWAY with the highest number there is, and the real one not before a round trip later.
//
// So net/http gets each connection, when TLS has agreed on h2, as one of unencrypted HTTP/2
// (http.Protocols) that adds this frame to what is written.
type http2Server struct {
	http  *http.Server
	conns chan net.Conn
	done  chan struct{}
	close sync.Once

	mu     sync.Mutex
	open   map[*http2Conn]struct{}
	ended  bool           // nothing is said any more
	saying sync.WaitGroup // grows under mu, until ended
}

func newHTTP2Server() *http2Server {
	return &http2Server{
		http:  &http.Server{Protocols: new(http.Protocols)},
		conns: make(chan net.Conn),
		done:  make(chan struct{}),
		open:  make(map[*http2Conn]struct{}),
	}
}

// adopt makes outer hand over its connections of HTTP/2, unless it shall not speak it, or in a way of
// its own.
func (h *http2Server) adopt(outer *http.Server) {
	if outer.TLSConfig == nil || outer.TLSNextProto != nil || outer.Protocols != nil && !outer.Protocols.HTTP2() {
		return
	}
	outer.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, c *tls.Conn, handler http.Handler) { h.serve(contextOf(handler), c) },
	}
	in := h.http
	in.Protocols.SetUnencryptedHTTP2(true)
	in.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handOver(outer.Handler, w, r) })
	in.ReadHeaderTimeout, in.ReadTimeout = outer.ReadHeaderTimeout, outer.ReadTimeout
	in.WriteTimeout, in.IdleTimeout = outer.WriteTimeout, outer.IdleTimeout
	in.MaxHeaderBytes, in.HTTP2 = outer.MaxHeaderBytes, outer.HTTP2
	in.ErrorLog, in.DisableGeneralOptionsHandler = outer.ErrorLog, outer.DisableGeneralOptionsHandler
	in.ConnState = func(c net.Conn, state http.ConnState) {
		if outer.ConnState != nil && (state == http.StateActive || state == http.StateIdle) { // outer tells the others
			outer.ConnState(c.(*http2Conn).Conn, state)
		}
	}
	in.ConnContext = func(_ context.Context, c net.Conn) context.Context {
		return context.WithValue(c.(*http2Conn).ctx, http2ConnKey{}, c)
	}
}

// contextOf returns the context that outer has made for a connection. net/http hands it to HTTP/2 by this
// method, for want of an argument.
func contextOf(handler http.Handler) context.Context {
	if h, ok := handler.(interface{ BaseContext() context.Context }); ok {
		return h.BaseContext()
	}
	return context.Background()
}

func handOver(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if c := http2ConnOf(r); c != nil {
		r.TLS = &c.state
	}
	next.ServeHTTP(w, r)
}

// serve returns when the connection has ended, as the outer server expects.
func (h *http2Server) serve(ctx context.Context, conn *tls.Conn) {
	c := &http2Conn{Conn: conn, ctx: ctx, state: conn.ConnectionState(), ended: make(chan struct{})}
	h.mu.Lock()
	h.open[c] = struct{}{}
	h.mu.Unlock()
	select {
	case h.conns <- c:
		<-c.ended
	case <-h.done:
		_ = c.Close()
	}
	h.mu.Lock()
	delete(h.open, c)
	h.mu.Unlock()
}

// Accept, Close and Addr make it the listener of its own server.

func (h *http2Server) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *http2Server) Close() error {
	h.close.Do(func() { close(h.done) })
	return nil
}

func (h *http2Server) Addr() net.Addr { return http2Addr{} }

type http2Addr struct{}

func (http2Addr) Network() string { return "tls" }
func (http2Addr) String() string  { return "h2" }

// goAway asks all clients to leave. Those that come later are asked by their first request.
func (h *http2Server) goAway() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	for c := range h.open {
		h.saying.Go(c.goAway) // one that does not read must not keep the others waiting
	}
}

// end cuts what is left.
func (h *http2Server) end() error {
	err := h.http.Close()
	_ = h.Close()
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	h.saying.Wait()
	return err
}

type http2ConnKey struct{}

// http2ConnOf returns the connection of a request of HTTP/2 that we can ask to leave, or nil.
func http2ConnOf(r *http.Request) *http2Conn {
	if r.ProtoMajor != 2 {
		return nil
	}
	c, _ := r.Context().Value(http2ConnKey{}).(*http2Conn)
	return c
}

// goAwayFrame is GOAWAY with the last stream 2³¹-1 and NO_ERROR.
const goAwayFrame = "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00"

const frameHeader = 9 // bytes: three of length, then type, flags and stream

// http2Conn is a connection that follows the frames which are written to it, to add one between them.
// It does not embed *tls.Conn, whose ConnectionState would make net/http expect HTTP/1.
type http2Conn struct {
	net.Conn // a *tls.Conn
	ctx      context.Context
	state    tls.ConnectionState
	ended    chan struct{}
	once     sync.Once
	leaving  atomic.Bool

	mu    sync.Mutex
	head  [frameHeader]byte
	have  int  // bytes of head
	left  int  // bytes of the frame's payload that were not written yet
	begun bool // the first frame, which has to be SETTINGS, was written
	said  bool
}

func (c *http2Conn) Close() error {
	c.once.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

func (c *http2Conn) goAway() {
	c.leaving.Store(true)
	c.say()
}

// say writes the frame if it may and nobody is writing; whoever is will do it afterwards.
func (c *http2Conn) say() {
	if !c.leaving.Load() || !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	_ = c.sayBetween() // net/http finds out that the connection is broken
}

func (c *http2Conn) sayBetween() error {
	if c.said || !c.begun || c.have > 0 || c.left > 0 {
		return nil
	}
	c.said = true
	_, err := c.Conn.Write([]byte(goAwayFrame))
	return err
}

func (c *http2Conn) Write(p []byte) (int, error) {
	n, err := c.write(p)
	c.say()
	return n, err
}

func (c *http2Conn) write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.leaving.Load() || c.said {
		for rest := p; len(rest) > 0; {
			rest = rest[c.follow(rest):]
		}
		return c.Conn.Write(p)
	}
	written := 0
	for written < len(p) {
		if err := c.sayBetween(); err != nil {
			return written, err
		}
		k := c.follow(p[written:])
		n, err := c.Conn.Write(p[written : written+k])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// follow takes note of what is written, at most to the end of the frame, and returns how much that is.
func (c *http2Conn) follow(p []byte) int {
	k := 0
	if c.left == 0 {
		k = copy(c.head[c.have:], p)
		if c.have += k; c.have < frameHeader {
			return k
		}
		c.have, c.left = 0, int(c.head[0])<<16|int(c.head[1])<<8|int(c.head[2])
	}
	payload := min(c.left, len(p)-k)
	c.left -= payload
	c.begun = c.begun || c.left == 0
	return k + payload
}
