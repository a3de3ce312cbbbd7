package httpclient

import "net/netip"

// A purpose is an address range that is not for public unicast.
type purpose struct {
	prefix netip.Prefix
	name   string
}

// notUnicast are the ranges that a public service cannot have: those of the IANA special-purpose
// address registries for IPv4 and IPv6, multicast, and what is deprecated or answers to the machines of
// a cloud only. The standard library's predicates know fewer: 100.64.0.0/10, 198.18.0.0/15 and
// 2002::/16 are neither private nor local to package netip.
//
// https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry
var notUnicast = []purpose{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network (RFC 791)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private use (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback (RFC 1122)"},
	{netip.MustParsePrefix("168.63.129.16/32"), "the platform services of Azure"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link local use (RFC 3927)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private use (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments (RFC 6890)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.31.196.0/24"), "AS112 (RFC 7535)"},
	{netip.MustParsePrefix("192.52.193.0/24"), "AMT (RFC 7450)"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relays, deprecated (RFC 7526)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private use (RFC 1918)"},
	{netip.MustParsePrefix("192.175.48.0/24"), "AS112 (RFC 7534)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking (RFC 2544)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (RFC 5771)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "future use and broadcast (RFC 1112, 8190)"},

	{netip.MustParsePrefix("::/128"), "the unspecified address (RFC 4291)"},
	{netip.MustParsePrefix("::1/128"), "loopback (RFC 4291)"},
	{netip.MustParsePrefix("::/96"), "IPv4-compatible addresses, deprecated (RFC 4291)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local IPv4 translation (RFC 8215)"},
	{netip.MustParsePrefix("100::/64"), "discarding (RFC 6666)"},
	{netip.MustParsePrefix("100:0:0:1::/64"), "dummy addresses (RFC 9780)"},
	{netip.MustParsePrefix("2001::/32"), "Teredo (RFC 4380)"},
	{netip.MustParsePrefix("2001::/23"), "protocol assignments (RFC 2928)"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation (RFC 3849)"},
	{netip.MustParsePrefix("2002::/16"), "6to4, deprecated (RFC 3056, 7526)"},
	{netip.MustParsePrefix("2620:4f:8000::/48"), "AS112 (RFC 7534)"},
	{netip.MustParsePrefix("3fff::/20"), "documentation (RFC 9637)"},
	{netip.MustParsePrefix("5f00::/16"), "segment routing (RFC 9602)"},
	{netip.MustParsePrefix("fc00::/7"), "unique local use (RFC 4193)"},
	{netip.MustParsePrefix("fe80::/10"), "link local use (RFC 4291)"},
	{netip.MustParsePrefix("fec0::/10"), "site local use, deprecated (RFC 3879)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast (RFC 4291)"},
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")     // all of IPv6 that was ever given out (RFC 4291)
	translated    = netip.MustParsePrefix("64:ff9b::/96") // an IPv4 address behind a NAT64 (RFC 6052)
)

// notPublic says what an address is for that is not public, or "". An address that has an IPv4 address
// inside and is in use, IPv4-mapped or behind a NAT64, is judged by that: where there is no IPv4, every
// IPv4 host of the internet has an address of the second kind. Teredo and 6to4 lead to an IPv4 address,
// too; they are deprecated, and refused whatever is inside.
func notPublic(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if translated.Contains(addr) {
		bytes := addr.As16()
		addr = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	for _, p := range notUnicast {
		if p.prefix.Contains(addr) {
			return p.name
		}
	}
	if !addr.IsValid() || addr.Is6() && !globalUnicast.Contains(addr) {
		return "nothing that was given out"
	}
	return ""
}
