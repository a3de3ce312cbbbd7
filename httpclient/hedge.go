package httpclient

import (
	"context"
	"net/http"
	"sync"

	"github.com/backend-platform/sdk/resilience"
)

// hedge returns what hedges calls to a host, or nil if this request is not hedged. A POST with an
// idempotency key is not: the server may take two at the same time for a conflict.
func (t *transport) hedge(req *http.Request) *resilience.Hedge {
	if t.cfg.Hedge == nil || req.URL == nil || !idempotentMethod(req.Method) || !rewindable(req) || callFrom(req.Context()).NoRetry {
		return nil
	}
	h := t.hosts.get(req.URL)
	budget := t.budget(t.destinations.Get(h.key))
	h.hedgeMu.Lock()
	defer h.hedgeMu.Unlock()
	if h.hedge == nil || h.hedgeBudget != budget { // the registry forgets a destination that nobody calls
		cfg := *t.cfg.Hedge
		cfg.SharedBudget = budget
		h.hedge, _ = resilience.NewHedge(h.key, cfg) // New has checked the configuration
		h.hedgeBudget = budget
	}
	return h.hedge
}

// budget returns what pays for the retries and the hedges of calls to a destination.
func (t *transport) budget(d *resilience.Destination) *resilience.Budget {
	if shared := t.cfg.Retry.SharedBudget; shared != nil {
		return shared
	}
	return d.Budget
}

// A hedgedCall is a request that is made twice, if the first time takes long. Each time is a call of its
// own, with its attempts and its timeouts.
type hedgedCall struct {
	transport *transport
	request   *http.Request

	mu      sync.Mutex
	made    int
	answers []*answer
}

// An answer is how one of the calls ended.
type answer struct {
	number int
	resp   *http.Response
	err    error // of the call, or what the status of its response says
}

func (t *transport) hedged(req *http.Request, h *resilience.Hedge) (*http.Response, error) {
	r := &hedgedCall{transport: t, request: req}
	var best *answer
	defer func() { // also if a call panics
		for _, other := range r.answers {
			if other != best && other.resp != nil {
				_ = other.resp.Body.Close()
			}
		}
	}()
	_ = h.Do(req.Context(), r.call) // the answers know more than its error
	best = r.best()
	if best.resp == nil {
		return nil, best.err
	}
	best.resp.Request = req
	return best.resp, nil
}

// best returns the first answer that hedge.Do took for one, or else that of the first call.
func (r *hedgedCall) best() *answer {
	var first *answer
	for _, a := range r.answers {
		if a.resp != nil && resilience.Classify(r.request.Context(), a.err) == resilience.Success {
			return a
		}
		if a.number == 1 {
			first = a
		}
	}
	return first
}

// call makes one of the calls. Its context ends with the hedge's only until there is a response: the one
// that wins is read when the hedge is over.
func (r *hedgedCall) call(ctx context.Context) error {
	r.mu.Lock()
	r.made++
	a := &answer{number: r.made}
	r.mu.Unlock()

	own, cancel := context.WithCancelCause(r.request.Context())
	unlink := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer func() {
		unlink()
		if a.resp == nil { // also if the call panicked
			cancel(nil)
		}
	}()
	a.resp, a.err = r.send(own, a.number) //nolint:bodyclose // it is handed out, or closed if another wins
	unlink()                              // before it is an answer: the end of the hedge must not end one that may be taken
	if a.resp != nil {
		a.err = statusFault(a.resp.StatusCode)
		whenRead(a.resp, cancel)
	}
	r.mu.Lock()
	r.answers = append(r.answers, a)
	r.mu.Unlock()
	return a.err
}

func (r *hedgedCall) send(ctx context.Context, number int) (*http.Response, error) {
	req := r.request.WithContext(ctx)
	if number > 1 && hasBody(req) {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		req.Body = body
	}
	return r.transport.send(req, number-1)
}

// whenRead ends a context when a response of this package is read to its end or closed.
func whenRead(resp *http.Response, end context.CancelCauseFunc) {
	c := callOf(resp)
	c.finally = end
	if c.body.done.Load() {
		end(nil)
	}
}
