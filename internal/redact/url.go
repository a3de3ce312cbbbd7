package redact

import (
	"net/url"
	"strings"
)

// URL returns u as text without its secrets: user name and password, and the values of query
// parameters whose names are secret by [Key], become REDACTED, in the fragment too, and so does what
// [Text] knows in the path and in the other values. The rest stays byte for byte. A nil u is "".
func URL(u *url.URL) string {
	if u == nil {
		return ""
	}
	clean := *u
	clean.Opaque, clean.RawQuery = Text(u.Opaque), Query(u.RawQuery)
	clean.Path, clean.RawPath = component(u.Path, u.RawPath, u.EscapedPath(), Text)
	clean.Fragment, clean.RawFragment = component(u.Fragment, u.RawFragment, u.EscapedFragment(), Query)
	if u.User != nil {
		clean.User = url.UserPassword(Placeholder, Placeholder)
	}
	return clean.String()
}

// component redacts the escaped form of a path or a fragment, and returns its two fields.
func component(plain, raw, escaped string, redact func(string) string) (newPlain, newRaw string) {
	text := redact(escaped)
	if text == escaped {
		return plain, raw
	}
	plain, err := url.PathUnescape(text)
	if err != nil { // a secret began within an escape
		return Placeholder, ""
	}
	return plain, text
}

// Query returns a raw query without the values of its secret parameters, and without the secrets that
// [Text] knows in the others. Parameters end at a semicolon as well.
func Query(raw string) string {
	var b []byte
	kept := 0
	for begin, end := 0, 0; begin < len(raw); begin = end + 1 {
		for end = begin; end < len(raw) && raw[end] != '&' && raw[end] != ';'; end++ {
		}
		if clean := parameter(raw[begin:end]); clean != raw[begin:end] {
			b = append(append(b, raw[kept:begin]...), clean...)
			kept = end
		}
	}
	if kept == 0 {
		return raw
	}
	return string(append(b, raw[kept:]...))
}

func parameter(pair string) string {
	name, value, found := strings.Cut(pair, "=")
	if !found {
		return unescapedText(pair)
	}
	if value != "" && secretParameter(name[strings.LastIndexByte(name, '?')+1:]) { // #/callback?code=…
		return name + "=" + Placeholder
	}
	if clean := unescapedText(value); clean != value {
		return name + "=" + clean
	}
	return pair
}

// unescapedText takes the secrets out of an escaped text as it is, and as it is meant.
func unescapedText(s string) string {
	s = Text(s)
	plain, err := url.QueryUnescape(s)
	if err != nil || plain == s {
		return s
	}
	if clean := Text(plain); clean != plain {
		return url.QueryEscape(clean)
	}
	return s
}

// secretParameter knows, beyond [Key], the code of OAuth 2.0 (RFC 6749, section 4.1.2) and the key of
// Google's APIs, which are no secrets elsewhere.
func secretParameter(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	return Key(name) || strings.EqualFold(name, "code") || strings.EqualFold(name, "key")
}

// Header returns the value of a header as it may be logged: REDACTED if the name is secret, else
// without the secrets that [Text] knows.
func Header(name, value string) string {
	if Key(name) {
		return Placeholder
	}
	return Text(value)
}
