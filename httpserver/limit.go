package httpserver

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// LimitConcurrency returns a handler that bounds the requests in hand, and sheds the rest at once: 503
// with Retry-After ([ErrOverloaded]). A server that takes in more than it can finish slows down for
// everybody until nothing is in time; one that sheds keeps what it took.
//
// The limit begins at limit and adapts, as [resilience.AdaptiveLimit] describes: it is lowered only while
// at least half of it is in use and requests take twice as long as they do without a queue, and it is put
// back where lowering it does not make them faster. What a request tells is how long it took, also if
// its deadline or its caller ended it; streams, hijacked connections and failures of another kind tell
// nothing. Half of 1,000 never come together where few requests arrive and callers give up soon: such a
// service needs a lower limit, of about ten times what it has in hand at normal load.
//
// Retry-After is 1 to 3 seconds, at random, so that those who were shed do not come back together. Shed
// requests have no access log line of their own; a warning tells their number, at most once a second.
// Zero is 1,000; a negative limit is none. A nil logger is slog.Default(). Metrics and a description go
// to OpenTelemetry's global meter provider and to /debug/sdk, under the name "httpserver".
//
// It panics if OpenTelemetry refuses an instrument, which its own SDK never does.
func LimitConcurrency(next http.Handler, limit int, logger *slog.Logger) http.Handler {
	c, err := newConcurrency(orDefault(limit, defaultMaxConcurrent), nil)
	if err != nil {
		panic(err)
	}
	return &layers{next: next, concurrency: c, logger: logger}
}

const (
	// retryAfterShed is the least time after which a shed request should come back, and spreadShed how
	// many half seconds more it may be.
	retryAfterShed = time.Second
	spreadShed     = 5
)

type concurrency struct {
	limit    *resilience.AdaptiveLimit
	shed     atomic.Int64 // not yet told
	lastTold atomic.Int64 // Unix nanoseconds
	overload [spreadShed]error
}

// newConcurrency returns nil for a negative limit.
func newConcurrency(limit int, provider metric.MeterProvider) (*concurrency, error) {
	if limit < 0 {
		return nil, nil
	}
	adaptive, err := resilience.NewAdaptiveLimit("httpserver", resilience.AdaptiveConfig{
		Max: limit, MeterProvider: provider, Logger: slog.New(slog.DiscardHandler), // tell says it, with the server's own logger
	})
	if err != nil {
		return nil, fmt.Errorf("http server: %w", err)
	}
	c := &concurrency{limit: adaptive}
	// Made once: an error of this level captures a stack, which is the last thing to do under overload.
	for i := range c.overload {
		c.overload[i] = ErrOverloaded.New("The server has too many requests in hand.").
			WithRetryAfter(retryAfterShed + time.Duration(i)*time.Second/2)
	}
	return c, nil
}

func (c *concurrency) acquire(x *exchange) error {
	permit, ok := c.limit.TryAcquire()
	if ok {
		x.permit = permit
		return nil
	}
	c.tell(x)
	x.silence()
	return c.overload[rand.N(len(c.overload))]
}

func (c *concurrency) tell(x *exchange) {
	c.shed.Add(1)
	last := c.lastTold.Load()
	if x.start.UnixNano()-last < int64(time.Second) || !c.lastTold.CompareAndSwap(last, x.start.UnixNano()) {
		return
	}
	x.logger().LogAttrs(x, slog.LevelWarn, "requests shed",
		slog.Int64("shed", c.shed.Swap(0)), slog.Int("limit", c.limit.Limit()))
}

// learnt is what the duration of the request says about the load.
func (x *exchange) learnt() resilience.Outcome {
	_, failure := x.outcome()
	switch {
	case !x.returned || x.writer.streamed || x.writer.hijacked:
		return resilience.Excluded
	case failure == nil && x.status() < http.StatusInternalServerError:
		return resilience.Success
	case failure == nil:
		return resilience.Excluded
	}
	switch errors.CodeOf(failure) {
	case errors.DeadlineExceeded, errors.Canceled: // not before it had taken so long
		return resilience.Success
	}
	return resilience.Excluded
}
