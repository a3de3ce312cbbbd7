package httpclient

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"github.com/backend-platform/sdk/errors"
)

// ErrNotPublic is found by errors.Is in the error of a call that Config.PublicOnly refused: its host is,
// or resolves to, an address that is not public. The call is not retried, and no breaker counts it.
var ErrNotPublic = errors.New("address is not public")

// A guard keeps a client from connecting to addresses that are not public, whoever chose the URL. What
// counts is the address that a connection is about to be made to: a name that resolves to a public
// address when it is looked at, and to a private one when it is dialled, does not pass.
type guard struct{ except []netip.Prefix }

// checkURL refuses what needs no look-up, so that a refused URL costs nothing and leaves no trace.
func (g *guard) checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%w: scheme %q", ErrNotPublic, u.Scheme)
	}
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.check(addr)
	}
	if endsInNumber(host) {
		return fmt.Errorf("%w: %q is a number that resolvers read as an address, each in its own way", ErrNotPublic, host)
	}
	return nil
}

// endsInNumber reports whether a host that is no IP address would be one to inet_aton and to browsers
// (https://url.spec.whatwg.org/#ends-in-a-number-checker): 2130706433, 0x7f.1, 0177.0.0.01. No
// top-level domain is a number.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	label := host[strings.LastIndexByte(host, '.')+1:]
	if digits, ok := strings.CutPrefix(strings.ToLower(label), "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

// control is a net.Dialer's ControlContext: it runs for each address of a name, before the connection.
func (g *guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return fmt.Errorf("%w: %s %s", ErrNotPublic, network, address)
	}
	return g.check(to.Addr())
}

// check returns nil if addr is public or an exception.
func (g *guard) check(addr netip.Addr) error {
	plain := addr.Unmap().WithZone("")
	for _, prefix := range g.except {
		if prefix.Contains(plain) {
			return nil
		}
	}
	if why := notPublic(addr); why != "" {
		return fmt.Errorf("%w: %s is for %s", ErrNotPublic, addr, why)
	}
	return nil
}

// guarded returns a copy of a transport that the service brought, in which the guard makes the
// connections. It refuses one in which somebody else does: that one would have to be trusted.
func (g *guard) guarded(base http.RoundTripper, d *net.Dialer) (*http.Transport, error) {
	t, ok := base.(*http.Transport)
	switch {
	case !ok:
		return nil, fmt.Errorf("PublicOnly: cannot be enforced in a Transport that is a %T", base)
	case t.Proxy != nil:
		return nil, errors.New("PublicOnly: cannot be enforced through Transport.Proxy, which connects in our place")
	case t.DialContext != nil, t.Dial != nil, t.DialTLSContext != nil, t.DialTLS != nil: //nolint:staticcheck // they still dial
		return nil, errors.New("PublicOnly: cannot be enforced in a Transport that has a dial function of its own")
	}
	t = t.Clone()
	t.DialContext = d.DialContext
	return t, nil
}
