package redact

import "strings"

// jwt finds three parts of base64url with dots between, or the five of an encrypted token, of which the
// first is an encoded JSON object (RFC 7519, section 3).
func (sc *scanner) jwt(i int) (from, to int) {
	s := sc.s
	if !strings.HasPrefix(s[i:], "eyJ") || i < sc.noJWTUntil {
		return 0, 0
	}
	end, dots := i, 0
	for end < len(s) && (base64url[s[end]] || s[end] == '.' && dots < 4) {
		if s[end] == '.' {
			dots++
		}
		end++
	}
	sc.looked += end - i
	if dots < 2 {
		sc.noJWTUntil = end // what begins later in this run has no more dots
		return 0, 0
	}
	return i, end
}
