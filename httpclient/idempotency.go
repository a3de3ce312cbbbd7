package httpclient

import (
	"crypto/rand"
	"net/http"
)

const idempotencyKeyHeader = "Idempotency-Key"

// repeatable reports whether the request may be sent more than once: its method is idempotent (RFC
// 9110, section 9.2.2) or it has an idempotency key, and its body, if any, can be had again.
func repeatable(req *http.Request, header http.Header) bool {
	return (idempotentMethod(req.Method) || header.Get(idempotencyKeyHeader) != "") && rewindable(req)
}

func idempotentMethod(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}

func rewindable(req *http.Request) bool { return !hasBody(req) || req.GetBody != nil }

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// idempotencyKey returns the key that the call adds to the request, or "". The hops of a redirect on
// the same host share one.
func (t *transport) idempotencyKey(req *http.Request, call *Call) string {
	switch {
	case idempotentMethod(req.Method) && call.IdempotencyKey == "", req.Header.Get(idempotencyKeyHeader) != "":
		return ""
	case changedHost(req):
		return ""
	case call.IdempotencyKey != "":
		return call.IdempotencyKey
	case !t.cfg.IdempotencyKeys:
		return ""
	}
	if before := callBefore(req); before != nil && before.addedKey != "" {
		return before.addedKey
	}
	return rand.Text()
}

// callBefore returns the call whose response redirected to req, or nil.
func callBefore(req *http.Request) *call {
	if req.Response == nil {
		return nil
	}
	return callOf(req.Response)
}

// callOf returns the call that a response is of, or nil if it is not of this package.
func callOf(resp *http.Response) *call {
	switch body := resp.Body.(type) {
	case *responseBody:
		return body.call
	case upgradedBody:
		return body.call
	}
	return nil
}
