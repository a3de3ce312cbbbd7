package errors

import (
	"fmt"
	"maps"
	"strings"
)

// maxReason is how long a reason is at the most: google.rpc.ErrorInfo's limit (AIP-193).
const maxReason = 63

// A Definition describes one failure that callers can act on.
type Definition struct {
	// Code is the kind of failure. Required.
	Code Code
	// Reason names the failure for programs, in UPPER_SNAKE_CASE and at most 63 bytes; it is unique in
	// its catalogue and never changes. Required.
	Reason string
	// Title is a short sentence for people that is the same each time: one line of at most 256 bytes.
	// Empty: the phrase of the status, which is also what is sent where there is no type URI (RFC 9457,
	// section 4.2.1).
	Title string
	// Doc tells the caller what it means and what to do about it, in plain text; an empty line
	// separates paragraphs. It is served as documentation.
	Doc string
	// Type is the type URI, for an error that somebody else defined, such as
	// "https://vendor.example.com/problems/out-of-credit": errors.Is then finds it in a document that
	// has no reason. Empty: the catalogue's base URL followed by the reason.
	Type string
	// Status is the HTTP status, from 400 to 599. Zero: the code's.
	Status int
	// Metadata documents the public metadata that errors of this definition carry: what each key
	// means. It adds nothing to an error. Empty: none is promised.
	Metadata map[string]string
}

func (d Definition) validate() error {
	var faults []error
	if d.Code == OK || int(d.Code) >= len(table) {
		faults = append(faults, fmt.Errorf("Code: %v is not the code of an error", d.Code))
	}
	if !upperSnake(d.Reason) || len(d.Reason) > maxReason {
		faults = append(faults, fmt.Errorf("Reason: %q is not UPPER_SNAKE_CASE of at most %d bytes", d.Reason, maxReason))
	}
	if len(d.Title) > maxName || strings.ContainsAny(d.Title, "\r\n") {
		faults = append(faults, fmt.Errorf("Title: %q is not one line of at most %d bytes", bounded(d.Title, maxName), maxName))
	}
	if d.Status != 0 && !isFailure(d.Status) {
		faults = append(faults, fmt.Errorf("Status: %d is not the status of an error", d.Status))
	}
	if d.Type != "" && (!hasScheme(d.Type) || len(d.Type) > maxURI || d.Type == "about:blank") {
		faults = append(faults, fmt.Errorf("Type: %q is not an absolute URI of at most %d bytes", bounded(d.Type, maxName), maxURI))
	}
	for key := range d.Metadata {
		if key == "" || len(key) > maxName {
			faults = append(faults, fmt.Errorf("Metadata: the key %q is empty or longer than %d bytes", bounded(key, maxName), maxName))
		}
	}
	return Join(faults...)
}

func upperSnake(s string) bool {
	for i, r := range s {
		letter := r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != "" && !strings.HasSuffix(s, "_")
}

// A DefinedError is an error of a [Catalogue]. It is a sentinel: errors.Is(err, ErrOutOfStock) is true
// of every error made from it, also after the error has crossed the wire. It can be returned as it is,
// or with a message and a cause by the methods that a [Code] has too. It is immutable, and safe for
// concurrent use; the methods of a nil one work, and its code is [Unknown].
type DefinedError struct {
	def    Definition
	domain string
	kind   string
}

// noDefinition is what a nil *DefinedError stands for.
var noDefinition = DefinedError{def: Definition{Code: Unknown}}

func (d *DefinedError) orNone() *DefinedError {
	if d == nil {
		return &noDefinition
	}
	return d
}

// Definition returns what the error was defined with.
func (d *DefinedError) Definition() Definition {
	def := d.orNone().def
	def.Metadata = maps.Clone(def.Metadata)
	return def
}

// Type returns the type URI, under which the owning service documents the error; or "".
func (d *DefinedError) Type() string { return d.orNone().kind }

// Domain returns the service that owns the error.
func (d *DefinedError) Domain() string { return d.orNone().domain }

// Reason returns the reason.
func (d *DefinedError) Reason() string { return d.orNone().def.Reason }

// Code returns the code.
func (d *DefinedError) Code() Code { return d.orNone().def.Code }

// Status returns the HTTP status: the definition's, else the code's.
func (d *DefinedError) Status() int {
	if d := d.orNone(); d.def.Status != 0 {
		return d.def.Status
	}
	return d.Code().HTTPStatus()
}

// Title returns the definition's title, else the phrase of the status.
func (d *DefinedError) Title() string {
	if d := d.orNone(); d.def.Title != "" {
		return d.def.Title
	}
	return statusPhrase(d.Status())
}

// Doc returns what the definition tells callers to do about it, in plain text; or "".
func (d *DefinedError) Doc() string { return d.orNone().def.Doc }

// Error returns the code and the reason.
func (d *DefinedError) Error() string {
	if d == nil {
		return "<nil *errors.DefinedError>"
	}
	return d.def.Code.String() + " (" + d.def.Reason + ")"
}

// Is reports whether target is the error's code, or a definition with the same domain and reason.
func (d *DefinedError) Is(target error) bool {
	switch t := target.(type) {
	case Code:
		return d.Code() == t
	case *DefinedError:
		return d != nil && t != nil && d.def.Reason == t.def.Reason && d.domain == t.domain
	}
	return false
}

// New returns an Error of this definition with a public message; see [Code.New].
func (d *DefinedError) New(message string) *Error { return newError(d.Code(), d, message, nil) }

// Newf is [DefinedError.New] with a message formatted by [fmt.Sprintf].
func (d *DefinedError) Newf(format string, args ...any) *Error {
	return newError(d.Code(), d, fmt.Sprintf(format, args...), nil)
}

// Wrap returns an Error of this definition with a public message and err as its private cause. It
// returns nil if err is nil.
func (d *DefinedError) Wrap(err error, message string) error {
	if err == nil {
		return nil
	}
	return newError(d.Code(), d, message, err)
}

// Wrapf is [DefinedError.Wrap] with a message formatted by [fmt.Sprintf].
func (d *DefinedError) Wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return newError(d.Code(), d, fmt.Sprintf(format, args...), err)
}
