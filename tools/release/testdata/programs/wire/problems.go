package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/backend-platform/sdk/errors"
)

func allMembers() ([]byte, error) {
	err := errors.InvalidArgument.New("The order is not valid.").
		WithReason("orders.example", "ORDER_INVALID").
		WithViolation("#/items/0/qty", "must be at least 1", "MIN").
		WithViolation("#/note", "is too long", "MAX_LENGTH").
		WithMetadata("order", "17")
	return errors.NewProblem(err).AppendJSON(nil), nil
}

func plain() ([]byte, error) {
	return errors.NewProblem(errors.NotFound.New("There is no such order.")).AppendJSON(nil), nil
}

func marked() ([]byte, error) {
	err := errors.Internal.New("Try again.").WithRetryable(true).WithRetryAfter(1500 * time.Millisecond)
	return errors.NewProblem(errors.MarkExhausted(err)).AppendJSON(nil), nil
}

func readDocument(data []byte) error {
	state(errors.DecodeProblem(errors.Response{Body: data}))
	return nil
}

// state prints what a caller can find out about an error.
func state(err error) {
	fmt.Println("code", errors.CodeOf(err))
	fmt.Println("retry", errors.RetryOf(err))
	fmt.Println("retry after", errors.RetryAfter(err))
	fmt.Println("exhausted", errors.Exhausted(err))
	e, ok := errors.AsType[*errors.Error](err)
	if !ok {
		return
	}
	fmt.Println("status", e.Status())
	fmt.Println("message", e.Message())
	fmt.Printf("domain %q reason %q\n", e.Domain(), e.Reason())
	for _, v := range e.Violations() {
		fmt.Println("violation", v.Pointer, v.Detail, v.Reason)
	}
	metadata := e.Metadata()
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		fmt.Println("metadata", key, metadata[key])
	}
}
