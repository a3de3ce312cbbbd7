package resilience

import (
	"fmt"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// ErrCircuitOpen is what errors.Is finds in the error of a call that a [Breaker] refused. The error
// itself is an [*OpenError].
var ErrCircuitOpen = errors.New("circuit breaker is open")

// ErrBulkheadFull is what errors.Is finds in the error of a call that a [Bulkhead] refused. The error
// itself is a [*FullError].
var ErrBulkheadFull = errors.New("bulkhead is full")

// ErrRateLimited is what errors.Is finds in the error of a call that a [RateLimit] refused. The error
// itself is a [*RateError].
var ErrRateLimited = errors.New("rate limit is reached")

// ErrThrottled is what errors.Is finds in the error of a call that a [Throttle] refused. The error
// itself is a [*ThrottledError].
var ErrThrottled = errors.New("call was throttled")

// refused reports whether a policy of this package did not let the call out.
func refused(err error) bool {
	if err == nil {
		return false
	}
	for _, reason := range [...]error{ErrCircuitOpen, ErrBulkheadFull, ErrShed, ErrRateLimited, ErrThrottled} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// ErrShed is what errors.Is finds in the error of a call that an [AdaptiveLimit] did not let in. The
// error itself is a [*ShedError].
var ErrShed = errors.New("call was shed")

// halfOpenRetryAfter is how long a call is told to wait that found every probe taken: a probe that
// succeeds takes less, and one that hangs must not make anybody wait for it.
const halfOpenRetryAfter = time.Second

// An OpenError is the error of a call that a [Breaker] refused. Its code is unavailable; errors.Is
// finds [ErrCircuitOpen] in it. It is shared by the calls of one open period, and immutable.
type OpenError struct {
	breaker string
	state   State
	until   time.Time // of the next probe
}

// Error names the breaker, and its state.
func (e *OpenError) Error() string {
	if e.state == HalfOpen {
		return fmt.Sprintf("circuit breaker %q is half-open, and all its probes are taken", e.breaker)
	}
	return fmt.Sprintf("circuit breaker %q is open", e.breaker)
}

// Breaker returns the name of the breaker.
func (e *OpenError) Breaker() string { return e.breaker }

// State returns [Open], or [HalfOpen] if every probe was taken.
func (e *OpenError) State() State { return e.state }

// Code returns unavailable.
func (e *OpenError) Code() errors.Code { return errors.Unavailable }

// RetryAfter returns how long it is, from the moment it is called, until the breaker lets a probe out;
// 0 if it does now.
func (e *OpenError) RetryAfter() time.Duration { return max(time.Until(e.until), 0) }

// Is reports whether target is [ErrCircuitOpen] or the code unavailable.
func (e *OpenError) Is(target error) bool {
	return target == ErrCircuitOpen || target == error(errors.Unavailable)
}
