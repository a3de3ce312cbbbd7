package errors

// mark is an explicit statement about retries, which overrules the table: one more than the Retry.
type mark uint8

const unmarked mark = 0

func markAs(r Retry) mark { return mark(r) + 1 }

func markOf(retryable bool) mark {
	if retryable {
		return markAs(RetryAlways)
	}
	return markAs(RetryNever)
}

// retry returns what the mark says; ok is false if there is none.
func (m mark) retry() (r Retry, ok bool) { return Retry(m - 1), m != unmarked }

// marked carries statements about an error of any type.
type marked struct {
	error
	retry     mark
	exhausted bool
	passOn    bool
}

// Error returns the text of the error that the statements are about.
func (m *marked) Error() string { return textOf(m.error) }

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

// MarshalJSON writes the problem document of the error; see [NewProblem].
func (m *marked) MarshalJSON() ([]byte, error) { return NewProblem(m).AppendJSON(nil), nil }

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
func RetryOf(err error) Retry { return rulingOn(err).retry }

func rulingOn(err error) ruling {
	budget := maxNodes
	return rule(err, &budget)
}

// ruling is what an error's tree, or a part of it, says about another try.
type ruling struct {
	retry  Retry
	marked bool // by an explicit mark, which overrules codes further out
	remote bool // the mark is another service's, about the call to it, and not passed on
}

// rule looks at each error of the tree once.
func rule(err error, budget *int) ruling {
	coded, passed, byCode := false, false, ruling{retry: RetryNever}
	for err != nil && *budget > 0 {
		*budget--
		if m, ok := err.(*marked); ok {
			if retry, ok := m.retry.retry(); ok {
				return ruling{retry: retry, marked: true}
			}
			passed = passed || m.passOn
			err = m.error
			continue
		}
		if e, ok := err.(*Error); ok && e != nil {
			if retry, ok := e.retry.retry(); ok {
				return ruling{retry: retry, marked: true, remote: e.remote && !passed}
			}
			if !coded {
				coded, byCode.retry = true, e.Code().Retry()
			}
			err = e.cause
			continue
		}
		step := look(err)
		if step.coded && !coded {
			coded, byCode.retry = true, step.code.Retry()
		}
		if step.members != nil {
			if joint := ruleJoined(step.members, budget); joint.marked || !coded {
				joint.remote = joint.remote && !passed
				return joint
			}
			return byCode
		}
		err = step.next
	}
	return byCode
}

// step is what one error says by itself, and what it wraps.
type step struct {
	code    Code
	coded   bool
	next    error
	members []error
}

func look(err error) (s step) {
	defer func() {
		if recover() != nil {
			s = step{code: Unknown, coded: true}
		}
	}()
	switch e := err.(type) {
	case *Error:
		return step{code: e.Code(), coded: true, next: e.Unwrap()}
	case Code:
		return step{code: positive(e), coded: true}
	case coder:
		s.code, s.coded = positive(e.Code()), true
	}
	s.members, s.next = unwrap(err)
	if !s.coded && s.next == nil && s.members == nil {
		s.code, s.coded = leafCode(err), true
	}
	return s
}

// ruleJoined permits what all members permit. The members' marks are a mark of the whole if one says
// never, or if all say always.
func ruleJoined(members []error, budget *int) ruling {
	joint := ruling{retry: RetryAlways, marked: true}
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
		joint.remote = joint.remote || r.remote
	}
	return joint
}
