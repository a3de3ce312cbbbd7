package resilience

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// A Timeout limits how long an operation may take. It is safe for concurrent use.
type Timeout struct {
	name  string
	limit time.Duration
}

// NewTimeout returns a policy that gives each operation a context that ends after limit, which must be
// positive. The name is that of the destination or of the operation; errors carry it.
func NewTimeout(name string, limit time.Duration) (*Timeout, error) {
	var err error
	if limit <= 0 {
		err = fmt.Errorf("limit: %v is not positive", limit)
	}
	if err := fault("timeout", name, err); err != nil {
		return nil, err
	}
	return &Timeout{name: name, limit: limit}, nil
}

// Do calls op with a context that ends after the limit, and waits for it: an operation that does not
// heed its context is not abandoned, since it would go on unseen. If op fails when the limit has
// passed, without a code of its own, the error is a [*TimeoutError]. A success is a success, however
// late. If ctx ends sooner than the limit, Do adds nothing: no timer and no error.
func (t *Timeout) Do(ctx context.Context, op func(context.Context) error) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= t.limit {
		return op(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	err := op(limited)
	if err == nil || limited.Err() != context.DeadlineExceeded || ctx.Err() != nil {
		return err
	}
	return t.explain(err)
}

// explain says whose limit it was that ended the operation with err.
func (t *Timeout) explain(err error) error {
	switch errors.CodeOf(err) {
	case errors.Unknown, errors.Canceled, errors.DeadlineExceeded:
		return &TimeoutError{Name: t.name, Limit: t.limit, Err: err}
	}
	return err
}

// LogValue describes the policy: its limit, or "off" for a nil Timeout.
func (t *Timeout) LogValue() slog.Value {
	if t == nil {
		return slog.StringValue("off")
	}
	return slog.DurationValue(t.limit)
}

// A TimeoutError is the error of an operation that a [Timeout] or a [Pipeline] ended. Its code is
// deadline_exceeded, and errors.Is finds context.DeadlineExceeded in it.
type TimeoutError struct {
	Name  string        // the policy's
	Limit time.Duration // that was exceeded
	Err   error         // what the operation returned
}

// Error returns the limit and the operation's error.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s: not done within %v: %v", e.Name, e.Limit, e.Err)
}

// Unwrap returns what the operation returned.
func (e *TimeoutError) Unwrap() error { return e.Err }

// Code returns deadline_exceeded.
func (e *TimeoutError) Code() errors.Code { return errors.DeadlineExceeded }

// Timeout returns true, as [net.Error] has it.
func (e *TimeoutError) Timeout() bool { return true }

// Is reports whether target is context.DeadlineExceeded or the code deadline_exceeded.
func (e *TimeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded || target == error(errors.DeadlineExceeded)
}
