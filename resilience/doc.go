// Package resilience makes calls to other services safe when things break: it retries what may be
// retried, within a budget, stops calling what is down, bounds what a slow destination can take, and
// always says when to come back.
//
// # When to use it
//
// Around any call that leaves the process: a database, a queue, a vendor's client. [Standard] gives the
// whole set in the one order that is right; [Call] runs an operation under it and returns its value. An
// HTTP client has it inside already if it comes from module httpclient.
//
// # A whole program
//
//	p, err := resilience.Standard("inventory", resilience.StandardConfig{})
//	if err != nil {
//		return err
//	}
//	stock, err := resilience.Call(ctx, p, func(ctx context.Context) (int, error) {
//		return inventory.Stock(ctx, "SKU-17")
//	})
//
// One pipeline serves all calls to a destination, for as long as the program runs: it is what they
// learn from each other by. The parts are there alone as well ([NewRetry], [NewBreaker], [NewTimeout],
// [NewBulkhead], [NewAdaptiveLimit], [NewHedge], [NewRateLimit], [NewThrottle], [NewFallback], and
// [Chain] to join them), and so are the decisions without the loops: a [Planner]
// says whether and when there is another attempt, [Breaker.Allow] and [Bulkhead.Acquire] work in two
// steps, and a [Registry] keeps a breaker and a budget for each of many destinations.
//
// # What decides
//
// Errors do, by the table of package errors: unavailable and resource_exhausted are tried again;
// deadline_exceeded only if the operation is idempotent, aborted only if it starts with its first read,
// everything else only if marked by errors.MarkRetryable. [Classify] reads the same table for breakers
// and metrics. An error without a code is never tried again.
//
// # What it guarantees
//
//   - A retry is never early (a RetryAfter is not undercut), never waits past the context's deadline, and
//     never follows a cancelled caller, an open breaker, or a layer below that has tried already.
//   - Retries and hedges together add at most a tenth to the calls of the last ten seconds, or one a second if that is more.
//   - The last error comes back, unchanged after one attempt; after more, with their count in an
//     [*AttemptsError], and marked by errors.MarkExhausted if more attempts might have helped.
//   - A breaker counts calls when they end, so calls that hang count, and calls in flight, cancelled
//     calls and refused ones do not. A probe that hangs loses its place. [Breaker.State] and the metrics
//     are right without traffic.
//   - Refusals are errors with a code. An open breaker's says when to come back, and costs no allocation.
//   - Hedges are for what was declared idempotent, draw on the budget of the retries, and have ended when
//     the call returns.
//   - No goroutine outlives a call, and only a hedge has one; no callback runs under a lock; every type
//     is safe for concurrent use.
//
// # What it does not
//
//   - It does not abandon an operation: one that ignores its context holds up its caller.
//   - It does not know whether an operation is idempotent; [RetryConfig] or [HedgeConfig] has to say so.
//   - Budgets, breakers, limits and throttles are per process; they do not share what they know.
//
// # Metrics
//
// Under the scope github.com/backend-platform/sdk/resilience, with the attribute resilience.name:
//
//	resilience.attempts                  counter, by resilience.outcome
//	resilience.retries                   counter, by error.type: the code that was tried again after
//	resilience.calls                     counter, by resilience.verdict: why the call ended
//	resilience.breaker.state             gauge: 0 closed, 1 half-open, 2 open
//	resilience.breaker.rejections        counter
//	resilience.breaker.transitions       counter, by resilience.breaker.from and .to
//	resilience.bulkhead.queue.duration   histogram, seconds
//	resilience.bulkhead.rejections       counter
//	resilience.hedges                    counter, by resilience.hedge.result: won, lost, refused
//	resilience.rate_limit.queue.duration histogram, seconds
//	resilience.rate_limit.rejections     counter
//	resilience.throttle.rejections       counter
//	resilience.fallbacks                 counter, by error.type
//	resilience.adaptive.limit            gauge
//	resilience.adaptive.in_flight        gauge
//	resilience.adaptive.shed             counter
//
// Breakers of a registry carry resilience.destination, too. A breaker's changes of state, an empty
// budget (once a window) and shed calls (once a minute) are logged at warn or info, retries and
// fallbacks at debug.
package resilience
