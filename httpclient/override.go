package httpclient

import (
	"cmp"
	"context"
	"time"
)

// Call says how one call differs from the client's configuration. The zero value of each field keeps
// what the client, or an outer [With], says.
type Call struct {
	// Timeout is the total timeout. Negative: none, for streams, long polls and large downloads; the
	// body's idle timeout still applies.
	Timeout time.Duration
	// AttemptTimeout is the time that each attempt has until its response's headers. Negative: none.
	AttemptTimeout time.Duration
	// BodyIdleTimeout is how long a Read of the response's body may wait. Negative: for ever, as a
	// stream of server-sent events needs that may be silent for hours.
	BodyIdleTimeout time.Duration
	// NoRetry makes one attempt only. It says nothing of the error: errors.Retryable tells as ever whether
	// the caller may try again.
	NoRetry bool
	// IdempotencyKey is sent in the header Idempotency-Key unless the request has one. With a key,
	// POST and PATCH are retried, so the server has to know such keys.
	IdempotencyKey string
	// Route is the path's template, such as "/items/{sku}". It names the span and is the attribute
	// url.template of spans and metrics, so it must have no variable part of its own.
	Route string
}

type callKey struct{}

// With returns a context that makes the calls under it differ from the client's configuration. Fields
// that call leaves zero keep their value from an outer With. It applies to every client that is called
// with the context, so it belongs right before the call.
func With(ctx context.Context, call Call) context.Context {
	outer := callFrom(ctx)
	return context.WithValue(ctx, callKey{}, &Call{
		Timeout:         cmp.Or(call.Timeout, outer.Timeout),
		AttemptTimeout:  cmp.Or(call.AttemptTimeout, outer.AttemptTimeout),
		BodyIdleTimeout: cmp.Or(call.BodyIdleTimeout, outer.BodyIdleTimeout),
		NoRetry:         call.NoRetry || outer.NoRetry,
		IdempotencyKey:  cmp.Or(call.IdempotencyKey, outer.IdempotencyKey),
		Route:           cmp.Or(call.Route, outer.Route),
	})
}

var noOverrides Call

// callFrom returns what [With] said, never nil. The result is shared: it is read only.
func callFrom(ctx context.Context) *Call {
	if call, ok := ctx.Value(callKey{}).(*Call); ok {
		return call
	}
	return &noOverrides
}
