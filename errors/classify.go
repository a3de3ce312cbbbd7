package errors

import (
	"context"
	"os"
	"time"
)

// maxNodes bounds how many errors of a tree are looked at, so that a chain that leads back to itself
// ends. It leaves room for the joined errors of a bulk operation.
const maxNodes = 1 << 16

// CodeOf returns the code that decides how err is treated. A nil err is [OK], an error without a code
// is [Unknown], and context errors are [Canceled] and [DeadlineExceeded], as is a passed deadline of a
// connection or a file.
//
// The outermost code decides: an internal error that wraps a not_found is internal, although
// errors.Is(err, errors.NotFound) finds the inner one. Of joined errors the most severe decides: the
// order is data_loss, internal, unknown, unimplemented, unavailable, deadline_exceeded,
// resource_exhausted, aborted, unauthenticated, permission_denied, failed_precondition,
// already_exists, not_found, out_of_range, invalid_argument, canceled.
//
// A type of your own takes part by a method Code() errors.Code.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	return decide(err).code
}

// ReasonOf returns the reason of the error that decides err's code, or "".
func ReasonOf(err error) string {
	if e, ok := decide(err).node.(interface{ Reason() string }); ok {
		return e.Reason()
	}
	return ""
}

// coder is an error that knows its code: Error, DefinedError, or a caller's own type.
type coder interface{ Code() Code }

// decision is which error of a tree decides.
type decision struct {
	code   Code
	node   error // the one that decides; nil if none has a code
	passed bool  // it is marked by PassOn on the way to it
}

func decide(err error) decision {
	budget := maxNodes
	return decideWithin(err, &budget)
}

func decideWithin(err error, budget *int) decision {
	passed := false
	for ; err != nil && *budget > 0; *budget-- {
		switch e := err.(type) {
		case *Error:
			return decision{e.Code(), e, passed}
		case *marked:
			passed = passed || e.passOn
			err = e.error
		case Code:
			return decision{positive(e), e, passed}
		case coder:
			return decision{positive(e.Code()), err, passed}
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			d := decideJoined(e.Unwrap(), budget)
			d.passed = d.passed || passed
			return d
		default:
			return decision{leafCode(err), nil, passed}
		}
	}
	return decision{code: Unknown}
}

func positive(c Code) Code {
	if c == OK || int(c) >= len(table) {
		return Unknown
	}
	return c
}

func decideJoined(members []error, budget *int) decision {
	worst := decision{code: Unknown}
	seen := false
	for _, member := range members {
		if member == nil || *budget <= 0 {
			continue
		}
		*budget--
		d := decideWithin(member, budget)
		if !seen || d.code.row().severity > worst.code.row().severity {
			worst, seen = d, true
		}
	}
	return worst
}

// leafCode knows the errors of context and of passed deadlines, also where another type stands for
// them: a timeout of net/http answers errors.Is(err, context.DeadlineExceeded) by a method.
func leafCode(err error) Code {
	is, _ := err.(interface{ Is(error) bool })
	switch {
	case err == context.Canceled, is != nil && is.Is(context.Canceled):
		return Canceled
	case err == context.DeadlineExceeded, err == os.ErrDeadlineExceeded, is != nil && is.Is(context.DeadlineExceeded):
		return DeadlineExceeded
	}
	return Unknown
}

// RetryAfter returns how long to wait before another try: the outermost hint in err's tree, and of
// joined errors the longest. Zero: nobody said.
func RetryAfter(err error) time.Duration {
	var wait time.Duration
	walk(err, func(err error) (stop bool) {
		var hint time.Duration
		if e, ok := err.(interface{ RetryAfter() time.Duration }); ok {
			hint = e.RetryAfter()
		}
		wait = max(wait, hint)
		return hint > 0
	})
	return wait
}

// walk visits err's tree, outermost first. Where visit returns true, what lies below is left out.
func walk(err error, visit func(error) (stop bool)) {
	budget := maxNodes
	walkWithin(err, &budget, visit)
}

func walkWithin(err error, budget *int, visit func(error) (stop bool)) {
	for err != nil && *budget > 0 {
		*budget--
		if visit(err) {
			return
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			for _, member := range e.Unwrap() {
				walkWithin(member, budget, visit)
			}
			return
		default:
			return
		}
	}
}
