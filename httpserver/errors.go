package httpserver

import (
	"reflect"
	"slices"

	"github.com/backend-platform/sdk/errors"
)

// domain owns the reasons of what this package answers by itself.
const domain = "httpserver"

var catalogue = errors.NewCatalogue(domain, "")

// The errors that this package answers with by itself. Each has a reason, so that a caller can tell a
// wrong address from an order that does not exist, although both are 404; errors.Is finds them also in
// the service that called.
var (
	// ErrNoRoute is the answer to a path that the mux does not know: 404.
	ErrNoRoute = catalogue.Define(errors.Definition{
		Code: errors.NotFound, Reason: "NO_ROUTE",
		Doc: "The server has nothing at this path. Check the URL.",
	})
	// ErrMethodNotAllowed is the answer to a path that the mux knows for other methods: 405, with Allow.
	ErrMethodNotAllowed = catalogue.Define(errors.Definition{
		Code: errors.InvalidArgument, Reason: "METHOD_NOT_ALLOWED", Status: 405,
		Doc: "The path exists, but not for this method. The header Allow lists the methods that do.",
	})
	// ErrBodyTooLarge is the answer to a request body beyond the limit: 413.
	ErrBodyTooLarge = catalogue.Define(errors.Definition{
		Code: errors.InvalidArgument, Reason: "BODY_TOO_LARGE", Status: 413,
		Doc: "The request body is larger than the server accepts. Send less.",
	})
	// ErrMediaType is the answer to a body that is not JSON where JSON is read: 415.
	ErrMediaType = catalogue.Define(errors.Definition{
		Code: errors.InvalidArgument, Reason: "UNSUPPORTED_MEDIA_TYPE", Status: 415,
		Doc: "The request body must be JSON, and Content-Type must say so.",
	})
	// ErrBodyTimeout is the answer to a body that arrived too slowly: 408.
	ErrBodyTimeout = catalogue.Define(errors.Definition{
		Code: errors.InvalidArgument, Reason: "BODY_TIMEOUT", Status: 408,
		Doc: "The request body did not arrive in time. Send it faster, or send less.",
	})
	// ErrInvalidBody is the answer to a body that is not what the handler reads: 400, with violations.
	ErrInvalidBody = catalogue.Define(errors.Definition{
		Code: errors.InvalidArgument, Reason: "INVALID_BODY",
		Doc: "The request body does not have the expected form. The member errors lists every fault with its place.",
	})
	// ErrOverloaded is the answer to a request that was shed: 503, with Retry-After.
	ErrOverloaded = catalogue.Define(errors.Definition{
		Code: errors.Unavailable, Reason: "OVERLOADED",
		Doc: "The server has as many requests in hand as it takes. The request was not begun: repeat it after Retry-After.",
	})
	// ErrShuttingDown is the answer to a request that the server's own stop cut off: 503.
	ErrShuttingDown = catalogue.Define(errors.Definition{
		Code: errors.Unavailable, Reason: "SHUTTING_DOWN",
		Doc: "The server was stopped before the request was finished. Another instance can take it.",
	})
)

// maxChain bounds how many errors are looked at, as in package errors: a chain of causes may lead back
// to itself, and std errors.Is and As would never return.
const maxChain = 1 << 16

// find is errors.AsType for such chains.
func find[T any](err error) (found T, ok bool) {
	visit(err, func(err error) bool {
		found, ok = any(err).(T)
		return ok
	})
	return found, ok
}

// holds is errors.Is for such chains, without the methods Is.
func holds(err, target error) (ok bool) {
	if !reflect.TypeOf(target).Comparable() {
		return false
	}
	visit(err, func(err error) bool {
		ok = err == target //nolint:errorlint // the walk is ours
		return ok
	})
	return ok
}

// visit calls f for each error of the tree until it returns true, or until a method of somebody else's
// error panics, as one of a nil pointer does.
func visit(err error, f func(error) bool) {
	defer func() { _ = recover() }()
	budget := maxChain
	var walk func(error) bool
	walk = func(err error) bool {
		for ; err != nil && budget > 0; budget-- {
			if f(err) {
				return true
			}
			switch e := err.(type) { //nolint:errorlint // the walk is ours
			case interface{ Unwrap() error }:
				err = e.Unwrap()
			case interface{ Unwrap() []error }:
				return slices.ContainsFunc(e.Unwrap(), walk)
			default:
				return false
			}
		}
		return false
	}
	walk(err)
}
