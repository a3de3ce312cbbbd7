package redact

// Error returns an error with the same chain as err, whose text is that of err without its secrets. It is
// for log attributes: a handler that prints no more than the text prints no secret, and one that looks
// into errors sees all of it. The Error of nil is nil.
func Error(err error) error {
	if err == nil {
		return nil
	}
	return redacted{err}
}

type redacted struct{ err error }

// Error implements the error interface.
func (r redacted) Error() string { return Text(r.err.Error()) }

// Unwrap returns the error as it was.
func (r redacted) Unwrap() error { return r.err }
