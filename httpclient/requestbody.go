package httpclient

import (
	"io"
	"net/http"
	"sync/atomic"

	"github.com/backend-platform/sdk/errors"
)

// A requestBody counts what was read of it, and remembers that the caller's body could not be read: that is not the other side's
// fault, and no attempt would cure it. A body that the base transport closed, because the connection
// broke, cannot be read either; that does not count.
type requestBody struct {
	io.ReadCloser
	closed, broken atomic.Bool
	read           atomic.Int64
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) && !b.closed.Load() {
		b.broken.Store(true)
	}
	return n, err
}

func (b *requestBody) Close() error {
	b.closed.Store(true)
	return b.ReadCloser.Close()
}

// failed reports whether the body could not be read. A nil body did not fail.
func (b *requestBody) failed() bool { return b != nil && b.broken.Load() }

// nextBody is the loop's source of bodies. The loop asks once before the first attempt, only to learn
// the length, which it is not told in this way; then comes the caller's body, then copies of it.
func (c *call) nextBody() (io.Reader, error) {
	c.bodies++
	switch c.bodies {
	case 1:
		return http.NoBody, nil
	case 2:
		return c.original.Body, nil
	}
	return c.original.GetBody()
}

// closeBody closes the body of a request that is not sent.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
