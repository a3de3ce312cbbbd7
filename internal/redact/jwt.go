package redact

import "strings"

// jwt finds three parts of base64url with dots between, or the five of an encrypted token, of which the
// first is an encoded JSON object (RFC 7519, section 3).
func jwt(s string, i int) (from, to int) {
	if !strings.HasPrefix(s[i:], "eyJ") || i > 0 && (s[i-1] == '-' || s[i-1] == '_') {
		return 0, 0
	}
	end, dots := i, 0
	for end < len(s) && (base64url[s[end]] || s[end] == '.' && dots < 4) {
		if s[end] == '.' {
			dots++
		}
		end++
	}
	if dots < 2 {
		return 0, 0
	}
	return i, end
}
