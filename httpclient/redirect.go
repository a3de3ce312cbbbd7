package httpclient

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"

	"github.com/backend-platform/sdk/errors"
)

// ErrInsecureRedirect is why a redirect from https to http is not followed.
var ErrInsecureRedirect = errors.New("redirect from https to http refused")

// maxRedirects is net/http's own limit.
const maxRedirects = 10

// redirectHeaders are the headers that a redirect to another host keeps: those that describe the
// request and identify nobody. net/http keeps everything but five headers, X-Api-Key included.
var redirectHeaders = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Content-Encoding", "Content-Language",
	"Content-Length", "Content-Type", "If-Match", "If-Modified-Since", "If-None-Match",
	"If-Unmodified-Since", "Range", "User-Agent",
}

// headerSet holds canonical header names.
type headerSet map[string]struct{}

func newHeaderSet(names ...[]string) headerSet {
	set := headerSet{}
	for _, list := range names {
		for _, name := range list {
			set[textproto.CanonicalMIMEHeaderKey(name)] = struct{}{}
		}
	}
	return set
}

// strip removes what is not in the set.
func (s headerSet) strip(header http.Header) {
	for name := range header {
		if _, ok := s[name]; !ok {
			delete(header, name)
		}
	}
}

// checkRedirect is the client's CheckRedirect. It runs before the jar adds the new host's cookies, so
// here a Cookie header is one that the caller set, and goes too.
func (t *transport) checkRedirect(req *http.Request, via []*http.Request) error {
	if insecureRedirect(req) {
		return ErrInsecureRedirect
	}
	if changedHost(req) {
		t.redirectHeaders.strip(req.Header)
	}
	if t.cfg.CheckRedirect != nil {
		return t.cfg.CheckRedirect(req, via)
	}
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	return nil
}

// guardRedirect holds to the same rules where somebody replaced the client's CheckRedirect. header is
// the call's own copy. Cookies stay: the jar's are for the new host, and net/http has removed others.
func (t *transport) guardRedirect(req *http.Request, header http.Header) error {
	if req.Response == nil {
		return nil
	}
	if insecureRedirect(req) {
		return ErrInsecureRedirect
	}
	if changedHost(req) {
		cookies := header["Cookie"]
		t.redirectHeaders.strip(header)
		if cookies != nil {
			header["Cookie"] = cookies
		}
	}
	return nil
}

// previous returns the request whose redirect led to req, or nil.
func previous(req *http.Request) *http.Request {
	if req.Response == nil {
		return nil
	}
	return req.Response.Request
}

func insecureRedirect(req *http.Request) bool {
	prev := previous(req)
	return prev != nil && prev.URL.Scheme == "https" && req.URL.Scheme != "https"
}

// changedHost reports whether any redirect on the way to req led to another host. One that leads back
// does not undo it: the other host chose the URL.
func changedHost(req *http.Request) bool {
	for prev := previous(req); prev != nil; req, prev = prev, previous(prev) {
		if !sameHost(prev.URL, req.URL) {
			return true
		}
	}
	return false
}

// sameHost compares host and port; from http to https on the usual ports is the same host.
func sameHost(a, b *url.URL) bool {
	if a.Hostname() != b.Hostname() {
		return false
	}
	usual := usualPort(a) && usualPort(b)
	return usual || portOf(a) == portOf(b) && a.Scheme == b.Scheme
}

func usualPort(u *url.URL) bool { return portOf(u) == schemePort(u.Scheme) }

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return schemePort(u.Scheme)
}

func schemePort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}
