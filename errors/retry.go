package errors

// mark is an explicit statement about retries, which overrules the table.
type mark uint8

const (
	unmarked mark = iota
	markedRetryable
	markedFinal
)

func markOf(retryable bool) mark {
	if retryable {
		return markedRetryable
	}
	return markedFinal
}

// marked carries statements about an error of any type.
type marked struct {
	error
	retry     mark
	exhausted bool
	passOn    bool
}

// Unwrap returns the error that the statements are about.
func (m *marked) Unwrap() error { return m.error }

// MarkRetryable returns err with the statement that the same call may, or may not, be made again,
// whatever its code says. It returns nil if err is nil.
func MarkRetryable(err error, retryable bool) error {
	if err == nil {
		return nil
	}
	return &marked{error: err, retry: markOf(retryable)}
}

// MarkExhausted returns err with the statement that a client has used up its attempts, so that layers
// further up do not start again: three layers of three attempts would be twenty-seven calls. It says
// nothing about the fault, and [Retryable] keeps its meaning. It returns nil if err is nil.
func MarkExhausted(err error) error {
	if err == nil {
		return nil
	}
	return &marked{error: err, exhausted: true}
}

// Exhausted reports whether any error of err's tree is marked by [MarkExhausted], here or in the
// service that sent it.
func Exhausted(err error) bool {
	found := false
	walk(err, func(err error) (stop bool) {
		switch e := err.(type) {
		case *marked:
			found = found || e.exhausted
		case *Error:
			found = found || e.rest().exhausted
		}
		return found
	})
	return found
}

// Retryable reports whether the same call may be made again, of any call: whether [RetryOf] err is
// [RetryAlways].
func Retryable(err error) bool { return RetryOf(err) == RetryAlways }

// RetryOf says whether the call that failed with err may be made again. The outermost explicit mark
// decides ([MarkRetryable], [Error.WithRetryable]), then an inner one, then the table's row of
// [CodeOf] err. A joined error permits what all of its members permit. RetryOf(nil) is [RetryNever].
func RetryOf(err error) Retry {
	budget := maxNodes
	return rule(err, &budget).retry
}

// ruling is what an error's tree, or a part of it, says about another try.
type ruling struct {
	retry  Retry
	marked bool // by an explicit mark, which overrules codes further out
}

// rule looks at each error of the tree once.
func rule(err error, budget *int) ruling {
	var byCode *Retry
	for err != nil && *budget > 0 {
		*budget--
		switch explicit(err) {
		case markedRetryable:
			return ruling{RetryAlways, true}
		case markedFinal:
			return ruling{RetryNever, true}
		}
		if code, ok := codeAt(err); ok && byCode == nil {
			byCode = new(code.Retry())
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			joint := ruleJoined(e.Unwrap(), budget)
			if byCode != nil && !joint.marked {
				return ruling{retry: *byCode}
			}
			return joint
		default:
			err = nil
		}
	}
	if byCode == nil {
		return ruling{retry: RetryNever}
	}
	return ruling{retry: *byCode}
}

// codeAt returns the code that one error has by itself, without what it wraps.
func codeAt(err error) (Code, bool) {
	switch e := err.(type) {
	case Code:
		return positive(e), true
	case coder:
		return positive(e.Code()), true
	case interface{ Unwrap() error }, interface{ Unwrap() []error }:
		return Unknown, false
	}
	return leafCode(err), true
}

// ruleJoined permits what all members permit. The members' marks are a mark of the whole if one says
// never, or if all say always.
func ruleJoined(members []error, budget *int) ruling {
	joint := ruling{RetryAlways, true}
	for _, member := range members {
		if member == nil {
			continue
		}
		r := rule(member, budget)
		if r.marked && r.retry == RetryNever {
			return r
		}
		joint.retry = min(joint.retry, r.retry)
		joint.marked = joint.marked && r.marked
	}
	return joint
}

func explicit(err error) mark {
	switch e := err.(type) {
	case *marked:
		return e.retry
	case *Error:
		if e != nil {
			return e.retry
		}
	}
	return unmarked
}
