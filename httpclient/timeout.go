package httpclient

import (
	"context"
	"fmt"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// A Phase is the part of a call to which a timeout applies.
type Phase string

// The phases of a call.
const (
	// PhaseAttempt lasts from an attempt's start to the headers of its response.
	PhaseAttempt Phase = "attempt"
	// PhaseBody is one wait for more of the response's body.
	PhaseBody Phase = "body"
	// PhaseTotal is the whole call: all attempts, the waits between them, redirects, and the body.
	PhaseTotal Phase = "total"
)

// A TimeoutError says which timeout of the client ended a call. It is inside the [*url.Error] that an
// [http.Client] returns, and it is what a Read of the response's body returns. Its code is
// [errors.DeadlineExceeded], errors.Is(err, context.DeadlineExceeded) is true, and so is what
// [url.Error.Timeout] returns. The end of the caller's own context is no TimeoutError.
type TimeoutError struct {
	Phase Phase
	// Limit is the timeout as configured, or as set for the call.
	Limit time.Duration
}

// Error names the phase and its limit.
func (e *TimeoutError) Error() string {
	switch e.Phase {
	case PhaseAttempt:
		return fmt.Sprintf("no response within the attempt timeout of %v", e.Limit)
	case PhaseBody:
		return fmt.Sprintf("the response's body was idle for %v", e.Limit)
	}
	return fmt.Sprintf("the call did not end within its total timeout of %v", e.Limit)
}

// Code returns [errors.DeadlineExceeded].
func (e *TimeoutError) Code() errors.Code { return errors.DeadlineExceeded }

// Timeout returns true, as a [net.Error] does that is a timeout.
func (e *TimeoutError) Timeout() bool { return true }

// Is reports whether target is [context.DeadlineExceeded] or [errors.DeadlineExceeded].
func (e *TimeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded || target == errors.DeadlineExceeded
}
