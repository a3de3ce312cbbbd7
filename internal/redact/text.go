package redact

import "strings"

// Text returns s without the secrets that are known by their form: Bearer and Basic credentials, JSON
// Web Tokens, private keys in PEM, passwords in URLs, card numbers that pass the Luhn check, and the
// values of secret names written name=value, name: value or "name":"value". It returns s itself where
// there is none. It reads s once from left to right; the time is linear in its length.
func Text(s string) string {
	var b []byte
	kept := 0
	for i := 0; i < len(s); {
		if !opens[s[i]] || !worthALook(s, i) {
			i++
			continue
		}
		from, to := secretAt(s, i)
		if to <= i {
			i++
			continue
		}
		b = append(append(b, s[kept:from]...), Placeholder...)
		kept, i = to, to
	}
	if kept == 0 {
		return s
	}
	return string(append(b, s[kept:]...))
}

// opens are the bytes at which secretAt may find something.
var opens = set("=:ebB-23456")

// worthALook tells, by the next byte, most letters and digits of harmless texts from the beginning of a
// secret; it spares them the call of secretAt.
func worthALook(s string, i int) bool {
	if i+1 == len(s) {
		return false // whatever begins here has nothing after it
	}
	next := s[i+1]
	switch s[i] {
	case 'e':
		return next == 'y'
	case 'b', 'B':
		return next|0x20 == 'e' || next|0x20 == 'a'
	case '-':
		return next == '-'
	case '=', ':':
		return true
	}
	return (next >= '0' && next <= '9' || next == ' ' || next == '-') && (i == 0 || !base64url(s[i-1]))
}

// secretAt returns where a secret that shows itself at i begins and ends; to is 0 where none does.
func secretAt(s string, i int) (from, to int) {
	switch c := s[i]; c {
	case '=', ':':
		return assigned(s, i)
	case 'e':
		return jwt(s, i)
	case 'b', 'B':
		return credentials(s, i)
	case '-':
		return privateKey(s, i)
	case '2', '3', '4', '5', '6':
		return card(s, i)
	}
	return 0, 0
}

// assigned finds the password in ://user:password@, and the value in name=value and name: value.
func assigned(s string, i int) (from, to int) {
	if s[i] == ':' && strings.HasPrefix(s[i:], "://") {
		return userinfo(s, i+3)
	}
	if !Key(nameBefore(s, i)) {
		return 0, 0
	}
	from = i + 1
	for from < len(s) && from < i+4 && s[from] == ' ' {
		from++
	}
	if from < len(s) && (s[from] == '"' || s[from] == '\'') {
		return from + 1, quoted(s, from+1, s[from])
	}
	if strings.HasPrefix(s[from:], `\"`) {
		return from + 2, token(s, from+2)
	}
	to = token(s, from)
	if scheme(s[from:to]) && to < len(s) && s[to] == ' ' {
		from = to + 1
		to = token(s, from)
	}
	if to == from || s[from:to] == Placeholder {
		return 0, 0
	}
	return from, to
}

const maxName = 64

func nameBefore(s string, i int) string {
	end := i
	if end > 0 && s[end-1] == ' ' {
		end--
	}
	if end > 0 && (s[end-1] == '"' || s[end-1] == '\'') {
		end--
		if end > 0 && s[end-1] == '\\' {
			end--
		}
	}
	start := end
	for start > 0 && end-start < maxName && nameByte(s[start-1]) {
		start--
	}
	return s[start:end]
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// quoted returns the end of a quoted value; an escaped quote does not end it.
func quoted(s string, i int, quote byte) int {
	for ; i < len(s) && s[i] != quote; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return min(i, len(s))
}

// token returns the end of a value without quotes.
func token(s string, i int) int {
	for i < len(s) && !delimiter[s[i]] {
		i++
	}
	return i
}

var delimiter = set(" \t\r\n,;&\"'<>{}()[]\\")

func set(bytes string) (in [256]bool) {
	for i := range len(bytes) {
		in[bytes[i]] = true
	}
	return in
}

func scheme(word string) bool {
	return strings.EqualFold(word, "bearer") || strings.EqualFold(word, "basic") || strings.EqualFold(word, "digest") || strings.EqualFold(word, "token")
}

// userinfo finds what stands between the user's colon and the last @ of an authority.
func userinfo(s string, i int) (from, to int) {
	end := i
	for end < len(s) && !authorityEnd[s[end]] {
		end++
	}
	at := strings.LastIndexByte(s[i:end], '@')
	if at < 0 {
		return 0, 0
	}
	colon := strings.IndexByte(s[i:i+at], ':')
	if colon < 0 || colon+1 == at {
		return 0, 0
	}
	return i + colon + 1, i + at
}

var authorityEnd = set("/?# \t\r\n\"'<>")

// jwt finds three parts of base64url with dots between, of which the first is an encoded JSON object.
func jwt(s string, i int) (from, to int) {
	if !strings.HasPrefix(s[i:], "eyJ") || i > 0 && base64url(s[i-1]) {
		return 0, 0
	}
	end, dots := i, 0
	for end < len(s) && (base64url(s[end]) || s[end] == '.' && dots < 4) {
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

func base64url(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// credentials finds what follows Bearer or Basic, unless it is a word such as "authentication".
func credentials(s string, i int) (from, to int) {
	if i > 0 && base64url(s[i-1]) {
		return 0, 0
	}
	word := i + strings.IndexByte(s[i:min(len(s), i+len("bearer "))], ' ')
	if word < i || !scheme(s[i:word]) {
		return 0, 0
	}
	from = word + 1
	to = token(s, from)
	if to-from < 8 || !random(s[from:to]) {
		return 0, 0
	}
	return from, to
}

// random tells a credential from a word: it has a digit, or a capital that does not start it.
func random(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= '0' && s[i] <= '9' || i > 0 && s[i] >= 'A' && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

// privateKey finds a PEM block of a private key, also one that was cut off.
func privateKey(s string, i int) (from, to int) {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	if !strings.HasPrefix(s[i:], begin) {
		return 0, 0
	}
	label, body, found := strings.Cut(s[i+len(begin):], dashes)
	if !found || len(label) > 64 || !strings.HasSuffix(label, "PRIVATE KEY") {
		return 0, 0
	}
	start := len(s) - len(body)
	stop := strings.Index(body, end)
	if stop < 0 {
		return i, len(s)
	}
	rest := body[stop+len(end):]
	if after := strings.Index(rest, dashes); after >= 0 {
		return i, start + stop + len(end) + after + len(dashes)
	}
	return i, len(s)
}
