package main

import (
	crdb "github.com/cockroachdb/errors"

	"github.com/backend-platform/sdk/errors"
)

// sink keeps results alive, so that the compiler leaves the work in.
var sink error

func errorsRow() row {
	return row{"errors: a new error with a code", "error", []contender{
		simple("sdk", "a not_found, which has no stack", func() { sink = errors.NotFound.New("The order does not exist.") }),
		simple("sdk, with a stack", "an internal error, which has one", func() { sink = errors.Internal.New("The order is broken.") }),
		simple("cockroachdb/errors", "always with a stack, as its documentation advises", func() { sink = crdb.New("The order does not exist.") }),
	}, 0}
}
