package httpclient

import (
	"mime"
	"net/url"
	"strings"
	"testing"
)

// FuzzHostPatterns looks for a pattern of Config.InternalHosts that passes New and matches a host that
// it does not name: the header would carry baggage to strangers.
func FuzzHostPatterns(f *testing.F) {
	for _, seed := range [][2]string{
		{"inventory", "inventory:8080"}, {"inventory:8080", "inventory"}, {"*.svc.cluster.local", "a.svc.cluster.local"},
		{"*.example.com", "evil-example.com"}, {"*.example.com", "example.com"}, {"[::1]:80", "[::1]"}, {"::1", "[::1]:443"},
		{"*", "anything"}, {"*.", "a."}, {"a:b", "a"}, {"INVENTORY", "inventory"}, {"a*", "ab"}, {"a..", "a.."},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, host string) {
		u, err := url.Parse("http://" + host + "/")
		if err != nil || !validPattern(pattern) {
			return
		}
		h := newHost(hostName{u.Scheme, u.Host})
		if !(hostPatterns{newHostPattern(pattern)}).match(h.address, h.port) {
			return
		}
		named := strings.ToLower(pattern)
		suffix, wild := strings.CutPrefix(named, "*")
		switch {
		case wild && !strings.HasPrefix(suffix, "."):
			t.Errorf("%q is no suffix of whole labels, and matches %q", pattern, host)
		case wild && !strings.HasSuffix(h.address+":"+u.Port(), suffix) && !strings.HasSuffix(h.address, suffix) && !strings.Contains(suffix, ":"):
			t.Errorf("%q matches %q", pattern, host)
		case !wild && !strings.Contains(named, h.address):
			t.Errorf("%q matches %q", pattern, host)
		}
	})
}

// FuzzContentType looks for a content type that is taken for JSON and is none.
func FuzzContentType(f *testing.F) {
	for _, seed := range []string{
		"", "application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json", "text/json",
		"application/json, text/html", "application/jsonx", "image/svg+json", "application/+json", "application/json;", "a/b;c",
		"text/html; x=application/json", "application/json\x00", " application/json ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if !isJSON(value) || value == "" {
			return
		}
		media, _, err := mime.ParseMediaType(value)
		main, sub, _ := strings.Cut(media, "/")
		if err != nil || main != "application" || sub != "json" && !strings.HasSuffix(sub, "+json") {
			t.Errorf("%q is taken for JSON", value)
		}
	})
}
