package errors

import (
	"fmt"
	"log/slog"
	"strconv"
)

// A Code says what kind of failure an error is. The sixteen codes, their meaning and their numbers are
// gRPC's (google.rpc.Code), so a conversion to or from gRPC is a cast; their text form is snake_case.
//
// A Code is itself an error: it can be returned where nothing else is worth saying, and
// errors.Is(err, errors.NotFound) asks whether any error of a chain has the code. What the code means
// to HTTP, retries, logs, spans and consumers is one table, read through the methods below. A number
// outside the table behaves as [Unknown].
type Code uint32

// The codes. The comments say when to use each; the table in the module's README says what follows.
const (
	// OK is the absence of an error: CodeOf(nil). It is never the code of a non-nil error.
	OK Code = 0
	// Canceled means that the caller went away. It is right only when the caller's own context is done.
	Canceled Code = 1
	// Unknown is the code of an error that has none.
	Unknown Code = 2
	// InvalidArgument means that the input is wrong whatever the state of the system.
	InvalidArgument Code = 3
	// DeadlineExceeded means that time ran out; the operation may have taken effect all the same.
	DeadlineExceeded Code = 4
	// NotFound means that what was asked for does not exist.
	NotFound Code = 5
	// AlreadyExists means that what was to be created exists.
	AlreadyExists Code = 6
	// PermissionDenied means that the caller is known and may not do this.
	PermissionDenied Code = 7
	// ResourceExhausted means that a quota or a capacity is used up; waiting helps.
	ResourceExhausted Code = 8
	// FailedPrecondition means that the system is not in the state that the operation needs; the same
	// call fails until somebody changes that state.
	FailedPrecondition Code = 9
	// Aborted means that a concurrent change got in the way: repeat the whole operation, from its read on.
	Aborted Code = 10
	// OutOfRange means that the input is beyond the valid range as it is now, such as a page past the end.
	OutOfRange Code = 11
	// Unimplemented means that the operation does not exist here.
	Unimplemented Code = 12
	// Internal means that an invariant is broken: a bug.
	Internal Code = 13
	// Unavailable means that the service cannot answer now; the same call may succeed in a moment.
	Unavailable Code = 14
	// DataLoss means that data is lost or corrupted for good.
	DataLoss Code = 15
	// Unauthenticated means that the caller did not prove who it is.
	Unauthenticated Code = 16
)

// Codes returns the sixteen codes in the order of their numbers, without [OK].
func Codes() []Code {
	codes := make([]Code, 0, len(table)-1)
	for c := Canceled; int(c) < len(table); c++ {
		codes = append(codes, c)
	}
	return codes
}

// ParseCode returns the code whose text form is text, such as "not_found". Any other text is an error.
func ParseCode(text string) (Code, error) {
	for c := range table {
		if table[c].name == text {
			return Code(c), nil
		}
	}
	return Unknown, fmt.Errorf("parse error code: %q is none of the codes", bounded(text, 64))
}

// String returns the text form, such as "not_found"; a number outside the table gives "code(99)".
func (c Code) String() string {
	if int(c) >= len(table) {
		return "code(" + strconv.FormatUint(uint64(c), 10) + ")"
	}
	return table[c].name
}

// Error returns the text form: a Code is an error.
func (c Code) Error() string { return c.String() }

// MarshalText writes the text form. A number outside the table is an error.
func (c Code) MarshalText() ([]byte, error) {
	if int(c) >= len(table) {
		return nil, fmt.Errorf("marshal error code: %d is none of the codes", uint32(c))
	}
	return []byte(table[c].name), nil
}

// UnmarshalText reads the text form, as [ParseCode] does.
func (c *Code) UnmarshalText(text []byte) error {
	parsed, err := ParseCode(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// Title returns the phrase that people see where there is nothing better: the standard phrase of the
// code's HTTP status, as RFC 9457, section 4.2.1 asks of problems without a type.
func (c Code) Title() string { return statusPhrase(c.row().status) }

// HTTPStatus returns the status of a response that carries the code; 200 for [OK].
func (c Code) HTTPStatus() int { return c.row().status }

// Level returns the level of the log line about an error with the code.
func (c Code) Level() slog.Level { return c.row().level }

// ServerFault reports whether a server span that ends with the code is an error: the failure is the
// server's, not the caller's. Client spans are errors from status 400 on, whatever the code.
func (c Code) ServerFault() bool { return c.row().fault }

// Retry says whether the same call may be made again; see [RetryOf] for an error with marks.
func (c Code) Retry() Retry { return c.row().retry }

// Redelivery says what a consumer does with a message whose handler failed with the code.
func (c Code) Redelivery() Redelivery { return c.row().redelivery }

func (c Code) row() *row {
	if int(c) >= len(table) {
		return &table[Unknown]
	}
	return &table[c]
}
