package errors

import (
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"time"
)

// An Error is a failure with a [Code], a message for the caller and a cause for us.
//
// The message, the reason, the violations and the metadata are public: they are sent to callers. The
// cause, the attributes and the stack never leave the process; they go to the log. Values of an Error
// come from [Code.New] and its siblings, from a [DefinedError], or from [DecodeProblem].
//
// An Error is immutable and safe for concurrent use: its With methods return a changed copy. The
// methods of a nil *Error work; its code is [Unknown], since somebody returned it where an error was.
type Error struct {
	code    Code
	retry   mark
	remote  bool
	status  uint16
	message string
	cause   error
	defined *DefinedError
	stack   stack
	more    *details
}

// details are what few errors have; they live apart to keep an Error small.
type details struct {
	kind       string // the type URI
	title      string
	instance   string
	reason     string
	domain     string
	retryAfter time.Duration
	exhausted  bool
	traceID    string
	violations []Violation
	metadata   map[string]string
	attrs      []slog.Attr
	unknown    map[string][]byte
}

// New returns an Error with the code and a public message. It captures a stack if the code logs at
// error level. [OK] and numbers outside the table are no codes of errors: they give [Unknown].
func (c Code) New(message string) *Error { return newError(c, nil, message, nil) }

// Newf is [Code.New] with a message formatted by [fmt.Sprintf]. An argument ends up in a public text:
// an error does not belong there, and %w has no meaning. See [Code.Wrap].
func (c Code) Newf(format string, args ...any) *Error {
	return newError(c, nil, fmt.Sprintf(format, args...), nil)
}

// Wrap returns an Error with the code, a public message and err as its private cause. It returns nil
// if err is nil, and therefore an error, not an *Error: what needs the With methods is written
// code.New(message).WithCause(err). The message may be empty: callers then see the code's title only.
func (c Code) Wrap(err error, message string) error {
	if err == nil {
		return nil
	}
	return newError(c, nil, message, err)
}

// Wrapf is [Code.Wrap] with a message formatted by [fmt.Sprintf].
func (c Code) Wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return newError(c, nil, fmt.Sprintf(format, args...), err)
}

// newError is called by the constructors and by nobody else: the stack begins with their caller.
func newError(c Code, d *DefinedError, message string, cause error) *Error {
	c = positive(c)
	if c.row().level < slog.LevelError {
		return &Error{code: c, defined: d, message: message, cause: cause}
	}
	if cause != nil {
		if known := stackOf(cause); known != nil {
			return &Error{code: c, defined: d, message: message, cause: cause, stack: known}
		}
	}
	e := &struct { // in one allocation
		Error
		frames [maxFrames]uintptr
	}{Error: Error{code: c, defined: d, message: message, cause: cause}}
	e.stack = e.frames[:runtime.Callers(3, e.frames[:])] // beyond itself, newError and the constructor
	return &e.Error
}

// Error returns the text for logs: code, reason, message and the text of the cause. It is not for
// callers, who get [NewProblem]. It is cut at 16 KiB.
func (e *Error) Error() string {
	if e != nil && e.cause == nil && e.message != "" && !e.remote && e.Reason() == "" && len(e.message) < maxText/2 {
		return e.Code().String() + ": " + e.message
	}
	return textOf(e)
}

// Unwrap returns the cause, which may be nil.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.cause
}

// Is reports whether target is the error's code or the definition it was made from. A definition is
// known by its domain and reason, so this holds for errors that another process sent, too; of a remote
// error, the type URI tells as well (RFC 9457, section 3.1.1).
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case Code:
		return e.Code() == t
	case *DefinedError:
		return t != nil && (e.Reason() == t.def.Reason && e.Domain() == t.domain || e.remote && t.kind != "" && e.rest().kind == t.kind)
	}
	return false
}

// Code returns the code; never [OK].
func (e *Error) Code() Code {
	if e == nil || e.code == OK || int(e.code) >= len(table) {
		return Unknown
	}
	return e.code
}

// Message returns the public message, or "".
func (e *Error) Message() string {
	if e == nil {
		return ""
	}
	return e.message
}

// Reason returns what exactly went wrong, for programs, such as "OUT_OF_STOCK"; or "".
func (e *Error) Reason() string {
	if e != nil && e.defined != nil {
		return e.defined.def.Reason
	}
	return e.rest().reason
}

// Domain returns the service that owns the reason, or "".
func (e *Error) Domain() string {
	if e != nil && e.defined != nil {
		return e.defined.domain
	}
	return e.rest().domain
}

// Status returns the HTTP status of a response that carries the error: the one set by
// [Error.WithStatus], else the definition's, else the code's.
func (e *Error) Status() int {
	switch {
	case e == nil:
		return Unknown.HTTPStatus()
	case e.status != 0:
		return int(e.status)
	case e.defined != nil:
		return e.defined.Status()
	}
	return e.Code().HTTPStatus()
}

// Type returns the type URI: the definition's, or the one that a remote error's document had. "" stands
// for about:blank.
func (e *Error) Type() string {
	if e != nil && e.defined != nil {
		return e.defined.kind
	}
	return e.rest().kind
}

// Title returns what people see of the kind of failure: the definition's title or the remote
// document's, else the phrase of the status.
func (e *Error) Title() string {
	title := e.rest().title
	if e != nil && e.defined != nil && e.defined.kind != "" {
		title = e.defined.def.Title
	}
	if title == "" {
		return statusPhrase(e.Status())
	}
	return title
}

// Instance returns the URI of the occurrence that a remote error's document had; or "".
func (e *Error) Instance() string { return e.rest().instance }

// Remote reports whether the error was decoded from another service's response. See [Local].
func (e *Error) Remote() bool { return e != nil && e.remote }

// TraceID returns the trace id that the error's sender reported; "" if it is not remote.
func (e *Error) TraceID() string { return e.rest().traceID }

// RetryAfter returns how long callers are told to wait; zero: nobody said. The function [RetryAfter]
// looks at the whole chain.
func (e *Error) RetryAfter() time.Duration { return e.rest().retryAfter }

// Violations returns a copy of the faults in the input.
func (e *Error) Violations() []Violation { return slices.Clone(e.rest().violations) }

// Metadata returns a copy of the public key-value pairs.
func (e *Error) Metadata() map[string]string { return maps.Clone(e.rest().metadata) }

// Attrs returns a copy of the attributes for the log.
func (e *Error) Attrs() []slog.Attr { return slices.Clone(e.rest().attrs) }

// Unknown returns a copy of the members that a remote error's document had and this package does not
// know, by name, as JSON.
func (e *Error) Unknown() map[string][]byte {
	unknown := maps.Clone(e.rest().unknown)
	for name, value := range unknown {
		unknown[name] = slices.Clone(value)
	}
	return unknown
}

// maxAttrs bounds the attributes of one error.
const maxAttrs = 64

// noDetails is what errors without details share; it is never written to.
var noDetails details

func (e *Error) rest() *details {
	if e == nil || e.more == nil {
		return &noDetails
	}
	return e.more
}
