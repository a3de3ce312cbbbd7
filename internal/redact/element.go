package redact

import "strings"

// element finds the text of an XML element with a secret name, whose start tag ends at i. What stands
// before no end tag and has blanks in it is no element: "usage: login <user> <password> [file]".
func (sc *scanner) element(i int) (from, to int) {
	s := sc.s
	begin, end, closed := sc.nameBefore(i)
	if closed || end != i || begin == 0 || s[begin-1] != '<' && s[begin-1] != ':' || !Key(s[begin:end]) {
		return 0, 0
	}
	from = i + 1
	length := strings.IndexByte(s[from:], '<')
	if length < 0 { // cut off
		sc.looked += len(s) - from
		return from, sc.token(from)
	}
	sc.looked += length
	if to = from + length; strings.HasPrefix(s[to:], "</") {
		return from, to
	}
	return 0, 0
}
