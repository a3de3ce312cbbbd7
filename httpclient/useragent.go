package httpclient

import (
	"path"
	"strings"

	"github.com/backend-platform/sdk/internal/buildinfo"
)

const moduleName = "httpclient"

// userAgent returns "service/version sdk-httpclient/version": who calls, and by which client.
func userAgent(service string) string {
	if service == "" {
		service = product(buildinfo.Read().Main)
	}
	return strings.TrimSpace(service + " sdk-httpclient/" + token(buildinfo.Version(moduleName)))
}

// product returns the main module as a product of RFC 9110, section 10.1.5, or "".
func product(m buildinfo.Module) string {
	name := path.Base(m.Path)
	if major, ok := strings.CutPrefix(name, "v"); ok && strings.Trim(major, "0123456789") == "" {
		name = path.Base(path.Dir(m.Path)) // example.com/orders/v2
	}
	if name = token(name); name == "" || name == "." {
		return ""
	}
	if version := token(m.Version); version != "" {
		return name + "/" + version
	}
	return name
}

// token removes what a token of RFC 9110 may not contain: "(devel)" becomes "devel".
func token(s string) string {
	return strings.Map(func(r rune) rune {
		if validToken(r) {
			return r
		}
		return -1
	}, s)
}

func validToken(r rune) bool {
	switch {
	case '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
		return true
	}
	return strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
