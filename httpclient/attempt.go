package httpclient

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/httpconv"
	"github.com/backend-platform/sdk/resilience"
)

// attempts is the transport inside the loop: each RoundTrip is one attempt. It has no
// CloseIdleConnections on purpose. The loop calls that after every final failure, and it would close
// the idle connections to every host that the base transport serves.
type attempts struct{ *loop }

// RoundTrip asks the breaker, makes the attempt and tells the breaker at the response's headers.
func (a attempts) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	c := a.call
	c.attempt++
	sent := false
	err = c.destination.Breaker.DoOutcome(req.Context(), func(context.Context) (resilience.Outcome, error) {
		sent = true
		resp, err = c.send(req) //nolint:bodyclose // it is handed out
		return c.outcome(resp, err), err
	})
	if !sent {
		closeBody(req)
	}
	c.fault = err
	return resp, err
}

// outcome is what the attempt says of the other side.
func (c *call) outcome(resp *http.Response, err error) resilience.Outcome {
	if err == nil {
		err = statusFault(resp.StatusCode)
	}
	if c.oursToBlame {
		return resilience.Excluded
	}
	return resilience.Classify(c.original.Context(), err)
}

// send makes the attempt: its timeout, its span, its headers.
func (c *call) send(req *http.Request) (*http.Response, error) {
	started := time.Now()
	ctx, cancel := context.WithCancelCause(req.Context())
	c.cancel = cancel
	c.dog.begin(cancel, c.attemptTimeout)
	ctx, span := c.transport.telemetry.start(ctx, c, started)
	c.began(ctx)

	resp, err := c.transport.base.RoundTrip(c.prepare(ctx, req))
	expired := c.dog.leave()
	if err = c.faultOf(req, resp, err, expired); err != nil {
		if resp != nil && resp.Body != nil {
			_ = resp.Body.Close()
		}
		resp = nil
		cancel(nil)
		c.settled()
	}
	c.report(ctx, span, resp, err, started)
	return resp, err
}

// prepare returns the request of one attempt. The first has the call's own headers; each later one
// gets a copy, because what net/http still writes for the one before must not change.
func (c *call) prepare(ctx context.Context, req *http.Request) *http.Request {
	out := req.WithContext(ctx)
	out.Header = c.header
	if c.attempt > 1 {
		out.Header = c.header.Clone()
	}
	if hasBody(req) {
		c.sent = &requestBody{ReadCloser: req.Body}
		out.Body = c.sent
		out.GetBody = c.original.GetBody // net/http's own, for a connection that was closed while idle
	}
	c.inject(ctx, out.Header)
	if c.host.internal && c.original.Header[httpconv.RequestTimeout] == nil {
		if left, ok := c.timeLeft(ctx); ok {
			out.Header.Set(httpconv.RequestTimeout, httpconv.FormatTimeout(left))
		}
	}
	return out
}

// timeLeft is how long the attempt's response is waited for.
func (c *call) timeLeft(ctx context.Context) (time.Duration, bool) {
	deadline, _ := ctx.Deadline()
	deadline = earlier(deadline, c.total)
	if c.attemptTimeout > 0 {
		deadline = earlier(deadline, time.Now().Add(c.attemptTimeout))
	}
	return time.Until(deadline), !deadline.IsZero()
}

// faultOf returns why the attempt has no response, or nil if it has one. A timeout of ours comes
// before what the base transport says about it, and the caller's end before both.
func (c *call) faultOf(req *http.Request, resp *http.Response, err error, expired *TimeoutError) error {
	switch {
	case err == nil && resp == nil:
		return c.blame(fmt.Errorf("%T returned neither a response nor an error", c.transport.base))
	case expired != nil && req.Context().Err() == nil:
		return expired
	case err == nil:
		complete(resp)
		return nil
	case req.Context().Err() != nil:
		return gone(req.Context(), err)
	case c.sent.failed():
		return c.blame(fmt.Errorf("read the request's body: %w", err))
	case invalidRequest(req, c.header), errors.Is(err, ErrNotPublic):
		return c.blame(err)
	}
	return transportFault(err)
}

// complete fills in what a real transport always gives and a stub may not.
func complete(resp *http.Response) {
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	if resp.Header == nil {
		resp.Header = make(http.Header)
	}
}

// gone returns the error of a call whose caller went away, or whose caller's time is over. That is
// context's error, unless the caller's context has a cause of its own.
func gone(ctx context.Context, err error) error {
	if errors.CodeOf(err) != errors.Unknown {
		return err
	}
	return &transportError{err, errors.CodeOf(ctx.Err())}
}

// blame notes that an attempt failed on this side, so that it says nothing of the other, and another
// attempt would fail in the same way.
func (c *call) blame(err error) error {
	c.oursToBlame = true
	return errors.MarkRetryable(&transportError{err, errors.Internal}, false)
}
