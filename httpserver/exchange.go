package httpserver

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/internal/logctx"
	"github.com/backend-platform/sdk/resilience"
)

// layers is a chain of middleware in its one order, run as one handler: a request pays for one state,
// one writer and one context, however many layers are on. Each exported middleware is a layers with one
// of them on. The zero value of each is off.
type layers struct {
	next http.Handler

	tracer      *tracer
	attrs       bool // request attributes to log lines
	accessLog   bool
	recoverer   bool
	deadline    *deadlineLayer
	maxBody     int64
	concurrency *concurrency
	routes      bool // the mux's own 404 and 405 become problem documents

	logger  *slog.Logger // nil: slog.Default()
	closing *atomic.Bool // nil: never
}

func (l *layers) log() *slog.Logger {
	if l.logger != nil {
		return l.logger
	}
	return slog.Default()
}

// ServeHTTP runs the layers around next.
func (l *layers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, w := l.enter(w, r)
	defer x.leave()
	if err := x.admit(); err != nil {
		WriteError(w, x.request, err)
	} else {
		l.next.ServeHTTP(w, x.request)
	}
	x.returned = true
}

// exchange is the state of one request in one layers. It is the context of the request, too, and the
// source of the request's attributes in log lines.
type exchange struct {
	below    context.Context // what the layers put on the context that came in
	deadline deadline

	layers  *layers
	outer   *exchange       // of the layers around these; nil: none
	caller  context.Context // as the outermost layers got it: done only if the caller went away or we stop
	came    *http.Request   // what the layers got
	request *http.Request   // what next gets; a mux notes its pattern here
	method  string          // as it was sent: handlers that let a header override it write to request
	start   time.Time
	writer  response
	body    body   // the request's, if it is limited here
	traced  traced // of the tracer, if there is one

	routed   atomic.Pointer[http.Request] // the request that an error-returning handler got
	permit   resilience.Permit            // of the concurrency limit
	returned bool                         // next came back: no panic, no Goexit

	mu      sync.Mutex // a handler may still run when its middleware has answered (http.TimeoutHandler)
	failure error
	late    bool // the failure came after the response had begun
	quiet   bool // no line in the access log
	left    bool
}

// tracedExchange is an exchange with room for what its span is made from, in one allocation.
type tracedExchange struct {
	exchange
	attrs   [14]attribute.KeyValue
	options [4]trace.SpanStartOption
}

type exchangeKey struct{}

func exchangeFrom(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

func (l *layers) enter(w http.ResponseWriter, r *http.Request) (*exchange, http.ResponseWriter) {
	now := time.Now()
	x := l.newExchange(now)
	x.layers = l
	x.start = now
	ctx := r.Context()
	x.outer, x.caller = exchangeFrom(ctx), ctx
	if x.outer != nil {
		x.caller = x.outer.caller
	}
	if l.deadline != nil {
		ctx = l.deadline.start(ctx, x, w, r)
	}
	if l.tracer != nil {
		ctx = l.tracer.start(ctx, x, r)
	}
	x.below = ctx
	x.came, x.request = r, r.WithContext(x)
	if l.tracer != nil {
		x.traced.countBody(x.request)
	}
	x.method = r.Method
	x.writer.ResponseWriter = w
	if http2ConnOf(r) == nil {
		x.writer.closing = l.closing // others are asked to leave by a frame
	}
	if l.routes {
		x.writer.unrouted = x
	}
	return x, x.writer.writer()
}

func (l *layers) newExchange(now time.Time) *exchange {
	if l.tracer == nil || l.tracer.spans.Idle() {
		return new(exchange)
	}
	x := new(tracedExchange)
	x.traced.attrs, x.traced.options = x.attrs[:0], x.options[:0]
	return &x.exchange
}

// admit applies the limits.
func (x *exchange) admit() error {
	l := x.layers
	if l.maxBody != 0 {
		x.limitBody(l.maxBody)
	}
	if l.concurrency != nil {
		return l.concurrency.acquire(x)
	}
	return nil
}

// leave is deferred, directly, by ServeHTTP: recover works in no other place.
func (x *exchange) leave() {
	defer x.finish() // also if a logger panics: what the request holds must be given back
	if !x.returned && x.layers.recoverer && x.answerPanic(recover()) {
		panic(http.ErrAbortHandler) // net/http ends the connection, so the client sees that the response is cut
	}
}

func (x *exchange) finish() {
	l := x.layers
	x.writer.end()
	x.tellRoute()
	if form := x.request.MultipartForm; form != nil {
		x.came.MultipartForm = form // net/http removes its temporary files, and knows only its own request
	}
	if l.concurrency != nil {
		x.permit.Release(x.learnt())
	}
	took := time.Since(x.start)
	x.mu.Lock()
	x.left = true
	x.mu.Unlock()
	if l.accessLog {
		x.logAccess(took)
	}
	if l.tracer != nil {
		l.tracer.end(x, took)
	}
	x.deadline.stop(x)
}

// status is what the client saw, or, if the handler died before it answered, would have seen.
func (x *exchange) status() int {
	switch {
	case x.writer.status != 0:
		return x.writer.status
	case x.writer.hijacked:
		return http.StatusSwitchingProtocols
	case !x.returned:
		return http.StatusInternalServerError
	}
	return http.StatusOK // net/http sends it for a handler that says nothing
}

// fail notes the error that the request ends with, here and in all layers around. The first error
// decides. It reports whether nobody else has to log it: an access log will, or nobody shall.
func (x *exchange) fail(err error, late bool) (logged bool) {
	for ; x != nil; x = x.outer {
		x.mu.Lock()
		if x.failure == nil {
			x.failure, x.late = err, late
		}
		logged = logged || x.quiet || x.layers.accessLog && !x.left
		x.mu.Unlock()
	}
	return logged
}

func (x *exchange) outcome() (late bool, failure error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.late, x.failure
}

// silence leaves the request out of the access log.
func (x *exchange) silence() {
	for ; x != nil; x = x.outer {
		x.mu.Lock()
		x.quiet = true
		x.mu.Unlock()
	}
}

func (x *exchange) silent() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.quiet
}

// noteRoute remembers the request that reached a handler: where muxes are nested, only the innermost
// request has the pattern.
func (x *exchange) noteRoute(r *http.Request) {
	for ; x != nil; x = x.outer {
		x.routed.Store(r)
	}
}

// tellRoute passes the pattern on to the layers around, whose request a middleware in between may have
// copied. A handler that returns errors has told by itself.
func (x *exchange) tellRoute() {
	if x.request.Pattern == "" {
		return
	}
	for outer := x.outer; outer != nil; outer = outer.outer {
		outer.routed.CompareAndSwap(nil, x.request)
	}
}

// pattern returns the pattern of the mux that routed the request, or "".
func (x *exchange) pattern() string {
	if r := x.routed.Load(); r != nil && r.Pattern != "" {
		return r.Pattern
	}
	return x.request.Pattern
}

// route returns the path of the pattern, or "".
func (x *exchange) route() string { return routeOf(x.pattern()) }

// logger is what lines about the request go to.
func (x *exchange) logger() *slog.Logger {
	for ; x != nil; x = x.outer {
		if x.layers.logger != nil {
			return x.layers.logger
		}
	}
	return slog.Default()
}

// Deadline, Done, Err and Value make an exchange the context of its request.

func (x *exchange) Deadline() (time.Time, bool) { return x.deadline.when(x) }

func (x *exchange) Done() <-chan struct{} { return x.deadline.context(x).Done() }

func (x *exchange) Err() error { return x.deadline.err(x) }

func (x *exchange) Value(key any) any {
	switch key.(type) {
	case exchangeKey:
		return x
	case logctx.Key:
		if x.layers.attrs {
			return logctx.Source(x)
		}
	}
	return x.deadline.value(x, key)
}

// AppendAttrs implements logctx.Source.
func (x *exchange) AppendAttrs(dst []slog.Attr) []slog.Attr {
	dst = logctx.Append(x.below, dst)
	dst = append(dst, slog.String(keyMethod, x.method))
	if route := x.route(); route != "" {
		dst = append(dst, slog.String(keyRoute, route))
	}
	return dst
}
