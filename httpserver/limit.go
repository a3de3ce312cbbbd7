package httpserver

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// LimitBody returns a handler that limits request bodies to limit bytes. A body that says by its
// Content-Length that it is larger is answered with 413 ([ErrBodyTooLarge]) before the handler is
// called; any other ends in an http.MaxBytesError when the handler reads that far, which a
// [HandlerFunc] that returns it answers in the same way. Zero is 1 MiB; a negative limit is none.
//
// Of limits inside each other the smallest counts, so inside a server a route can have less than
// [Config.MaxBodyBytes], not more: where one route takes uploads, set that to the largest, and LimitBody
// for the others.
func LimitBody(next http.Handler, limit int64) http.Handler {
	return &layers{next: next, maxBody: orDefault(limit, defaultMaxBody)}
}

func limitBody(x *exchange, limit int64) error {
	r := x.request
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength > limit {
		return bodyTooLarge(limit, nil)
	}
	r.Body = http.MaxBytesReader(bottom(x.writer.ResponseWriter), r.Body, limit)
	return nil
}

func bodyTooLarge(limit int64, cause error) error {
	return ErrBodyTooLarge.Newf("The request body may have at most %d bytes.", limit).WithCause(cause)
}

// LimitConcurrency returns a handler that has at most limit requests in hand and sheds the rest at
// once: 503 with Retry-After ([ErrOverloaded]). A server that takes in more than it can finish slows
// down for everybody until nothing is in time; one that sheds keeps what it took. Shed requests have
// no access log line of their own; a warning tells their number, at most once a second. Zero is
// 1,000; a negative limit is none. A nil logger is slog.Default().
func LimitConcurrency(next http.Handler, limit int, logger *slog.Logger) http.Handler {
	return &layers{next: next, concurrency: newConcurrency(orDefault(limit, defaultMaxConcurrent)), logger: logger}
}

// retryAfterShed is long enough to spread a crowd, and what remains of the request's worth after it.
const retryAfterShed = time.Second

type concurrency struct {
	limit    int64
	inHand   atomic.Int64
	shed     atomic.Int64 // not yet told
	lastTold atomic.Int64 // Unix nanoseconds
	overload error
}

func newConcurrency(limit int) *concurrency {
	if limit < 0 {
		return nil
	}
	return &concurrency{
		limit: int64(limit),
		// Made once: an error of this level captures a stack, which is the last thing to do under overload.
		overload: ErrOverloaded.New("The server has too many requests in hand.").WithRetryAfter(retryAfterShed),
	}
}

func (c *concurrency) acquire(x *exchange) error {
	if c.inHand.Add(1) <= c.limit {
		x.admitted = true
		return nil
	}
	c.inHand.Add(-1)
	c.tell(x)
	x.silence()
	return c.overload
}

func (c *concurrency) release() { c.inHand.Add(-1) }

func (c *concurrency) tell(x *exchange) {
	c.shed.Add(1)
	last := c.lastTold.Load()
	if x.start.UnixNano()-last < int64(time.Second) || !c.lastTold.CompareAndSwap(last, x.start.UnixNano()) {
		return
	}
	x.logger().LogAttrs(x, slog.LevelWarn, "requests shed",
		slog.Int64("shed", c.shed.Swap(0)), slog.Int64("limit", c.limit))
}
