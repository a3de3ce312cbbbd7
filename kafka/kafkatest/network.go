package kafkatest

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// network is what the brokers listen on. It can take them away and bring them
// back, which kfake itself cannot: a listener that kfake holds outlives the
// socket below it.
type network struct {
	listen func(network, address string) (net.Listener, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)

	mu        sync.Mutex
	isDown    bool
	listeners []*listener
	conns     map[*conn]struct{}
}

func newNetwork(virtual bool) *network {
	n := &network{
		listen: net.Listen,
		dial:   new(net.Dialer).DialContext,
		conns:  make(map[*conn]struct{}),
	}
	if virtual {
		v := new(kfake.VirtualNetwork)
		n.listen, n.dial = v.Listen, v.DialContext
	}
	return n
}

// Listen is the function that kfake calls for each broker.
func (n *network) Listen(network, address string) (net.Listener, error) {
	socket, err := n.listen(network, address)
	if err != nil {
		return nil, err
	}
	l := &listener{network: n, addr: socket.Addr(), socket: socket, changed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = append(n.listeners, l)
	return l, nil
}

func (n *network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return n.dial(ctx, network, address)
}

func (n *network) Addrs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	addrs := make([]string, len(n.listeners))
	for i, l := range n.listeners {
		addrs[i] = l.addr.String()
	}
	return addrs
}

func (n *network) down() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isDown = true
	for _, l := range n.listeners {
		l.set(nil)
	}
	n.closeConns()
}

func (n *network) up() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isDown = false
	var faults []error
	for _, l := range n.listeners {
		if l.closed || l.socket != nil {
			continue
		}
		socket, err := n.listen("tcp", l.addr.String())
		if err != nil {
			faults = append(faults, err)
			continue
		}
		l.set(socket)
	}
	return errors.Join(faults...)
}

// Close ends what kfake may have left: its listeners and connections.
func (n *network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.listeners {
		l.closed = true
		l.set(nil)
	}
	n.closeConns()
}

func (n *network) closeConns() {
	for c := range n.conns {
		_ = c.Conn.Close() // The other side sees the end either way.
	}
	clear(n.conns)
}

// listener is a broker's listener: its socket comes and goes.
type listener struct {
	network *network
	addr    net.Addr

	// Guarded by network.mu.
	socket  net.Listener  // Nil while down.
	changed chan struct{} // Closed and replaced at each change of socket.
	closed  bool
}

// set replaces the socket, under network.mu.
func (l *listener) set(socket net.Listener) {
	if l.socket != nil {
		_ = l.socket.Close() // Accept reports it, and goes on with the next one.
	}
	l.socket = socket
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		socket, changed, closed := l.state()
		if closed {
			return nil, net.ErrClosed
		}
		if socket == nil {
			<-changed
			continue
		}
		accepted, err := socket.Accept()
		if err == nil {
			if c := l.network.track(accepted); c != nil {
				return c, nil
			}
			_ = accepted.Close() // It came in while the broker went down.
			continue
		}
		if now, _, _ := l.state(); now == socket {
			return nil, err
		}
	}
}

func (l *listener) state() (socket net.Listener, changed <-chan struct{}, closed bool) {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	return l.socket, l.changed, l.closed
}

func (l *listener) Close() error {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if !l.closed {
		l.closed = true
		l.set(nil)
	}
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// conn is a broker's side of a connection.
type conn struct {
	net.Conn
	network *network
}

func (n *network) track(accepted net.Conn) *conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isDown {
		return nil
	}
	c := &conn{Conn: accepted, network: n}
	n.conns[c] = struct{}{}
	return c
}

func (c *conn) Close() error {
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}

func (n *network) downNow() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.isDown
}
