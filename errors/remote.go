package errors

// Remote reports whether the error that decides err's code was decoded from another service's
// response and is not meant to be passed on. Of joined errors only the one that decides counts, and
// only its own mark.
func Remote(err error) bool {
	d := decide(err)
	e, ok := d.node.(*Error)
	return ok && e.Remote() && !d.passed
}

// PassOn returns err with the statement that a remote error is ours to answer with: its code, reason,
// message, violations and metadata go to our caller as they came. It returns nil if err is nil.
func PassOn(err error) error {
	if err == nil {
		return nil
	}
	return &marked{error: err, passOn: true}
}

// Local returns the error that this service answers with when a handler returns err. What a remote
// service answered to us is not our answer: its unauthenticated must not log out our user. So a remote
// error that nobody gave a code of ours becomes [Unavailable] (from unavailable and
// resource_exhausted), [DeadlineExceeded] (from deadline_exceeded), and [Internal] otherwise, with err
// as the cause. Every other error, and one marked by [PassOn], is returned as it is. errors.Is sees
// the remote code all the same.
func Local(err error) error {
	if !Remote(err) {
		return err
	}
	local := &Error{code: Internal, cause: err, stack: stackOf(err)}
	switch CodeOf(err) {
	case Unavailable, ResourceExhausted:
		local.code = Unavailable
	case DeadlineExceeded:
		local.code = DeadlineExceeded
	}
	// A peer's word that its call may be repeated is none about ours. That it may not be is one.
	if table := local.code.Retry(); RetryOf(local) > table {
		local.retry = markAs(table)
	}
	return local
}
