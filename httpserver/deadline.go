package httpserver

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/backend-platform/sdk/internal/httpconv"
)

// grace is how much later than a request's deadline its connection's deadlines lie, so that the 504
// can be sent: net/http would cut the connection instead, and a read deadline that passes while the
// handler runs even ends the request's context as if the caller had gone away.
const grace = 5 * time.Second

// errDeadline is the cause of a context that a deadline layer ended, to tell it from an end by anybody
// else.
var errDeadline error = deadlineError{}

type deadlineError struct{}

func (deadlineError) Error() string { return "the request's deadline passed" }

// Is makes the cause as good as the context's error.
func (deadlineError) Is(target error) bool { return target == context.DeadlineExceeded }

// Deadline returns a handler that gives each request a deadline: its context ends after limit, or
// earlier if the caller says in the header Request-Timeout-Ms that it waits no longer. A handler that
// returns the context's error then answers with 504; handlers that do not look at their context are
// not stopped.
//
// Inside a server, a Deadline replaces the server's own for its route, longer or shorter, and moves
// the connection's read and write deadlines along. That is how an upload, a long poll or a stream
// gets its time:
//
//	mux.Handle("GET /events", httpserver.Deadline(events, -1))
//
// A negative limit is no limit; the caller's own still counts. Zero is 30 s.
func Deadline(next http.Handler, limit time.Duration) http.Handler {
	return &layers{next: next, deadline: &deadlineLayer{limit: orDefault(limit, defaultRequestTimeout), header: true, moves: true}}
}

type deadlineLayer struct {
	limit  time.Duration // negative: none
	header bool          // obey Request-Timeout-Ms
	moves  bool          // move the connection's deadlines
}

// start sets the deadline of x, and returns the context that it applies to.
func (d *deadlineLayer) start(ctx context.Context, x *exchange, w http.ResponseWriter, r *http.Request) context.Context {
	limit, limited := d.limit, d.limit > 0
	obeyed := d.header && x.obeysCaller()
	if left, ok := callersTimeout(r); obeyed && ok && (!limited || left < limit) {
		limit, limited = left, true
	}
	if d.moves {
		d.moveConnection(x.start, w)
	}
	if x.outer.hasDeadline() {
		ctx = x.deadline.escape(ctx, x.caller)
	}
	if limited {
		x.deadline.at = x.start.Add(limit)
	}
	return ctx
}

func callersTimeout(r *http.Request) (time.Duration, bool) {
	values := r.Header[httpconv.RequestTimeout]
	if len(values) != 1 {
		return 0, false
	}
	return httpconv.ParseTimeout(values[0])
}

// obeysCaller is false inside a public server, whose callers have no say.
func (x *exchange) obeysCaller() bool {
	for outer := x.outer; outer != nil; outer = outer.outer {
		if d := outer.layers.deadline; d != nil && !d.header {
			return false
		}
	}
	return true
}

func (x *exchange) hasDeadline() bool {
	for ; x != nil; x = x.outer {
		if !x.deadline.at.IsZero() {
			return true
		}
	}
	return false
}

// moveConnection ignores errors: a writer without deadlines has none to move.
func (d *deadlineLayer) moveConnection(now time.Time, w http.ResponseWriter) {
	var read, write time.Time
	if d.limit > 0 {
		read, write = now.Add(d.limit+grace), now.Add(d.limit+2*grace)
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(read)
	_ = rc.SetWriteDeadline(write)
}

// deadline is the deadline of an exchange. Its timer is made when somebody first waits for the
// context, which most handlers that only compute never do: a context.WithDeadline costs four
// allocations and a timer.
type deadline struct {
	at      time.Time // zero: none
	release func()    // ends the watch of the contexts that an escaped one hangs on

	mu      sync.Mutex
	armed   context.Context
	cancel  context.CancelFunc
	stopped bool
}

// escape returns a context with ctx's values that does not end by an outer deadline layer, but for
// every other reason for which ctx ends.
func (d *deadline) escape(ctx, caller context.Context) context.Context {
	free, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stopOuter := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); !errors.Is(cause, errDeadline) {
			cancel(cause)
		}
	})
	stopCaller := context.AfterFunc(caller, func() { cancel(context.Cause(caller)) })
	d.release = func() {
		stopOuter()
		stopCaller()
		cancel(context.Canceled)
	}
	return free
}

func (d *deadline) when(x *exchange) (time.Time, bool) {
	at, ok := x.below.Deadline()
	if d.at.IsZero() || ok && at.Before(d.at) {
		return at, ok
	}
	return d.at, true
}

// context returns the context with the timer, and makes it if there is none yet.
func (d *deadline) context(x *exchange) context.Context {
	if d.at.IsZero() {
		return x.below
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed == nil {
		d.armed, d.cancel = context.WithDeadlineCause(x.below, d.at, errDeadline)
		if d.stopped {
			d.cancel()
		}
	}
	return d.armed
}

// err needs no timer as long as the answer is nil; a context that has ended stays ended for the same
// reason, which the armed one takes care of.
func (d *deadline) err(x *exchange) error {
	if d.at.IsZero() {
		return x.below.Err()
	}
	d.mu.Lock()
	running := d.armed == nil && !d.stopped && x.below.Err() == nil && time.Now().Before(d.at)
	d.mu.Unlock()
	if running {
		return nil
	}
	return d.context(x).Err()
}

// value asks the armed context where there is one: context's own functions find its timer that way,
// and so do not start a goroutine for each child.
func (d *deadline) value(x *exchange, key any) any {
	if d.at.IsZero() {
		return x.below.Value(key)
	}
	d.mu.Lock()
	armed := d.armed
	d.mu.Unlock()
	if armed != nil {
		return armed.Value(key)
	}
	return x.below.Value(key)
}

// stop ends the context when the request is over.
func (d *deadline) stop(x *exchange) {
	d.mu.Lock()
	d.stopped = true
	if d.cancel != nil {
		d.cancel()
	}
	d.mu.Unlock()
	if d.release != nil {
		d.release()
	}
}
