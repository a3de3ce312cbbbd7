// Command fingerprint prints the fingerprints of errors that are made in many kinds of functions. A test
// compares them between builds that inline and builds that do not.
package main

import (
	"fmt"

	"github.com/backend-platform/sdk/errors"
)

type store struct{}

func (store) get() error { return errors.Internal.New("x") }

func (*store) put() error { return errors.Internal.New("x") }

func (*store) later() func() error {
	return func() error { return func() error { return errors.Internal.New("x") }() }
}

type cache[K comparable] struct{ store }

func (*cache[K]) load(K) error { return errors.Internal.New("x") }

func plain() error { return errors.Internal.New("x") }

func later() func() error { return func() error { return errors.Internal.New("x") } }

func generic[T any](T) func() error { return func() error { return errors.Internal.New("x") } }

func each(yield func(int) bool) { yield(1) }

func ranging() (err error) {
	for range each {
		err = errors.Internal.New("x")
	}
	return err
}

func deferring() (err error) {
	defer func() { err = errors.Internal.New("x") }()
	return nil
}

func wrapping() error { return errors.Unavailable.Wrap(plain(), "") }

var variable = func() error { return errors.Internal.New("x") }

func spawning() error {
	failed := make(chan error)
	go func() { failed <- errors.Internal.New("x") }()
	return <-failed
}

func main() {
	var s store
	var c cache[string]
	method := s.put
	for name, err := range map[string]error{
		"value method": s.get(), "pointer method": s.put(), "literals in a method": s.later()(), "generic method": c.load("k"),
		"embedded": c.get(), "function": plain(), "literal": later()(), "literal in a generic function": generic(1)(),
		"loop body": ranging(), "deferred": deferring(), "wrapped": wrapping(), "variable": variable(), "method value": method(),
		"goroutine": spawning(),
	} {
		fmt.Printf("%s: %s\n", name, errors.Fingerprint(fmt.Errorf("main: %w", err)))
	}
}
