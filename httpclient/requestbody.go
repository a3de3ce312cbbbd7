package httpclient

import (
	"io"
	"net/http"
	"sync/atomic"
)

// A requestBody remembers that the caller's body could not be read: that is not the other side's
// fault, and no attempt would cure it.
type requestBody struct {
	io.ReadCloser
	broken *atomic.Bool
}

func (b requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.broken.Store(true)
	}
	return n, err
}

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
