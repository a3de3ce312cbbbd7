package errors

import (
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A Definition describes one failure that callers can act on.
type Definition struct {
	// Code is the kind of failure. Required.
	Code Code
	// Reason names the failure for programs, in UPPER_SNAKE_CASE; it is unique in its catalogue and
	// never changes. Required.
	Reason string
	// Title is a short sentence for people that is the same each time. Empty: the code's title.
	Title string
	// Doc tells the caller what to do about it, in plain text. Served as documentation.
	Doc string
	// Status is the HTTP status. Zero: the code's.
	Status int
}

// A Catalogue holds the errors that one service defines. It is safe for concurrent use.
//
//	var catalogue = errors.NewCatalogue("orders", "https://errors.example.com/orders/")
//
//	var ErrOutOfStock = catalogue.Define(errors.Definition{
//		Code:   errors.FailedPrecondition,
//		Reason: "OUT_OF_STOCK",
//		Title:  "Item is out of stock",
//	})
type Catalogue struct {
	domain string
	base   string

	mu      sync.Mutex
	defined map[string]*DefinedError
}

// NewCatalogue returns an empty catalogue of the service called domain. Each of its errors is
// documented at baseURL followed by its reason: that is the error's type URI (RFC 9457, section
// 3.1.1). An empty baseURL gives errors without a type URI. It panics if domain is empty or baseURL
// is not an absolute URL.
func NewCatalogue(domain, baseURL string) *Catalogue {
	if domain == "" {
		panic("errors: NewCatalogue: the domain is empty")
	}
	if u, err := url.Parse(baseURL); baseURL != "" && (err != nil || !u.IsAbs()) {
		panic(fmt.Sprintf("errors: NewCatalogue(%q): base URL %q is not absolute", domain, baseURL))
	}
	if baseURL != "" && !strings.HasSuffix(baseURL, "/") {
		baseURL += "/"
	}
	return &Catalogue{domain: domain, base: baseURL, defined: make(map[string]*DefinedError)}
}

// Domain returns the name of the service that owns the catalogue.
func (c *Catalogue) Domain() string { return c.domain }

// Define adds an error to the catalogue. Definitions are package-level variables, so a wrong one is a
// programming error that shows when the program starts: Define panics if the code is none of the
// sixteen, the reason is not UPPER_SNAKE_CASE or is taken, or the status is not an error's.
func (c *Catalogue) Define(def Definition) *DefinedError {
	if err := def.validate(); err != nil {
		panic(fmt.Sprintf("errors: Define in catalogue %q: %v", c.domain, err))
	}
	d := &DefinedError{def: def, domain: c.domain}
	if c.base != "" {
		d.kind = c.base + def.Reason
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.defined[def.Reason] != nil {
		panic(fmt.Sprintf("errors: Define in catalogue %q: reason %s is defined twice", c.domain, def.Reason))
	}
	c.defined[def.Reason] = d
	return d
}

// All returns the defined errors in the order of their reasons.
func (c *Catalogue) All() iter.Seq[*DefinedError] {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*DefinedError, 0, len(c.defined))
	for _, d := range c.defined {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *DefinedError) int { return strings.Compare(a.def.Reason, b.def.Reason) })
	return slices.Values(all)
}

func (d Definition) validate() error {
	var faults []error
	if d.Code == OK || int(d.Code) >= len(table) {
		faults = append(faults, fmt.Errorf("Code: %v is not the code of an error", d.Code))
	}
	if !upperSnake(d.Reason) {
		faults = append(faults, fmt.Errorf("Reason: %q is not UPPER_SNAKE_CASE", d.Reason))
	}
	if d.Status != 0 && (d.Status < 400 || d.Status > 599) {
		faults = append(faults, fmt.Errorf("Status: %d is not the status of an error", d.Status))
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
// or with a message and a cause by the methods that a [Code] has too. It is immutable.
type DefinedError struct {
	def    Definition
	domain string
	kind   string
}

// Definition returns what the error was defined with.
func (d *DefinedError) Definition() Definition { return d.def }

// Domain returns the service that owns the error.
func (d *DefinedError) Domain() string {
	if d == nil {
		return ""
	}
	return d.domain
}

// Type returns the type URI, under which the owning service documents the error; or "".
func (d *DefinedError) Type() string { return d.kind }

// Code returns the code.
func (d *DefinedError) Code() Code {
	if d == nil {
		return Unknown
	}
	return d.def.Code
}

// Error returns the code and the reason.
func (d *DefinedError) Error() string { return d.def.Code.String() + " (" + d.def.Reason + ")" }

// Is reports whether target is the error's code.
func (d *DefinedError) Is(target error) bool {
	code, ok := target.(Code)
	return ok && d.def.Code == code
}

// New returns an Error of this definition with a public message; see [Code.New].
func (d *DefinedError) New(message string) *Error {
	e := d.make(message, nil)
	return &e
}

// Newf is [DefinedError.New] with a message formatted by [fmt.Sprintf].
func (d *DefinedError) Newf(format string, args ...any) *Error {
	e := d.make(fmt.Sprintf(format, args...), nil)
	return &e
}

// Wrap returns an Error of this definition with a public message and err as its private cause. It
// returns nil if err is nil.
func (d *DefinedError) Wrap(err error, message string) error {
	if err == nil {
		return nil
	}
	e := d.make(message, err)
	return &e
}

// Wrapf is [DefinedError.Wrap] with a message formatted by [fmt.Sprintf].
func (d *DefinedError) Wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	e := d.make(fmt.Sprintf(format, args...), err)
	return &e
}

func (d *DefinedError) make(message string, cause error) Error {
	e := d.def.Code.make(message, cause)
	e.defined = d
	return e
}

// Reason returns the reason.
func (d *DefinedError) Reason() string {
	if d == nil {
		return ""
	}
	return d.def.Reason
}
