package errors

import (
	"log/slog"
	"maps"
	"slices"
	"time"
)

// WithCause returns a copy whose cause is err. A nil err removes the cause.
func (e *Error) WithCause(err error) *Error {
	c := e.clone()
	c.cause = err
	return c
}

// WithReason returns a copy with the reason, in UPPER_SNAKE_CASE, and the service that owns it. An
// error that many callers act on is better defined once: see [Catalogue].
func (e *Error) WithReason(domain, reason string) *Error {
	c := e.detailed()
	c.defined = nil
	c.more.kind, c.more.title = "", ""
	c.more.domain, c.more.reason = domain, reason
	return c
}

// WithStatus returns a copy that is sent with this HTTP status, for what the codes do not tell apart,
// such as 413 or 415. A status outside 400 to 599 is ignored.
func (e *Error) WithStatus(status int) *Error {
	c := e.clone()
	if isFailure(status) {
		c.status = uint16(status)
	}
	return c
}

// WithRetryable returns a copy that is marked: the same call may, or may not, be made again, whatever
// the code says.
func (e *Error) WithRetryable(retryable bool) *Error {
	c := e.clone()
	c.retry = markOf(retryable)
	return c
}

// WithRetryAfter returns a copy that tells callers how long to wait. Zero or less removes the hint.
func (e *Error) WithRetryAfter(wait time.Duration) *Error {
	c := e.detailed()
	c.more.retryAfter = max(wait, 0)
	return c
}

// WithViolation returns a copy with one more fault in the input: where (a JSON pointer such as
// "#/items/0/qty"), what for people, and what for programs ("" if there is nothing to say).
func (e *Error) WithViolation(pointer, detail, reason string) *Error {
	return e.WithViolations(Violation{Pointer: pointer, Detail: detail, Reason: reason})
}

// WithViolations returns a copy with more faults in the input. At most 1000 are kept: more help
// nobody, and input must not decide how much work its faults are. Collect them and call this once.
func (e *Error) WithViolations(violations ...Violation) *Error {
	violations = violations[:min(len(violations), maxViolations-len(e.rest().violations))]
	if len(violations) == 0 && e != nil {
		return e
	}
	c := e.detailed()
	c.more.violations = slices.Concat(c.more.violations, violations)
	return c
}

// WithMetadata returns a copy with one more public key-value pair. At most 64 are kept.
func (e *Error) WithMetadata(key, value string) *Error {
	if len(e.rest().metadata) >= maxMetadata {
		return e
	}
	c := e.detailed()
	c.more.metadata = maps.Clone(c.more.metadata)
	if c.more.metadata == nil {
		c.more.metadata = make(map[string]string, 1)
	}
	c.more.metadata[key] = value
	return c
}

// WithAttrs returns a copy with more attributes for the log. They are never sent to callers. At most 64
// are kept.
func (e *Error) WithAttrs(attrs ...slog.Attr) *Error {
	attrs = attrs[:min(len(attrs), maxAttrs-len(e.rest().attrs))]
	if len(attrs) == 0 && e != nil {
		return e
	}
	c := e.detailed()
	c.more.attrs = slices.Concat(c.more.attrs, attrs)
	return c
}

func (e *Error) clone() *Error {
	if e == nil {
		return &Error{code: Unknown}
	}
	c := *e
	return &c
}

// detailed returns a copy with details of its own. Slices and maps in them are still shared: whoever
// changes one replaces it.
func (e *Error) detailed() *Error {
	c := e.clone()
	more := *e.rest()
	c.more = &more
	return c
}
