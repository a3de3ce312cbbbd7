package resilience

import (
	"context"

	"github.com/backend-platform/sdk/errors"
)

// An Outcome is what one call says about the health of what was called. Breakers, retries and metrics
// all take it from [Classify], so that they never disagree.
type Outcome uint8

const (
	// Success: the other side works. That holds for an answer such as not_found, too.
	Success Outcome = iota
	// Failure: the other side did not do its work.
	Failure
	// Excluded: nothing can be said. The caller went away, the other side asked us to slow down, or a
	// policy of ours did not let the call out.
	Excluded
)

// String returns "success", "failure" or "excluded".
func (o Outcome) String() string {
	return [...]string{"success", "failure", "excluded"}[min(o, Excluded)]
}

// Classify returns the outcome of a call that was made with ctx and ended with err:
//
//   - a nil err is a [Success];
//   - any error after ctx itself was cancelled is [Excluded]; so is resource_exhausted, and a call that
//     a policy of this package refused ([ErrCircuitOpen], [ErrBulkheadFull], [ErrShed], [ErrRateLimited],
//     [ErrThrottled]);
//   - errors whose code means that the other side is at fault are a [Failure]: unknown,
//     deadline_exceeded, internal, unavailable, data_loss, and a canceled where nobody cancelled ctx.
//     In HTTP's terms: a transport error, a timeout, and every status from 500 on but 501;
//   - every other code is a [Success]: the other side answered.
//
// An [errors.Code] is an error, so a caller with nothing but a status can pass a code.
func Classify(ctx context.Context, err error) Outcome {
	if err == nil {
		return Success
	}
	if errors.Is(ctx.Err(), context.Canceled) || refused(err) {
		return Excluded
	}
	code := errors.CodeOf(err)
	switch {
	case code == errors.ResourceExhausted:
		return Excluded
	case code == errors.Canceled:
		return Failure // 499, but nobody cancelled ctx: it reads as unknown
	case code == errors.Unimplemented:
		return Success // 501 says what is built, not how it feels
	case code.HTTPStatus() >= 500:
		return Failure
	}
	return Success
}
