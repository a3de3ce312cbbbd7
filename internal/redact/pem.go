package redact

import "strings"

// privateKey finds a PEM block of a private key, of PGP too, also one that was cut off.
func (sc *scanner) privateKey(i int) (from, to int) {
	s := sc.s
	const begin, end, dashes, longest = "-----BEGIN ", "-----END ", "-----", 64
	if !strings.HasPrefix(s[i:], begin) {
		return 0, 0
	}
	start := i + len(begin)
	label, _, found := strings.Cut(s[start:min(len(s), start+longest+len(dashes))], dashes)
	if !found || !strings.Contains(label, "PRIVATE KEY") {
		return 0, 0
	}
	start += len(label) + len(dashes)
	stop := strings.Index(s[start:], end)
	if stop < 0 {
		sc.looked += len(s) - i
		return i, len(s)
	}
	stop += start + len(end)
	after := strings.Index(s[stop:], dashes)
	if after < 0 {
		sc.looked += len(s) - i
		return i, len(s)
	}
	to = stop + after + len(dashes)
	sc.looked += to - i
	return i, to
}
