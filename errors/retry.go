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
	budget := maxNodes
	walk(err, &budget, func(err error) (stop bool) {
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
	return retryOf(err, &budget)
}

func retryOf(err error, budget *int) Retry {
	if m := firstMark(err, budget); m != nil {
		return *m
	}
	for node := err; node != nil && *budget > 0; *budget-- {
		switch e := node.(type) {
		case coder:
			return e.Code().Retry()
		case Code:
			return e.Retry()
		case interface{ Unwrap() error }:
			node = e.Unwrap()
		case interface{ Unwrap() []error }:
			return leastRetry(e.Unwrap(), budget)
		default:
			code, _ := decideLeaf(node)
			return code.Retry()
		}
	}
	return RetryNever
}

// firstMark returns what the outermost mark of the tree says, or nil. Members of a joined error are
// asked only if one of them is marked.
func firstMark(err error, budget *int) *Retry {
	for err != nil && *budget > 0 {
		*budget--
		switch explicit(err) {
		case markedRetryable:
			return new(RetryAlways)
		case markedFinal:
			return new(RetryNever)
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			return jointMark(e.Unwrap(), budget)
		default:
			return nil
		}
	}
	return nil
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

func jointMark(members []error, budget *int) *Retry {
	for _, member := range members {
		if firstMark(member, budget) != nil {
			return new(leastRetry(members, budget))
		}
	}
	return nil
}

func leastRetry(members []error, budget *int) Retry {
	least := RetryAlways
	for _, member := range members {
		if member != nil {
			least = min(least, retryOf(member, budget))
		}
	}
	return least
}
