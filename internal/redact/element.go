package redact

import "strings"

// element finds the text of an XML element with a secret name, whose start tag ends at i. What stands
// before no end tag and has blanks in it is no element: "usage: login <user> <password> [file]".
func (sc *scanner) element(i int) (from, to int) {
	s := sc.s
	if !Key(sc.elementName(i)) {
		return 0, 0
	}
	from = i + 1
	switch to = sc.nextTag(from); {
	case to == len(s): // cut off
		return from, sc.token(from)
	case strings.HasPrefix(s[to:], "</"):
		return from, to
	}
	return 0, 0
}

// elementName returns the name in the start tag that ends at i, which may have attributes behind it; or "". It
// goes through no text twice.
func (sc *scanner) elementName(i int) string {
	tag := sc.s[min(sc.tagEnd, i):i]
	sc.tagEnd = i + 1
	sc.looked += 2 * len(tag)
	name, attributes, _ := strings.Cut(tag[strings.LastIndexByte(tag, '<')+1:], " ")
	if len(name) == len(tag) || strings.HasSuffix(attributes, "/") || attributes != "" && !strings.Contains(attributes, "=") {
		return "" // no tag, or one without an end
	}
	return name[strings.LastIndexByte(name, ':')+1:]
}

// nextTag returns where the next < stands, or the end of the text. It goes through no text twice.
func (sc *scanner) nextTag(from int) int {
	if sc.tag < from {
		sc.tag = len(sc.s)
		if length := strings.IndexByte(sc.s[from:], '<'); length >= 0 {
			sc.tag = from + length
		}
		sc.looked += sc.tag - from
	}
	return sc.tag
}
