// Package memnet is a listener in memory for the tests of this repository's modules. Waiting for a connection of it, or for
// bytes, lets the clock of a testing/synctest bubble go on, which a socket does not.
package memnet

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// ErrRefused is what Dial returns when the listener is closed. Like a dial to a port where nobody listens it is a
// [net.OpError] with ECONNREFUSED.
var ErrRefused error = &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}

const network = "memory"

// A Listener accepts what Dial connects. Methods are safe for concurrent use.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a listener. It belongs to the bubble in which it was made.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept waits for the next connection. After Close it returns [net.ErrClosed].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed: // also when somebody dials
		return nil, net.ErrClosed
	default:
	}
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and refuses what dials. Connections stay open. It may be called again.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the address, which is the same for every listener: a name that resolves nowhere, with a port, as a URL has it.
func (l *Listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return network }
func (addr) String() string  { return "orders.example.com:80" }

// Dial connects to the listener, whatever the address, and waits until it accepts. It has the form of
// http.Transport.DialContext. Its errors are [ErrRefused] and that of ctx. The connection is a [net.Pipe]: it holds no
// bytes, a write waits until they are read.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, ErrRefused
	default:
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, ErrRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
