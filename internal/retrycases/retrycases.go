// Package retrycases is a table of what becomes of a call after an attempt, for tests: resilience's own
// loop and the HTTP client's run it, so that they cannot disagree about a wait or an end. Nothing that
// a service links imports it.
package retrycases

import (
	"time"

	"github.com/backend-platform/sdk/errors"
)

// A Case is one call of an idempotent operation, by HTTP one with the method GET. Its waits have no
// jitter: 100 ms, doubled from one to the next up to 2 s. Its attempts before the last fail with
// unavailable, which is retried.
type Case struct {
	Name string

	Attempts      int           // that a call has; 0: the default
	MaxRetryAfter time.Duration // 0: the default
	ThrottleBase  time.Duration // 0: the default
	NoBudget      bool          // the retry budget is empty
	Deadline      time.Duration // of the context, from the call's start; 0: none
	CanceledAfter time.Duration // when the caller goes away, from the call's start; 0: it stays

	Number     int           // of the last attempt; 0: 1
	Code       errors.Code   // that it fails with; OK: it succeeds
	RetryAfter time.Duration // that the other side asks for, in whole seconds; 0: none
	Exhausted  bool          // the other side has used up its own attempts

	Verdict string        // as resilience.Verdict says it
	Wait    time.Duration // where the verdict is "again"
}

// All returns the table.
func All() []Case {
	const ms, s = time.Millisecond, time.Second
	return []Case{
		{Name: "a success", Verdict: "success"},
		{Name: "a success after failures", Number: 3, Verdict: "success"},
		{Name: "unavailable", Code: errors.Unavailable, Verdict: "again", Wait: 100 * ms},
		{Name: "unavailable, the second time", Number: 2, Code: errors.Unavailable, Verdict: "again", Wait: 200 * ms},
		{Name: "the last attempt", Number: 3, Code: errors.Unavailable, Verdict: "attempts"},
		{Name: "more attempts", Attempts: 7, Number: 5, Code: errors.Unavailable, Verdict: "again", Wait: 1600 * ms},
		{Name: "a wait has an upper bound", Attempts: 7, Number: 6, Code: errors.Unavailable, Verdict: "again", Wait: 2 * s},
		{Name: "no retries", Attempts: -1, Code: errors.Unavailable, Verdict: "attempts"},
		{Name: "throttling waits longer", Code: errors.ResourceExhausted, Verdict: "again", Wait: s},
		{Name: "throttling as anything else", ThrottleBase: -1, Code: errors.ResourceExhausted, Verdict: "again", Wait: 100 * ms},
		{Name: "a timeout", Code: errors.DeadlineExceeded, Verdict: "again", Wait: 100 * ms},

		{Name: "a bug", Code: errors.Internal, Verdict: "final"},
		{Name: "not implemented", Code: errors.Unimplemented, Verdict: "final"},
		{Name: "an invalid argument", Code: errors.InvalidArgument, Verdict: "final"},
		{Name: "not found", Code: errors.NotFound, Verdict: "final"},
		{Name: "a lost race", Code: errors.Aborted, Verdict: "final"},
		{Name: "not permitted", Code: errors.PermissionDenied, Verdict: "final"},
		{Name: "not logged in", Code: errors.Unauthenticated, Verdict: "final"},
		{Name: "final after failures", Number: 2, Code: errors.NotFound, Verdict: "final"},

		{Name: "told when to come back", Code: errors.Unavailable, RetryAfter: 3 * s, Verdict: "again", Wait: 3 * s},
		{Name: "told after throttling", Code: errors.ResourceExhausted, RetryAfter: 2 * s, Verdict: "again", Wait: 2 * s},
		{Name: "told a shorter time than the backoff", Attempts: 7, Number: 6, Code: errors.Unavailable, RetryAfter: s, Verdict: "again", Wait: s},
		{Name: "told the longest time", Code: errors.Unavailable, RetryAfter: 10 * s, Verdict: "again", Wait: 10 * s},
		{Name: "told too long a time", Code: errors.Unavailable, RetryAfter: 11 * s, Verdict: "retry_after"},
		{Name: "told a time that overflows", Code: errors.Unavailable, RetryAfter: 9_000_000_000 * s, Verdict: "retry_after"},
		{Name: "a shorter limit", MaxRetryAfter: 2 * s, Code: errors.Unavailable, RetryAfter: 3 * s, Verdict: "retry_after"},

		{Name: "a wait that fits", Deadline: 101 * ms, Code: errors.Unavailable, Verdict: "again", Wait: 100 * ms},
		{Name: "a wait that ends at the deadline", Deadline: 100 * ms, Code: errors.Unavailable, Verdict: "deadline"},
		{Name: "told to wait past the deadline", Deadline: 2 * s, Code: errors.Unavailable, RetryAfter: 3 * s, Verdict: "deadline"},
		{Name: "a caller that goes away in a wait", CanceledAfter: 50 * ms, Code: errors.Unavailable, Verdict: "canceled"},

		{Name: "tried already below", Exhausted: true, Code: errors.Unavailable, Verdict: "exhausted"},
		{Name: "tried already below, the second time", Number: 2, Exhausted: true, Code: errors.Unavailable, Verdict: "exhausted"},
		{Name: "an empty budget", NoBudget: true, Code: errors.Unavailable, Verdict: "budget"},
	}
}
