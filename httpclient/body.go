package httpclient

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// drainLimit and drainTime bound what is read of a body that nobody wants, so that its connection can
// be used again. The figures are those of .NET's SocketsHttpHandler (MaxResponseDrainSize and
// ResponseDrainTimeout); go-retryablehttp reads 4 KiB, and each larger error body costs a connection.
const (
	drainLimit = 1 << 20
	drainTime  = 2 * time.Second
)

// A responseBody keeps the timeouts of a call alive until its response is read or closed.
type responseBody struct {
	base io.ReadCloser
	call *call
	idle atomic.Int64 // the idle timeout
	read atomic.Int64 // bytes so far
	done atomic.Bool
}

// Read fails with a [*TimeoutError] if the body stays idle for too long, or the whole call does.
func (b *responseBody) Read(p []byte) (int, error) {
	if idle := b.idle.Load(); idle > 0 {
		b.call.dog.enter(PhaseBody, time.Duration(idle))
	}
	n, err := b.base.Read(p)
	b.read.Add(int64(n))
	if err == nil {
		if b.idle.Load() > 0 {
			_ = b.call.dog.leave() // with bytes in hand, a timeout can wait for the next Read
		}
		return n, nil
	}
	if expired := b.call.dog.leave(); expired != nil && !errors.Is(err, io.EOF) {
		err = expired
	}
	b.release()
	return n, err
}

// Close closes the body and frees what the call held.
func (b *responseBody) Close() error {
	err := b.base.Close()
	b.release()
	return err
}

// drain reads the rest of the body and closes it, within the limits of one that nobody wants.
func (b *responseBody) drain(resp *http.Response) {
	b.call.dog.enter(PhaseBody, drainTime)
	b.idle.Store(0)
	drain(resp)
}

// release runs at the body's end and when it is closed; the first time, it ends the call.
func (b *responseBody) release() {
	if b.done.CompareAndSwap(false, true) {
		b.call.release()
	}
}

// An upgradedBody is the connection that a 101 response hands over; no timeout applies to it.
type upgradedBody struct {
	*responseBody
	io.Writer
}

// drain reads the rest of a response that nobody wants and closes it. A body that is known to be
// longer than the limit is closed at once.
func drain(resp *http.Response) {
	if resp.ContentLength <= drainLimit {
		// What the body says here changes nothing: it is closed either way.
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, drainLimit))
	}
	_ = resp.Body.Close()
}
