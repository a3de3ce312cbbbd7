package httpclient

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/httpconv"
	"github.com/backend-platform/sdk/internal/redact"
	"github.com/backend-platform/sdk/resilience"
)

// A loop is go-retryablehttp, and go-retryablehttp is the loop and nothing else. Its Backoff gets no
// context and its CheckRetry no attempt number, so each call has a retryablehttp.Client to itself,
// whose hooks know the call and ask resilience's planner.
type loop struct {
	call    *call // the one that it runs
	client  retryablehttp.Client
	inner   http.Client
	request retryablehttp.Request
}

// loops keeps loops that no call runs: a new one costs three allocations.
type loops struct{ idle sync.Pool }

func newLoop() *loop {
	l := new(loop)
	l.inner = http.Client{Transport: attempts{l}, CheckRedirect: neverRedirect}
	l.client.HTTPClient = &l.inner
	l.client.RetryMax = 1 << 30 // the planner counts
	l.client.CheckRetry = l.checkRetry
	l.client.Backoff = l.backoff
	l.client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return l
}

// neverRedirect leaves redirects to the caller's client, whose CheckRedirect they are subject to.
func neverRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// run makes the attempts of c. A loop in which something panicked is not used again.
func (p *loops) run(c *call) (*http.Response, error) {
	l, ok := p.idle.Get().(*loop)
	if !ok {
		l = newLoop()
	}
	l.call = c
	resp, err := l.do()
	l.call, l.request = nil, retryablehttp.Request{}
	p.idle.Put(l)
	return resp, err
}

func (l *loop) do() (*http.Response, error) {
	c := l.call
	l.request = retryablehttp.Request{Request: &c.request}
	if hasBody(c.original) {
		if err := l.request.SetBody(retryablehttp.ReaderFunc(c.nextBody)); err != nil {
			return nil, err // nextBody's first answer is no error
		}
		c.request.ContentLength = c.original.ContentLength // SetBody asks the reader, which cannot know
		c.request.GetBody = nil                            // or the inner client opens a body for a redirect that it does not follow
	}
	return l.client.Do(&l.request)
}

// checkRetry is the loop's CheckRetry: it asks the planner. It never returns an error, which would
// take the place of the response.
func (l *loop) checkRetry(_ context.Context, resp *http.Response, err error) (bool, error) {
	c := l.call
	attempt := resilience.Attempt{
		Number:     c.attempt,
		Err:        c.judged(resp, err),
		Idempotent: c.repeatable,
		Paid:       c.paid,
		Budget:     c.transport.budget(c.destination),
	}
	if resp != nil {
		attempt.RetryAfter, _ = httpconv.ParseRetryAfter(resp.Header.Get(httpconv.RetryAfter), time.Now())
		attempt.Exhausted = resp.Header.Get(httpconv.RetryExhausted) != ""
	}
	judged := attempt.Err
	if judged != nil && !c.repeatable {
		attempt.Err = errors.MarkRetryable(judged, false)
	}
	wait, verdict := c.transport.planner.Next(c.context(), attempt)
	switch {
	case verdict == resilience.Again:
		c.failed, c.retryAt = judged, time.Now().Add(wait)
		c.discard(resp)
		return true, nil
	case err != nil:
		if c.safe || errors.Is(judged, resilience.ErrCircuitOpen) {
			attempt.Err = judged // NoRetry, or not sent at all: whoever calls may try again
		}
		c.result = c.transport.planner.Result(attempt, verdict)
	case verdict.Exhausted(c.attempt):
		// Whoever passes this response on, or decodes it, learns that this layer has tried.
		resp.Header.Set(httpconv.RetryExhausted, "1")
	}
	return false, nil
}

// judged returns what the planner is told of an attempt.
func (c *call) judged(resp *http.Response, err error) error {
	switch {
	case err == nil:
		return statusFault(resp.StatusCode)
	case c.fault != nil:
		return c.fault
	}
	// The inner client failed by itself: it cannot read the Location of a redirect, and quotes it.
	return errors.MarkRetryable(&transportError{errors.New(redact.Text(withoutURL(err).Error())), errors.Internal}, false)
}

// backoff is the loop's Backoff. The time that discarding the response took is part of the wait, so
// the wait does not end after the deadline for which the planner checked it.
func (l *loop) backoff(time.Duration, time.Duration, int, *http.Response) time.Duration {
	return max(time.Until(l.call.retryAt), 0)
}
