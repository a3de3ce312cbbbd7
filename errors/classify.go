package errors

import (
	"context"
	"os"
	"slices"
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
// already_exists, not_found, out_of_range, invalid_argument, canceled. Of a tree of more than 65,536
// errors, or one that leads back to itself, what is not looked at counts as unknown.
//
// A type of your own takes part by a method Code() errors.Code.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	code, rest := chainCode(err)
	if rest == nil {
		return code
	}
	return decide(rest).code
}

// chainCode goes down a chain of wrappers, which most errors are, as fast as errors.As does. It returns
// the code, or the error from which on there is more to it.
func chainCode(err error) (code Code, rest error) {
	defer func() {
		if recover() != nil {
			code, rest = Unknown, nil
		}
	}()
	for range maxNodes {
		switch e := err.(type) {
		case *Error:
			return e.Code(), nil
		case coder:
			return positive(e.Code()), nil
		case interface{ Unwrap() error }:
			next := e.Unwrap()
			if next == nil {
				return Unknown, err
			}
			err = next
		default:
			return Unknown, err
		}
	}
	return Unknown, nil
}

// ReasonOf returns the reason of the error that decides err's code, or "".
func ReasonOf(err error) string {
	reason, _ := owner(decide(err).node)
	return reason
}

// owner returns the reason of an error and the domain that it belongs to.
func owner(err error) (reason, domain string) {
	defer func() { _ = recover() }()
	if e, ok := err.(interface{ Reason() string }); ok {
		reason = e.Reason()
	}
	if e, ok := err.(interface{ Domain() string }); ok {
		domain = e.Domain()
	}
	return reason, domain
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
	if e, ok := err.(*Error); ok {
		return decision{code: e.Code(), node: e}
	}
	budget := maxNodes
	return decideSafely(err, &budget)
}

// decideSafely asks errors of other people under a recover, as all that calls their methods does: a nil
// pointer in an error, or a bug in its methods, must not turn a failure into a crash.
func decideSafely(err error, budget *int) (d decision) {
	defer func() {
		if recover() != nil {
			d = decision{code: Unknown}
		}
	}()
	return decideWithin(err, budget)
}

// decideWithin has one switch, because the runtime remembers which of a switch's interfaces a type has.
func decideWithin(err error, budget *int) decision {
	passed := false
	for ; err != nil && *budget > 0; *budget-- {
		var next error
		switch e := err.(type) {
		case *Error:
			return decision{code: e.Code(), node: e, passed: passed}
		case *marked:
			passed = passed || e.passOn
			next = e.error
		case Code:
			return decision{code: positive(e), node: e, passed: passed}
		case coder:
			return decision{code: positive(e.Code()), node: err, passed: passed}
		case interface{ Unwrap() error }:
			next = e.Unwrap()
		case interface{ Unwrap() []error }:
			if d, ok := decideJoined(e.Unwrap(), budget); ok {
				d.passed = d.passed || passed
				return d
			}
		}
		if next == nil {
			return decision{code: leafCode(err), passed: passed}
		}
		err = next
	}
	return decision{code: Unknown}
}

// unwrap returns what err wraps: one error, or several, of which one at the least is not nil.
func unwrap(err error) (members []error, next error) {
	defer func() { _ = recover() }()
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return nil, e.Unwrap()
	case interface{ Unwrap() []error }:
		members = e.Unwrap()
		if slices.ContainsFunc(members, func(member error) bool { return member != nil }) {
			return members, nil
		}
	}
	return nil, nil
}

func positive(c Code) Code {
	if c == OK || int(c) >= len(table) {
		return Unknown
	}
	return c
}

// decideJoined is not ok if there is no member.
func decideJoined(members []error, budget *int) (worst decision, ok bool) {
	worst.code = Unknown
	for _, member := range members {
		if member == nil {
			continue
		}
		*budget--
		d := decideSafely(member, budget)
		if !ok || d.code.row().severity > worst.code.row().severity {
			worst, ok = d, true
		}
	}
	return worst, ok
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
		switch e := err.(type) {
		case *Error:
			hint = e.RetryAfter()
		case interface{ RetryAfter() time.Duration }:
			hint = e.RetryAfter()
		}
		wait = max(wait, hint)
		return hint > 0
	})
	return wait
}

// walk visits err's tree, outermost first. Where visit returns true, what lies below is left out.
func walk(err error, visit func(error) (stop bool)) {
	defer func() { _ = recover() }()
	budget := maxNodes
	walkWithin(err, &budget, visit)
}

func walkWithin(err error, budget *int, visit func(error) (stop bool)) {
	for err != nil && *budget > 0 {
		*budget--
		if visit(err) {
			return
		}
		if e, ok := err.(*Error); ok {
			err = e.Unwrap()
			continue
		}
		members, next := unwrap(err)
		for _, member := range members {
			walkWithin(member, budget, visit)
		}
		err = next
	}
}
