package kafka_test

import (
	"context"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// freezer makes connections that fall silent together, as when the network is gone
// without a word: what is written does not arrive, nothing is received, and
// nobody says so. When they thaw, what was under way arrives.
type freezer struct {
	dial dialFunc

	mu    sync.Mutex
	thaw  chan struct{} // closed while nothing is frozen
	conns map[*freezing]struct{}
}

func newFreezer(dial dialFunc) *freezer {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	f := &freezer{dial: dial, thaw: make(chan struct{}), conns: map[*freezing]struct{}{}}
	close(f.thaw)
	return f
}

func (f *freezer) Freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thaw = make(chan struct{})
}

func (f *freezer) Thaw() {
	f.mu.Lock()
	conns := slices.Collect(maps.Keys(f.conns))
	select {
	case <-f.thaw:
	default:
		close(f.thaw)
	}
	f.mu.Unlock()
	for _, c := range conns {
		_, _ = c.Write(nil)
	}
}

func (f *freezer) thawed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.thaw
}

// Dial opens a connection that freezes with the others.
func (f *freezer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	select {
	case <-f.thawed():
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn, err := f.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &freezing{Conn: conn, f: f, closed: make(chan struct{}), changed: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = struct{}{}
	return c, nil
}

type freezing struct {
	net.Conn
	f      *freezer
	once   sync.Once
	closed chan struct{}

	mu       sync.Mutex
	sent     []byte // while it was frozen
	received []byte // and not handed out
	deadline time.Time
	changed  chan struct{} // closed and replaced with the deadline
}

func (c *freezing) Read(p []byte) (int, error) {
	n := 0
	if c.received == nil {
		var err error
		if n, err = c.Conn.Read(p); err != nil {
			return n, err
		}
	}
	if err := c.wait(); err != nil {
		c.received = append(c.received, p[:n]...)
		return 0, err
	}
	if c.received != nil {
		n = copy(p, c.received)
		if c.received = c.received[n:]; len(c.received) == 0 {
			c.received = nil
		}
	}
	return n, nil
}

// wait waits until the connection is not frozen, within its deadline.
func (c *freezing) wait() error {
	for {
		c.mu.Lock()
		deadline, changed := c.deadline, c.changed
		c.mu.Unlock()
		var over <-chan time.Time
		if !deadline.IsZero() {
			over = time.After(time.Until(deadline))
		}
		select {
		case <-c.f.thawed():
			return nil
		case <-c.closed:
			return net.ErrClosed
		case <-over:
			return os.ErrDeadlineExceeded
		case <-changed:
		}
	}
}

func (c *freezing) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, p...)
	select {
	case <-c.f.thawed():
		sent := c.sent
		c.sent = nil
		if _, err := c.Conn.Write(sent); err != nil {
			return 0, err
		}
	default:
	}
	return len(p), nil
}

func (c *freezing) SetDeadline(t time.Time) error {
	c.setRead(t)
	return c.Conn.SetDeadline(t)
}

func (c *freezing) SetReadDeadline(t time.Time) error {
	c.setRead(t)
	return c.Conn.SetReadDeadline(t)
}

func (c *freezing) setRead(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *freezing) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.f.mu.Lock()
	delete(c.f.conns, c)
	c.f.mu.Unlock()
	return c.Conn.Close()
}
