package httpserver

import (
	"context"
	"net/http"

	"github.com/backend-platform/sdk/errors"
)

// A HandlerFunc is an http.Handler whose errors become the response.
//
// A nil error means that the function has answered. Any other is answered as [WriteError] says. The
// function may use w as any handler does; it must not go on using it after it has returned.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP calls f and answers its error.
func (f HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	exchangeFrom(r.Context()).noteRoute(r)
	_, w = tracked(w)
	if err := f(w, r); err != nil {
		WriteError(w, r, err)
	}
}

// WriteError answers a request with the problem document of an error (application/problem+json, RFC
// 9457), and sees that it is logged, and noted on the request's span, by the table of package errors.
// It is for handlers and middleware that do not return errors; a [HandlerFunc] calls it by itself. A
// nil err is an error without a code.
//
// What is sent is public: code, reason, message, violations, metadata, the trace id. Causes go to the
// log. The headers Retry-After and Retry-Exhausted are set where the error says so; the document is
// never cached. A HEAD request gets the header alone, and a client that would rather have text or HTML
// than JSON, as a browser, gets the same as plain text; whatever a client accepts, an error is no 406.
// If the response has begun, nothing more is sent, and the log says so.
//
// Three rules decide the code:
//   - An error of a remote service is not ours: see [errors.Local] and [errors.PassOn].
//   - canceled is the code only if the caller itself went away. Any other error with this code is
//     unknown, or deadline_exceeded if the request's deadline has passed.
//   - What the server's own stop cut off is unavailable ([ErrShuttingDown]).
//
// An http.MaxBytesError without a code is [ErrBodyTooLarge].
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		err = errors.Unknown.New("")
	}
	x := exchangeFrom(r.Context())
	rw, _ := tracked(w)
	err = settle(x, rw, r, err)
	late := rw.started()
	if !x.fail(err, late) {
		logFailure(x, r, err, late)
	}
	if !late {
		writeProblem(rw, r, err)
	}
}

// settle applies the rules that need to know the request.
func settle(x *exchange, rw *response, r *http.Request, err error) error {
	err = errors.Local(err)
	code := errors.CodeOf(err)
	if code != errors.Canceled && code != errors.Unknown && (code != errors.DeadlineExceeded || coded(err)) {
		return err
	}
	caller := r.Context()
	if x != nil {
		caller = x.caller
	}
	switch {
	case errors.Is(context.Cause(caller), ErrShuttingDown):
		return ErrShuttingDown.Wrap(err, "")
	case rw.broken != nil && holds(err, rw.broken):
		return errors.Canceled.Wrap(err, "") // the connection is gone, which the context may not know yet
	case code == errors.Unknown:
		return settleUnknown(err)
	case code == errors.DeadlineExceeded:
		// net/http ends the context when a write fails, also for a client that only did not read.
		if errors.Is(caller.Err(), context.Canceled) {
			return errors.Canceled.Wrap(err, "")
		}
		return err
	case caller.Err() != nil:
		return err
	case errors.Is(r.Context().Err(), context.DeadlineExceeded):
		return errors.DeadlineExceeded.Wrap(err, "")
	}
	return errors.Unknown.Wrap(err, "")
}

// coded reports whether somebody gave the error a code: a deadline of a context or a connection has one
// by what it is.
func coded(err error) bool {
	_, code := find[errors.Code](err)
	_, coder := find[interface{ Code() errors.Code }](err)
	return code || coder
}

func settleUnknown(err error) error {
	if tooLarge, ok := find[*http.MaxBytesError](err); ok {
		return bodyTooLarge(tooLarge.Limit, err)
	}
	return err
}
