package errors

import stderrors "errors"

// ErrUnsupported is [errors.ErrUnsupported] of the standard library.
var ErrUnsupported = stderrors.ErrUnsupported

// New is [errors.New] of the standard library: an error without a code, which [CodeOf] reads as
// [Unknown]. An error that callers act on wants a code: see [Code.New] and [Catalogue.Define].
func New(text string) error { return stderrors.New(text) }

// Is is [errors.Is] of the standard library. The target may be a [Code] or a [*DefinedError] as well:
// it then matches every [Error] and [DefinedError] of the chain that has that code, or that was made
// from that definition, in this process or in the one that sent it. What gets its code from elsewhere,
// such as context.DeadlineExceeded or an error without a code, is asked by [CodeOf].
func Is(err, target error) bool { return stderrors.Is(err, target) }

// As is [errors.As] of the standard library. [AsType] does the same with less ceremony.
func As(err error, target any) bool { return stderrors.As(err, target) }

// AsType is [errors.AsType] of the standard library: the first error in err's tree of type E.
func AsType[E error](err error) (E, bool) { return stderrors.AsType[E](err) }

// Join is [errors.Join] of the standard library. [CodeOf] a joined error is the code of its most
// severe member; it is retryable only if all its members are.
func Join(errs ...error) error { return stderrors.Join(errs...) }

// Unwrap is [errors.Unwrap] of the standard library.
func Unwrap(err error) error { return stderrors.Unwrap(err) }
