package httpclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/httpconv"
	"github.com/backend-platform/sdk/resilience"
)

// A call is one logical call: the state that the attempts, the loop's hooks and the response's body
// share. It is one allocation; what most calls need is inside it.
type call struct {
	transport   *transport
	original    *http.Request // the caller's; only read
	overrides   *Call
	host        *host
	destination *resilience.Destination
	addedKey    string // the Idempotency-Key that the call added

	total          time.Time     // when the whole call ends; zero: never
	timeout        time.Duration // that total comes from
	attemptTimeout time.Duration
	bodyIdle       time.Duration
	safe           bool // to send the request again does no harm
	repeatable     bool // it is safe, and not forbidden for this call
	paid           bool // a hedge: the budget has paid for it

	request http.Request // what the loop sends: a copy of the caller's
	header  http.Header  // what the attempts send: the call's own
	dog     watchdog

	attempt     int                     // number of the attempt, from 1
	resent      int                     // requests of the calls that redirected to this one
	bodies      int                     // how often nextBody was asked
	sent        *requestBody            // the latest attempt's; nil: it has none
	oursToBlame bool                    // the latest attempt failed on this side
	cancel      context.CancelCauseFunc // of the latest attempt
	fault       error                   // of the latest attempt; nil: it has a response, or was none
	failed      error                   // what the latest attempt that is followed by another ended with
	result      error                   // of a call without response
	retryAt     time.Time               // when the next attempt is due

	active  *labels // of the attempt in flight; nil: there is none, or nobody counts
	unsized *labels // of a response whose length its headers do not tell

	finally context.CancelCauseFunc // ends what outlives the attempts; nil: nothing does
	body    responseBody
}

func newCall(t *transport, req *http.Request) (*call, error) {
	if req.URL == nil {
		return nil, errors.New("request has no URL")
	}
	if t.guard != nil {
		if err := t.guard.checkURL(req.URL); err != nil {
			return nil, errors.MarkRetryable(&transportError{err, errors.Internal}, false)
		}
	}
	c := &call{transport: t, original: req, overrides: callFrom(req.Context()), host: t.hosts.get(req.URL)}
	c.destination = t.destinations.Get(c.host.key)
	c.setTimeouts()
	c.dog.total, c.dog.budget = c.total, c.timeout
	if err := c.setRequest(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *call) setTimeouts() {
	cfg := &c.transport.cfg
	c.attemptTimeout = orDefault(c.overrides.AttemptTimeout, cfg.AttemptTimeout)
	c.bodyIdle = orDefault(c.overrides.BodyIdleTimeout, cfg.BodyIdleTimeout)
	if before := callBefore(c.original); before != nil {
		c.total, c.timeout = before.total, before.timeout // a redirect gets no time of its own
		c.resent = before.resent + before.attempt
		return
	}
	if total := orDefault(c.overrides.Timeout, cfg.Timeout); total > 0 {
		c.total, c.timeout = time.Now().Add(total), total
	}
}

// setRequest makes the loop's request. The caller's is not touched: it may be used again, or be read
// by another goroutine.
func (c *call) setRequest() error {
	c.request = *c.original
	c.request.RequestURI = "" // a reverse proxy passes on a server's request, which the loop's client would refuse
	header := c.original.Header.Clone()
	if header == nil {
		header = make(http.Header, 4)
	}
	if err := c.transport.guardRedirect(c.original, header); err != nil {
		return err
	}
	if _, set := header["User-Agent"]; !set {
		header["User-Agent"] = c.transport.userAgent
	}
	if key := c.transport.idempotencyKey(c.original, c.overrides); key != "" {
		c.addedKey = key
		header.Set(httpconv.IdempotencyKey, key)
	}
	c.safe = repeatable(c.original, header)
	c.repeatable = c.safe && !c.overrides.NoRetry
	c.header = header
	c.request.Header = c.transport.noHeader // the loop's client would copy what only the attempts need
	return nil
}

// enter makes the call as soon as there is a place for it, which it holds until its response's headers:
// a body that nobody closes must not keep it.
func (c *call) enter() (resp *http.Response, err error) {
	entered := false
	full := c.transport.bulkhead.Do(c.context(), func(context.Context) error {
		entered = true
		resp, err = c.do() //nolint:bodyclose // it is handed out
		return nil
	})
	if entered {
		return resp, err
	}
	closeBody(c.original)
	if deadline, ok := c.original.Context().Deadline(); errors.Is(full, context.DeadlineExceeded) && (!ok || c.total.Before(deadline)) {
		full = &TimeoutError{Phase: PhaseTotal, Limit: c.timeout}
	}
	return nil, &callError{full}
}

func (c *call) do() (*http.Response, error) {
	resp, err := c.transport.loops.run(c)
	if err == nil {
		return c.handOut(resp), nil
	}
	c.release()
	if c.result != nil {
		return nil, &callError{c.result}
	}
	// The loop ended on its own: the caller went away during a wait, or a body could not be had again.
	if c.original.Context().Err() != nil {
		return nil, &callError{c.transport.planner.Interrupted(c.context(), resilience.Attempt{Number: c.attempt, Err: c.failed})}
	}
	err = errors.MarkRetryable(fmt.Errorf("rewind the request's body: %w", err), false)
	return nil, &callError{c.transport.planner.Result(resilience.Attempt{Number: c.attempt, Err: err}, resilience.StopFinal)}
}

// handOut prepares the response for the caller.
func (c *call) handOut(resp *http.Response) *http.Response {
	resp.Request = c.original
	c.body.base, c.body.call = resp.Body, c
	c.body.idle.Store(int64(c.bodyIdle))
	switch writer, upgraded := resp.Body.(io.Writer); {
	case upgraded && resp.StatusCode == http.StatusSwitchingProtocols:
		c.dog.stop()
		resp.Body = upgradedBody{&c.body, writer}
	case resp.Body == http.NoBody:
		c.body.release()
		resp.Body = &c.body
	default:
		resp.Body = &c.body
	}
	return resp
}

// release ends the watch and the context of the latest attempt.
func (c *call) release() {
	c.dog.stop()
	if c.cancel != nil {
		c.cancel(nil)
	}
	if c.finally != nil {
		c.finally(nil)
	}
	c.settled()
}

// discard drains a response that another attempt will replace, so that its connection is used again.
// The loop would read 4 KiB of it.
func (c *call) discard(resp *http.Response) {
	if resp == nil {
		return
	}
	limit := drainTime
	if deadline, ok := c.context().Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2) // the rest is for the next attempt
	}
	c.dog.enter(PhaseBody, limit)
	drain(resp)
	resp.Body = http.NoBody
	c.unsized = nil // a drained body may not have been read to its end
	c.settled()
	c.cancel(nil)
}

// context is the caller's context with the deadline of the call, for the planner, which never waits past it, and
// for the bulkhead.
func (c *call) context() context.Context { return (*deadlineContext)(c) }

// A deadlineContext is the call itself, which saves it an allocation.
type deadlineContext call

func (c *deadlineContext) Deadline() (time.Time, bool) {
	deadline, _ := c.original.Context().Deadline()
	deadline = earlier(deadline, c.total)
	return deadline, !deadline.IsZero()
}

func (c *deadlineContext) Done() <-chan struct{} { return c.original.Context().Done() }
func (c *deadlineContext) Err() error            { return c.original.Context().Err() }
func (c *deadlineContext) Value(key any) any     { return c.original.Context().Value(key) }
