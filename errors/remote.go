package errors

// Remote reports whether the error that decides err's code was decoded from another service's
// response and is not meant to be passed on.
func Remote(err error) bool {
	if passedOn(err) {
		return false
	}
	budget := maxNodes
	_, node := decide(err, &budget)
	e, ok := node.(*Error)
	return ok && e.Remote()
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
	code := Internal
	switch CodeOf(err) {
	case Unavailable, ResourceExhausted:
		code = Unavailable
	case DeadlineExceeded:
		code = DeadlineExceeded
	}
	return code.Wrap(err, "")
}

func passedOn(err error) bool {
	found := false
	budget := maxNodes
	walk(err, &budget, func(err error) (stop bool) {
		switch e := err.(type) {
		case *marked:
			found = found || e.passOn
		case *Error:
			return true // whatever is below is not what is answered
		}
		return found
	})
	return found
}
