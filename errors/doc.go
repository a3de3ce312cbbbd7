// Package errors is the one error format of an organisation's services: what went wrong as a code, a
// message for the caller, and a cause for us. It is a strict superset of the standard library's
// package errors, so it takes that import's place.
//
// # Making errors
//
// A [Code] makes an error; its message is public, and the error it wraps never leaves the process:
//
//	return errors.NotFound.Newf("Order %s does not exist.", id)
//
//	if err != nil {
//		return errors.Unavailable.Wrap(err, "The inventory cannot be asked.")
//	}
//
// What callers act on is defined once, in the service's [Catalogue], and is a sentinel:
//
//	return ErrOutOfStock.Newf("Only %d left.", left)
//
//	if errors.Is(err, ErrOutOfStock) { … } // also in the service that called us
//
// Details are added by the With methods of [Error], the cause among them: violations of the input,
// public metadata, attributes for the log, a wait for the caller.
//
// # Reading errors
//
// [CodeOf] gives the code that decides how an error is treated, [RetryOf] and [RetryAfter] whether and
// when to try again. They read the tree of wrapped and joined errors as errors.Is does, and they
// understand context's errors. What a code means to HTTP, retries, logs, spans and consumers is one
// table, which stands in the module's README.
//
// No other error of the standard library has a code: whether sql.ErrNoRows or fs.ErrNotExist is the
// caller's fault, ours or nobody's, only the code that asked knows, and says by wrapping it.
//
// # On the wire
//
// [NewProblem] gives what a caller may see: application/problem+json (RFC 9457). [DecodeProblem] turns
// a response back into an error, for which errors.Is finds the code and the definition; it understands
// the documents of many others, too. A decoded error is remote: another service's answer is not ours, so
// [Local] decides what our own caller gets, unless [PassOn] says to pass it on.
//
// # What it guarantees
//
//   - Nothing private is in a [Problem]: no text of a cause, no attribute, no stack.
//   - What is public survives the wire, over any number of hops: code, reason, domain, type, title,
//     message, violations, metadata, status, wait, marks and unknown members.
//   - Errors are immutable and safe for concurrent use.
//   - Decoding never fails and never panics; what it keeps of a foreign document is bounded.
//   - Every function of ours ends, whatever error it gets: a chain that leads back to itself or has a
//     million errors, a nil pointer in an error, a method that panics. The standard library's Is, As and
//     AsType do on such errors what they always did.
//   - A stack is captured only for codes that log at error level, and once a chain.
//   - Nothing but the standard library is imported, net/http not among it.
//
// # What it does not do
//
// It writes no log line and no response: packages logging and httpserver do. It has no translations:
// a reason and metadata let a client choose its own words.
package errors
