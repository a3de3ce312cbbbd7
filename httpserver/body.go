package httpserver

import (
	"io"
	"net/http"
)

// LimitBody returns a handler that limits request bodies to limit bytes, for a route that takes less,
// or more, than [Config.MaxBodyBytes]: of limits inside each other the innermost counts.
//
//	mux.Handle("PUT /pictures/{id}", httpserver.LimitBody(upload, 20<<20))
//
// A body beyond the limit ends in an http.MaxBytesError, which a [HandlerFunc] that returns it answers
// with 413 ([ErrBodyTooLarge]). One that says by its Content-Length that it is larger does so at the
// first read, before anything of it is read or, with "Expect: 100-continue", sent. What is left of a
// body is not read: net/http ends the connection with the response. Zero is 1 MiB; a negative limit is
// none.
func LimitBody(next http.Handler, limit int64) http.Handler {
	return &layers{next: next, maxBody: orDefault(limit, defaultMaxBody)}
}

// body is a request's body with a limit that inner layers may change until the first read. There is
// one for a request, however many limits there are.
type body struct {
	below  io.ReadCloser
	writer http.ResponseWriter // learns that the connection has to end
	length int64               // Content-Length; -1: not said
	limit  int64               // negative: none

	limited io.Reader // from the first read on
}

func (b *body) Read(p []byte) (int, error) {
	if b.limited == nil {
		b.limited = b.begin()
	}
	return b.limited.Read(p)
}

func (b *body) Close() error { return b.below.Close() }

func (b *body) begin() io.Reader {
	switch {
	case b.limit < 0:
		return b.below
	case b.length > b.limit:
		return refusedBody{b.limit}
	}
	return http.MaxBytesReader(bottom(b.writer), b.below, b.limit)
}

// refusedBody is a body that need not be read to know that it is too large.
type refusedBody struct{ limit int64 }

func (r refusedBody) Read([]byte) (int, error) { return 0, &http.MaxBytesError{Limit: r.limit} }

// limitBody sets the limit of the request: that of an outer layer, where there is one, is changed.
func (x *exchange) limitBody(limit int64) {
	if outer := x.outer.limitedBody(); outer != nil {
		outer.limit = limit
		return
	}
	r := x.request
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	x.body = body{below: r.Body, writer: x.writer.ResponseWriter, length: r.ContentLength, limit: limit}
	r.Body = &x.body
}

// limitedBody returns the body that a layer has given a limit; nil: none has.
func (x *exchange) limitedBody() *body {
	for ; x != nil; x = x.outer {
		if x.body.below != nil {
			return &x.body
		}
	}
	return nil
}

func bodyTooLarge(limit int64, cause error) error {
	return ErrBodyTooLarge.Newf("The request body may have at most %d bytes.", limit).WithCause(cause)
}
