package main

import (
	crdb "github.com/cockroachdb/errors"

	"github.com/backend-platform/sdk/errors"
)

var sink error

// keep lets a result escape, so that the compiler leaves the work in.
func keep(err error) {
	sink = err
	_ = sink
}

func errorsRow() row {
	return row{"errors: a new error with a code", "error", []contender{
		simple("sdk", "a not_found, which has no stack", func() { keep(errors.NotFound.New("The order does not exist.")) }),
		simple("sdk, with a stack", "an internal error, which has one", func() { keep(errors.Internal.New("The order is broken.")) }),
		simple("cockroachdb/errors", "always with a stack, as its documentation advises", func() { keep(crdb.New("The order does not exist.")) }),
	}, 0}
}
