package errors

import (
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A Catalogue holds the errors that one service defines. It is safe for concurrent use.
//
//	var catalogue = errors.NewCatalogue("orders", "https://errors.example.com/orders/")
//
//	var ErrOutOfStock = catalogue.Define(errors.Definition{
//		Code:   errors.FailedPrecondition,
//		Reason: "OUT_OF_STOCK",
//		Title:  "Item is out of stock",
//	})
//
// A service that calls another one uses the other's definitions, or defines those that it acts on
// itself, in a catalogue of the same domain: domain and reason are what errors.Is compares.
type Catalogue struct {
	domain string
	base   string

	mu      sync.RWMutex
	defined map[string]*DefinedError
}

// NewCatalogue returns an empty catalogue of the service called domain. Each of its errors is
// documented at baseURL followed by its reason: that is the error's type URI (RFC 9457, section
// 3.1.1). A baseURL that does not end with a slash gets one. An empty baseURL gives errors without a
// type URI.
//
// A catalogue is a package-level variable, so a wrong argument is a programming error that shows when
// the program starts: NewCatalogue panics, with every fault, if domain is empty, longer than 256 bytes
// or no printable text without spaces, or if baseURL is not an absolute http or https URL without
// user, query and fragment.
func NewCatalogue(domain, baseURL string) *Catalogue {
	if err := Join(validateDomain(domain), validateBase(baseURL)); err != nil {
		panic(fmt.Sprintf("errors: NewCatalogue(%q, %q): %v", domain, baseURL, err))
	}
	if baseURL != "" && !strings.HasSuffix(baseURL, "/") {
		baseURL += "/"
	}
	return &Catalogue{domain: domain, base: baseURL, defined: make(map[string]*DefinedError)}
}

func validateDomain(domain string) error {
	switch {
	case domain == "":
		return New("the domain is empty")
	case len(domain) > maxName:
		return fmt.Errorf("the domain is longer than %d bytes", maxName)
	case strings.ContainsFunc(domain, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return New("the domain is not printable ASCII without spaces")
	}
	return nil
}

func validateBase(baseURL string) error {
	if baseURL == "" {
		return nil
	}
	u, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return New("the base URL cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return New("the base URL is not an absolute http or https URL")
	case u.User != nil || strings.ContainsAny(baseURL, "?#"):
		return New("the base URL has a user, a query or a fragment")
	case len(baseURL) > maxURI-maxReason-1:
		return fmt.Errorf("the base URL is longer than %d bytes", maxURI-maxReason-1)
	}
	return nil
}

// Domain returns the name of the service that owns the catalogue.
func (c *Catalogue) Domain() string { return c.domain }

// BaseURL returns what the type URIs begin with, with a slash at its end; or "".
func (c *Catalogue) BaseURL() string { return c.base }

// Define adds an error to the catalogue. Definitions are package-level variables, as the catalogue is:
// Define panics, with every fault, if the definition is not as its fields' comments ask, or if its
// reason is taken.
func (c *Catalogue) Define(def Definition) *DefinedError {
	if err := def.validate(); err != nil {
		panic(fmt.Sprintf("errors: Define in catalogue %q: %v", c.domain, err))
	}
	def.Metadata = maps.Clone(def.Metadata)
	d := &DefinedError{def: def, domain: c.domain, kind: def.Type}
	if d.kind == "" && c.base != "" {
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

// Lookup returns the error with the reason; false if the catalogue has none.
func (c *Catalogue) Lookup(reason string) (*DefinedError, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	d, ok := c.defined[reason]
	return d, ok
}

// All returns the errors that are defined now, in the order of their reasons.
func (c *Catalogue) All() iter.Seq[*DefinedError] {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Values(slices.SortedFunc(maps.Values(c.defined), func(a, b *DefinedError) int {
		return strings.Compare(a.def.Reason, b.def.Reason)
	}))
}
