package redact

import "strings"

// userinfo finds the password in the authority that begins at i, behind ://, and a token that stands
// in place of the user's name.
func (sc *scanner) userinfo(i int) (from, to int) {
	s := sc.s
	end := i
	for end < len(s) && !authorityEnd[s[end]] {
		end++
	}
	sc.looked += end - i
	colon := strings.IndexByte(s[i:end], ':')
	at := strings.LastIndexByte(s[i:end], '@')
	switch {
	case at < 0 && (colon < 0 || s[i] == '[' || port(s[i+colon+1:end])):
		return 0, 0
	case at < 0: // neither a port nor a password: the password has a /, ? or # in it
		at = strings.LastIndexByte(s[i:sc.runEnd(end, false)], '@')
	case colon >= 0 && colon < at:
		at = max(at, lastAt(s[i:sc.runEnd(end, true)]))
	}
	if at < 0 {
		return 0, 0
	}
	user := s[i : i+at]
	if colon >= 0 && colon < at {
		user = user[:colon]
	}
	if len(user) >= 20 && random(user) {
		return i, i + at
	}
	return i + len(user) + 1, i + at
}

var authorityEnd = set("/?# \t\r\n\"'<>")

// lastAt returns where the last @ is that no / stands before: /@scope belongs to a path.
func lastAt(s string) int {
	at := strings.LastIndexByte(s, '@')
	for at > 0 && s[at-1] == '/' {
		at = strings.LastIndexByte(s[:at], '@')
	}
	return at
}

// runEnd returns the end of the URL that goes on at i, at the latest where another begins.
func (sc *scanner) runEnd(begin int, atQuery bool) int {
	s, i := sc.s, begin
	if strings.HasPrefix(s[begin-1:], "://") {
		return begin
	}
	for i < len(s) && (!authorityEnd[s[i]] || s[i] == '/' || s[i] == '#' || s[i] == '?' && !atQuery) && !strings.HasPrefix(s[i:], "://") {
		i++
	}
	sc.looked += i - begin
	return i
}

// port reports whether s can follow the colon of a host; lists of hosts have commas.
func port(s string) bool {
	number, _, _ := strings.Cut(s, ",")
	return strings.Trim(number, digits) == ""
}

// dataSource finds the password in the user:password@tcp(host) of the MySQL driver, at its @.
func (sc *scanner) dataSource(i int) (from, to int) {
	s := sc.s
	const longest = 128 // keeps a text of nothing but @tcp( linear
	if !strings.HasPrefix(s[i:], "@tcp(") && !strings.HasPrefix(s[i:], "@unix(") {
		return 0, 0
	}
	begin := i
	for begin > 0 && i-begin < longest && !dataSourceBegin[s[begin-1]] {
		begin--
	}
	sc.looked += i - begin
	if scheme := strings.LastIndex(s[begin:i], "://"); scheme >= 0 {
		begin += scheme + len("://")
	}
	colon := strings.IndexByte(s[begin:i], ':')
	if colon < 0 {
		return 0, 0
	}
	return begin + colon + 1, i
}

var dataSourceBegin = set(" \t\r\n\"'<>")
