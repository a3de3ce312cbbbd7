package redact

import (
	"net/url"
	"strings"
)

// URL returns u as text without its secrets: user name and password, and the values of query
// parameters whose names are secret by [Key], become REDACTED. The rest stays byte for byte. A nil u
// is "".
func URL(u *url.URL) string {
	if u == nil {
		return ""
	}
	query := Query(u.RawQuery)
	if u.User == nil && query == u.RawQuery {
		return u.String()
	}
	clean := *u
	clean.RawQuery = query
	if u.User != nil {
		clean.User = url.UserPassword(Placeholder, Placeholder)
	}
	return clean.String()
}

// Query returns a raw query without the values of its secret parameters.
func Query(raw string) string {
	if !strings.Contains(raw, "=") {
		return raw
	}
	var b strings.Builder
	changed := false
	for i, pair := range strings.Split(raw, "&") {
		if i > 0 {
			b.WriteByte('&')
		}
		name, value, found := strings.Cut(pair, "=")
		if !found || value == "" || !secretParameter(name) {
			b.WriteString(pair)
			continue
		}
		changed = true
		b.WriteString(name + "=" + Placeholder)
	}
	if !changed {
		return raw
	}
	return b.String()
}

func secretParameter(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	return Key(name) || name == "code" || name == "key"
}

// Header returns the value of a header as it may be logged: REDACTED if the name is secret, else
// without the secrets that [Text] knows.
func Header(name, value string) string {
	if Key(name) {
		return Placeholder
	}
	return Text(value)
}
