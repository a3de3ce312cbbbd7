package httpclienttest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// A Step is one answer of a [Transport].
type Step struct {
	// Status is the response's status. Zero: 200.
	Status int
	// Header are the response's headers. Nil: none.
	Header http.Header
	// Body is the response's body. Its length is announced unless Chunked is set.
	Body string
	// Chunked leaves the length of the body unsaid.
	Chunked bool
	// Delay is the time until the response's headers, or until Err. It ends early, with the context's
	// cause, when the request's context does.
	Delay time.Duration
	// BodyDelay is the time that each Read of the body waits first; it ends as Delay does.
	BodyDelay time.Duration
	// BodyErr is what the body ends with, after Body, in place of io.EOF.
	BodyErr error
	// Err is returned in place of a response.
	Err error
	// Hang waits for the end of the request's context, after Delay.
	Hang bool
}

// Status is a step that answers with a status and nothing else.
func Status(status int) Step { return Step{Status: status} }

// JSON is a step that answers with a status and JSON.
func JSON(status int, body string) Step {
	return Step{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// Fail is a step that gives no response but an error.
func Fail(err error) Step { return Step{Err: err} }

// A Request is what a [Transport] was asked.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte // as far as it could be read
	Time   time.Time
}

// A Transport is an [http.RoundTripper] that answers from a script. It is safe for concurrent use.
type Transport struct {
	mu       sync.Mutex
	steps    []Step
	next     int
	requests []Request
	open     map[*trackedBody]string
	idle     int
}

// NewTransport returns a transport that answers with one step after the other. The last one is
// repeated; without any, the answer is 200.
func NewTransport(steps ...Step) *Transport {
	if len(steps) == 0 {
		steps = []Step{{}}
	}
	return &Transport{steps: slices.Clone(steps), open: make(map[*trackedBody]string)}
}

// RoundTrip reads and closes the request's body, remembers the request and takes the next step.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := readBody(req)
	step := t.record(req, body)
	if err != nil {
		return nil, err
	}
	if err := wait(req.Context(), step.Delay); err != nil {
		return nil, err
	}
	if step.Hang {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	}
	if step.Err != nil {
		return nil, step.Err
	}
	return t.respond(req, step), nil
}

// CloseIdleConnections only counts.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle++
}

// IdleCloses returns how often CloseIdleConnections was called.
func (t *Transport) IdleCloses() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.idle
}

// Requests returns what was asked so far, in order.
func (t *Transport) Requests() []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.requests)
}

// OpenBodies returns how many bodies were handed out and not closed.
func (t *Transport) OpenBodies() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// Check fails the test for each response whose body was not closed. Call it when the test is done with
// all responses.
func (t *Transport) Check(tb testing.TB) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range t.open {
		tb.Errorf("the body of the response to %s was not closed", name)
	}
}

func (t *Transport) record(req *http.Request, body []byte) Step {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests = append(t.requests, Request{
		Method: req.Method,
		URL:    req.URL.String(),
		Header: req.Header.Clone(),
		Body:   body,
		Time:   time.Now(),
	})
	step := t.steps[min(t.next, len(t.steps)-1)]
	t.next++
	return step
}

func (t *Transport) respond(req *http.Request, step Step) *http.Response {
	status := step.Status
	if status == 0 {
		status = http.StatusOK
	}
	header := step.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	resp := &http.Response{
		Status:        fmt.Sprintf("%d %s", status, http.StatusText(status)),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		ContentLength: int64(len(step.Body)),
		Request:       req,
		Body:          http.NoBody,
	}
	if step.Chunked {
		resp.ContentLength = -1
	}
	if step.Body != "" || step.BodyErr != nil || step.BodyDelay > 0 || step.Chunked {
		resp.Body = t.track(req, step)
	}
	return resp
}

func (t *Transport) track(req *http.Request, step Step) io.ReadCloser {
	t.mu.Lock()
	defer t.mu.Unlock()
	body := &trackedBody{transport: t, ctx: req.Context(), step: step}
	t.open[body] = fmt.Sprintf("request %d, %s %s", len(t.requests), req.Method, req.URL)
	return body
}

// trackedBody holds the request's context because the body's reads end with it, as net/http's do.
type trackedBody struct {
	transport *Transport
	ctx       context.Context
	step      Step
	read      int
	closed    bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	if err := wait(b.ctx, b.step.BodyDelay); err != nil {
		return 0, err
	}
	b.transport.mu.Lock()
	defer b.transport.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n := copy(p, b.step.Body[b.read:])
	b.read += n
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	if b.step.BodyErr != nil {
		return 0, b.step.BodyErr
	}
	return 0, io.EOF
}

func (b *trackedBody) Close() error {
	b.transport.mu.Lock()
	defer b.transport.mu.Unlock()
	b.closed = true
	delete(b.transport.open, b)
	return nil
}

func readBody(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(req.Body)
	if closeErr := req.Body.Close(); err == nil {
		err = closeErr
	}
	return body, err
}

// wait returns the cause of the context's end if that comes first.
func wait(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
