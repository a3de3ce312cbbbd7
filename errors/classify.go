package errors

import (
	"context"
	"time"
)

// maxNodes bounds how many errors of a tree are looked at, so that a chain that leads back to itself
// ends. Deeper chains than this are not seen in honest programs.
const maxNodes = 1000

// CodeOf returns the code that decides how err is treated. A nil err is [OK], an error without a code
// is [Unknown], and context errors are [Canceled] and [DeadlineExceeded].
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
	budget := maxNodes
	code, _ := decide(err, &budget)
	return code
}

// coder is an error that knows its code: Error, DefinedError, or a caller's own type.
type coder interface{ Code() Code }

// decide returns the code of err and the error that it comes from (nil if none has one).
func decide(err error, budget *int) (Code, error) {
	for ; err != nil && *budget > 0; *budget-- {
		switch e := err.(type) {
		case *Error:
			return e.Code(), e
		case Code:
			return positive(e), e
		case coder:
			return positive(e.Code()), err
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			return decideJoined(e.Unwrap(), budget)
		default:
			return decideLeaf(err)
		}
	}
	return Unknown, nil
}

func positive(c Code) Code {
	if c == OK || int(c) >= len(table) {
		return Unknown
	}
	return c
}

func decideJoined(members []error, budget *int) (Code, error) {
	worst, from := Canceled, error(nil)
	seen := false
	for _, member := range members {
		if member == nil || *budget <= 0 {
			continue
		}
		*budget--
		code, node := decide(member, budget)
		if !seen || code.row().severity > worst.row().severity {
			worst, from, seen = code, node, true
		}
	}
	if !seen {
		return Unknown, nil
	}
	return worst, from
}

// decideLeaf knows context's errors, also where another type stands for them: a timeout of net and
// net/http answers errors.Is(err, context.DeadlineExceeded) by a method.
func decideLeaf(err error) (Code, error) {
	is, _ := err.(interface{ Is(error) bool })
	switch {
	case err == context.Canceled, is != nil && is.Is(context.Canceled):
		return Canceled, err
	case err == context.DeadlineExceeded, is != nil && is.Is(context.DeadlineExceeded):
		return DeadlineExceeded, err
	}
	return Unknown, nil
}

// RetryAfter returns how long to wait before another try: the outermost hint in err's tree, and of
// joined errors the longest. Zero: nobody said.
func RetryAfter(err error) time.Duration {
	var wait time.Duration
	budget := maxNodes
	walk(err, &budget, func(err error) (stop bool) {
		var hint time.Duration
		if e, ok := err.(interface{ RetryAfter() time.Duration }); ok {
			hint = e.RetryAfter()
		}
		wait = max(wait, hint)
		return hint > 0
	})
	return wait
}

// ReasonOf returns the reason of the error that decides err's code, or "".
func ReasonOf(err error) string {
	budget := maxNodes
	switch _, node := decide(err, &budget); e := node.(type) {
	case *Error:
		return e.Reason()
	case *DefinedError:
		return e.def.Reason
	}
	return ""
}

// walk visits err's tree, outermost first. Where visit returns true, what lies below is left out.
func walk(err error, budget *int, visit func(error) (stop bool)) {
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
				walk(member, budget, visit)
			}
			return
		default:
			return
		}
	}
}
