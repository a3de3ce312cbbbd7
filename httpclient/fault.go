package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"

	"github.com/backend-platform/sdk/errors"
)

// statusFault returns what a response's status says about the call, in the words of the table: nil for
// everything below 400. Retried are 429, 502, 503 and 504 only. A body is not looked at: the breaker
// judges at the headers.
func statusFault(status int) error {
	switch status {
	case http.StatusUnauthorized:
		return errors.Unauthenticated
	case http.StatusForbidden:
		return errors.PermissionDenied
	case http.StatusNotFound:
		return errors.NotFound
	case http.StatusTooManyRequests:
		return errors.ResourceExhausted
	case http.StatusNotImplemented:
		return errors.Unimplemented
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return errors.Unavailable
	case http.StatusGatewayTimeout:
		return errors.DeadlineExceeded
	}
	switch {
	case status >= 500:
		return errors.Internal
	case status >= 400:
		return errors.FailedPrecondition
	}
	return nil
}

// A transportError is why an attempt got no response. It gives the errors of net and net/http a code.
type transportError struct {
	err  error
	code errors.Code
}

func (e *transportError) Error() string     { return e.err.Error() }
func (e *transportError) Unwrap() error     { return e.err }
func (e *transportError) Code() errors.Code { return e.code }

// Is makes errors.Is find the code.
func (e *transportError) Is(target error) bool { return target == error(e.code) }

// A callError is what the client returns: it tells [url.Error.Timeout], which looks no deeper than one
// level, whether the call timed out.
type callError struct{ err error }

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// Timeout reports whether any error inside is a timeout, unless the caller went away after that.
func (e *callError) Timeout() bool {
	if errors.CodeOf(e.err) == errors.Canceled {
		return false
	}
	timeout, ok := errors.AsType[net.Error](e.err)
	return ok && timeout.Timeout() || errors.Is(e.err, context.DeadlineExceeded)
}

// transportFault gives the error of an attempt its code. What another attempt cannot cure is marked.
func transportFault(err error) error {
	fault := &transportError{err, errors.Unavailable}
	if untrusted(err) {
		return errors.MarkRetryable(fault, false)
	}
	return fault
}

// untrusted reports whether the peer's certificate, or ours, was refused.
func untrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}

// invalidRequest reports whether the request could never have been sent. net/http's own errors for
// that are untyped, and matching their text is what go-retryablehttp does.
func invalidRequest(req *http.Request, header http.Header) bool {
	switch {
	case req.URL.Scheme != "http" && req.URL.Scheme != "https", req.URL.Host == "", !isToken(req.Method):
		return true
	}
	for name, values := range header {
		if !isToken(name) {
			return true
		}
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return true
			}
		}
	}
	return false
}

func isToken(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !validToken(r) })
}
