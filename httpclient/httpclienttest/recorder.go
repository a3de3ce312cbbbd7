package httpclienttest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"
)

// A Recorder passes requests on to another transport, remembers them, and accounts for what a client
// may leave behind. It is safe for concurrent use.
//
//	recorder := httpclienttest.NewRecorder(&http.Transport{})
//	client, err := httpclient.New("inventory", httpclient.Config{Transport: recorder})
//	…
//	recorder.Check(t)
type Recorder struct {
	base   http.RoundTripper
	before map[string]bool // goroutines that were there

	mu          sync.Mutex
	requests    []Request
	bodies      map[*recordedBody]string
	connections map[*recordedConn]string
	watched     []watched
}

type watched struct {
	request weak.Pointer[http.Request]
	name    string
}

// NewRecorder returns a recorder in front of base. An [http.Transport] is copied, and its connections
// are counted; of any other transport they are not.
func NewRecorder(base http.RoundTripper) *Recorder {
	r := &Recorder{
		base:        base,
		before:      map[string]bool{},
		bodies:      map[*recordedBody]string{},
		connections: map[*recordedConn]string{},
	}
	if t, ok := base.(*http.Transport); ok {
		r.base = r.counting(t.Clone())
	}
	for id := range clientGoroutines() {
		r.before[id] = true
	}
	return r
}

// RoundTrip passes the request on. Its body is streamed, so the Request that is remembered has none.
func (r *Recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	name := req.Method + " " + req.URL.Redacted()
	r.mu.Lock()
	r.requests = append(r.requests, Request{Method: req.Method, URL: req.URL.String(), Header: req.Header.Clone(), Time: time.Now()})
	r.mu.Unlock()
	resp, err := r.base.RoundTrip(req)
	if err != nil || resp.Body == nil || resp.Body == http.NoBody {
		return resp, err
	}
	body := &recordedBody{ReadCloser: resp.Body, recorder: r}
	r.mu.Lock()
	r.bodies[body] = name
	r.mu.Unlock()
	if writer, ok := resp.Body.(io.Writer); ok {
		resp.Body = writableBody{body, writer}
	} else {
		resp.Body = body
	}
	return resp, nil
}

// CloseIdleConnections passes on what an [http.Client] asks for.
func (r *Recorder) CloseIdleConnections() {
	if closer, ok := r.base.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// Requests returns what was asked so far, in order.
func (r *Recorder) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Watch remembers a request that a test makes, without holding on to it: a timer, a context or a
// goroutine that is left of a call holds its request, and [Recorder.Check] finds that.
func (r *Recorder) Watch(req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watched = append(r.watched, watched{weak.Make(req), req.Method + " " + req.URL.Redacted()})
}

// Check fails the test for each response whose body was not closed, each connection that is open
// although no response uses it, each goroutine of a client or its connections that was not there before, and
// each watched request that something still holds. Call it when the test is done with all requests
// and responses, and holds none of them. It closes idle connections, and waits up to 5 s for goroutines
// to end; in a testing/synctest bubble that is virtual time.
func (r *Recorder) Check(tb testing.TB) {
	tb.Helper()
	r.CloseIdleConnections()
	r.checkWatched(tb) // before anything waits: a timer that is left must not go off meanwhile
	deadline := time.Now().Add(5 * time.Second)
	left := r.left()
	for wait := time.Millisecond; len(left) > 0 && time.Now().Before(deadline); wait *= 2 {
		time.Sleep(wait)
		r.CloseIdleConnections() // those that have become idle since
		left = r.left()
	}
	for _, what := range left {
		tb.Error(what)
	}
}

func (r *Recorder) checkWatched(tb testing.TB) {
	tb.Helper()
	for range 3 { // what a cleared pool or a finished goroutine held is found by the next collection
		time.Sleep(time.Nanosecond) // the runtime forgets stopped timers when it looks at others
		runtime.GC()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.watched {
		if w.request.Value() != nil {
			tb.Errorf("something that is left of %s holds the request: a timer, a context or a goroutine", w.name)
		}
	}
}

// left describes what is open or running.
func (r *Recorder) left() []string {
	var left []string
	r.mu.Lock()
	for _, name := range r.bodies {
		left = append(left, "the body of the response to "+name+" was not closed")
	}
	for _, address := range r.connections {
		left = append(left, "a connection to "+address+" is open")
	}
	r.mu.Unlock()
	for id, stack := range clientGoroutines() {
		if !r.before[id] {
			left = append(left, "a goroutine is left:\n"+stack)
		}
	}
	return left
}

func (r *Recorder) counting(t *http.Transport) *http.Transport {
	dial := t.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		recorded := &recordedConn{Conn: conn, recorder: r}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.connections[recorded] = address
		return recorded, nil
	}
	return t
}

type recordedConn struct {
	net.Conn
	recorder *Recorder
}

func (c *recordedConn) Close() error {
	c.recorder.mu.Lock()
	delete(c.recorder.connections, c)
	c.recorder.mu.Unlock()
	return c.Conn.Close()
}

type recordedBody struct {
	io.ReadCloser
	recorder *Recorder
}

func (b *recordedBody) Close() error {
	b.recorder.mu.Lock()
	delete(b.recorder.bodies, b)
	b.recorder.mu.Unlock()
	return b.ReadCloser.Close()
}

type writableBody struct {
	*recordedBody
	io.Writer
}

// clientFrames are in the stack of each goroutine that a client or one of its connections started.
var clientFrames = []string{
	"net/http.(*persistConn).", "net/http.(*Transport).", "net/http.(*http2ClientConn).", "net/http.(*http2clientStream).",
	"net/http/internal/http2.(*ClientConn).", "net/http/internal/http2.(*clientStream).",
	"github.com/backend-platform/sdk/httpclient.(", "github.com/hashicorp/go-retryablehttp.",
}

// clientGoroutines returns the stacks of the goroutines of clients, by their identity.
func clientGoroutines() map[string]string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	found := map[string]string{}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		var id int
		if _, err := fmt.Sscanf(stack, "goroutine %d ", &id); err != nil {
			continue
		}
		if slices.ContainsFunc(clientFrames, func(frame string) bool { return strings.Contains(stack, frame) }) {
			found[fmt.Sprint(id)] = stack
		}
	}
	return found
}
