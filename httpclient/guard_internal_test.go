package httpclient

import (
	"encoding/binary"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/errors"
)

// The registries of IANA, each range with its first and its last address, and a name to find it by:
// https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry.
var specialPurpose = []string{
	"0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32",
	"192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.88.99.2/32", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32",
	"::1/128", "::/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32",
	"2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28",
	"2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7",
	"fe80::/10",
}

// What the registries do not have, and a server of the public internet neither.
var notGivenOut = []string{
	"224.0.0.0/4", "::/96", "fec0::/10", "ff00::/8", "168.63.129.16/32", "::/8", "100::/8", "200::/7", "400::/6", "800::/5",
	"1000::/4", "4000::/3", "6000::/3", "8000::/3", "a000::/3", "c000::/3", "e000::/4", "f000::/5", "f800::/6", "fe00::/9",
	// Clouds tell the credentials of a machine here.
	"169.254.169.254/32", "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::254/128", "fd20:ce::254/128",
}

func last(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

func TestEverySpecialPurposeRangeIsRefused(t *testing.T) {
	for _, text := range append(specialPurpose, notGivenOut...) {
		prefix := netip.MustParsePrefix(text)
		for _, addr := range []netip.Addr{prefix.Addr(), last(prefix)} {
			if notPublic(addr) == "" {
				t.Errorf("%s of %s passes", addr, prefix)
			}
		}
	}
}

func TestPublicAddressesPass(t *testing.T) {
	for _, text := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255",
		"192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255",
		"198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
		"2001:200::", "2001:4860:4860::8888", "2003::", "2606:4700:4700::1111", "2620:4f:7fff::", "2a00:1450::", "3ffe::",
	} {
		if why := notPublic(netip.MustParseAddr(text)); why != "" {
			t.Errorf("%s is refused as %s", text, why)
		}
	}
}

// An IPv4 address can be written inside an IPv6 address, and be reached through it.
func TestAddressesInsideOthersDoNotPass(t *testing.T) {
	for _, text := range specialPurpose {
		inner := netip.MustParsePrefix(text).Addr()
		if !inner.Is4() {
			continue
		}
		v4 := inner.As4()
		for name, outer := range map[string]netip.Addr{
			"IPv4-mapped":     netip.AddrFrom16(inner.As16()),
			"IPv4-compatible": embed("::", v4, 12),
			"NAT64":           embed("64:ff9b::", v4, 12),
			"local NAT64":     embed("64:ff9b:1::", v4, 12),
			"6to4":            embed("2002::", v4, 2),
			"Teredo server":   embed("2001::", v4, 4),
			"Teredo client":   embed("2001::", [4]byte{^v4[0], ^v4[1], ^v4[2], ^v4[3]}, 12),
			"with a zone":     netip.AddrFrom16(inner.As16()).WithZone("eth0"),
		} {
			if notPublic(outer) == "" {
				t.Errorf("%s inside a %s address passes: %s", inner, name, outer)
			}
		}
	}
}

func embed(prefix string, v4 [4]byte, at int) netip.Addr {
	bytes := netip.MustParseAddr(prefix).As16()
	copy(bytes[at:], v4[:])
	return netip.AddrFrom16(bytes)
}

func TestNoAddressIsNotPublic(t *testing.T) {
	if notPublic(netip.Addr{}) == "" {
		t.Error("the zero address passes")
	}
}

func TestExceptionsOfTheGuard(t *testing.T) {
	g := &guard{except: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}}
	for text, passes := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd00:1::7": true, "8.8.8.8": true,
		"10.2.0.1": false, "64:ff9b::10.1.2.3": false, "fd00:2::1": false,
	} {
		if err := g.check(netip.MustParseAddr(text)); (err == nil) != passes {
			t.Errorf("%s: %v, want passes %v", text, err, passes)
		}
	}
}

func TestGuardDialsNothingButTCP(t *testing.T) {
	g := &guard{}
	for network, address := range map[string]string{
		"unix": "/var/run/docker.sock", "udp4": "8.8.8.8:53", "ip4": "8.8.8.8", "tcp": "not an address", "tcp4": "127.0.0.1:80",
	} {
		if err := g.control(t.Context(), network, address, nil); !errors.Is(err, ErrNotPublic) {
			t.Errorf("%s %s: %v, want ErrNotPublic", network, address, err)
		}
	}
	if err := g.control(t.Context(), "tcp6", "[2606:4700:4700::1111]:443", nil); err != nil {
		t.Error(err)
	}
}

// inetAton reads an IPv4 address as the C library does, in up to four parts, each decimal, octal or
// hexadecimal: independently of the guard, to find what it lets pass.
func inetAton(host string) (netip.Addr, bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		n, ok := cNumber(part)
		width := 8
		if i == len(parts)-1 {
			width = 8 * (5 - len(parts))
		}
		if !ok || n >= 1<<width {
			return netip.Addr{}, false
		}
		value = value<<width | n
	}
	var bytes [4]byte
	binary.BigEndian.PutUint32(bytes[:], uint32(value))
	return netip.AddrFrom4(bytes), true
}

func cNumber(text string) (n uint64, ok bool) {
	text, base := strings.ToLower(text), uint64(10)
	switch {
	case strings.HasPrefix(text, "0x"):
		text, base = text[2:], 16
	case len(text) > 1 && text[0] == '0':
		text, base = text[1:], 8
	}
	for _, c := range text {
		digit := uint64(strings.IndexRune("0123456789abcdef", c))
		if digit >= base || n > 1<<32 {
			return 0, false
		}
		n = n*base + digit
	}
	return n, text != "" || base == 16
}

// FuzzGuardHost looks for a host that the C library would read as an address which is not public, and
// the guard neither refuses nor leaves to a look-up.
func FuzzGuardHost(f *testing.F) {
	for _, host := range []string{
		"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0X7F.1", "0177.0.0.01", "017700000001", "127.0.0.1.", "0", "0x",
		"[::1]", "[::ffff:127.0.0.1]", "[fe80::1%25eth0]", "[64:ff9b::7f00:1]", "localhost", "example.com", "user@127.0.0.1",
		"8.8.8.8@127.0.0.1", "127.0.0.1:80", "１２７.0.0.1", "1.2.3.4.5", "", "10.", "foo.0x7f",
	} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		u, err := url.Parse("http://" + host + "/")
		if err != nil {
			return
		}
		err = (&guard{}).checkURL(u)
		if err != nil && !errors.Is(err, ErrNotPublic) {
			t.Fatalf("%q: %v", host, err)
		}
		if addr, ok := inetAton(u.Hostname()); ok && err == nil && (notPublic(addr) != "" || addr.String() != u.Hostname()) {
			t.Errorf("%q passes, and means %s to some", host, addr)
		}
		if addr, parseErr := netip.ParseAddr(u.Hostname()); parseErr == nil && err == nil && notPublic(addr) != "" {
			t.Errorf("%q passes", host)
		}
	})
}
