package httpserver

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

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
