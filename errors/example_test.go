package errors_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// The errors that the orders service defines. They are part of its API.
var (
	catalogue = errors.NewCatalogue("orders", "https://errors.example.com/orders/")

	ErrOutOfStock = catalogue.Define(errors.Definition{
		Code:   errors.FailedPrecondition,
		Reason: "OUT_OF_STOCK",
		Title:  "Item is out of stock",
		Doc:    "Order fewer, or wait until the item is restocked.",
	})
)

func reserve(sku string, quantity, left int) error {
	if quantity > left {
		return ErrOutOfStock.Newf("Only %d left.", left).WithMetadata("sku", sku)
	}
	return nil
}

// A service answers with an error that it defined; the service that called it finds the same error.
func Example() {
	orders := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := reserve("17", 5, 3)
		problem := errors.NewProblem(fmt.Errorf("place order: %w", err))
		w.Header().Set("Content-Type", errors.ContentType)
		w.WriteHeader(problem.Status)
		_, _ = w.Write(problem.AppendJSON(nil))
	}))
	defer orders.Close()

	response, err := http.Get(orders.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, errors.MaxProblemBytes+1))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = errors.DecodeProblem(errors.Response{Status: response.StatusCode, Body: body})

	fmt.Println(string(body))
	fmt.Println("out of stock:", errors.Is(err, ErrOutOfStock))
	fmt.Println("retry:", errors.Retryable(err))
	// Output:
	// {"type":"https://errors.example.com/orders/OUT_OF_STOCK","title":"Item is out of stock","status":400,"detail":"Only 3 left.","code":"failed_precondition","reason":"OUT_OF_STOCK","domain":"orders","retryable":false,"metadata":{"sku":"17"}}
	// out of stock: true
	// retry: false
}

func ExampleCode_New() {
	err := errors.InvalidArgument.New("The order is not valid.").
		WithViolation("#/items/0/qty", "must be at most 3", "MAX").
		WithViolation("#/currency", "must not be empty", "REQUIRED")
	for _, v := range err.Violations() {
		fmt.Println(v.Pointer, v.Detail)
	}
	// Output:
	// #/items/0/qty must be at most 3
	// #/currency must not be empty
}

func ExampleCode_Wrap() {
	load := func() error { return errors.New("dial tcp 10.0.0.7:5432: connection refused") }

	err := errors.Unavailable.Wrap(load(), "Orders cannot be read at the moment.")

	fmt.Println("log:   ", err)
	fmt.Println("caller:", errors.NewProblem(err).Detail)
	// Output:
	// log:    unavailable: Orders cannot be read at the moment.: dial tcp 10.0.0.7:5432: connection refused
	// caller: Orders cannot be read at the moment.
}

func ExampleCatalogue_Define() {
	err := fmt.Errorf("place order: %w", reserve("17", 5, 3))
	fmt.Println(errors.Is(err, ErrOutOfStock), errors.CodeOf(err), errors.ReasonOf(err))
	// Output:
	// true failed_precondition OUT_OF_STOCK
}

func ExampleCodeOf() {
	fmt.Println(errors.CodeOf(nil))
	fmt.Println(errors.CodeOf(io.EOF))
	fmt.Println(errors.CodeOf(fmt.Errorf("load: %w", context.DeadlineExceeded)))
	fmt.Println(errors.CodeOf(errors.Join(errors.NotFound.New(""), errors.Unavailable.New(""))))
	// Output:
	// ok
	// unknown
	// deadline_exceeded
	// unavailable
}

func ExampleRetryAfter() {
	err := errors.ResourceExhausted.New("Too many orders.").WithRetryAfter(2 * time.Second)
	fmt.Println(errors.Retryable(err), errors.RetryAfter(err))
	// Output:
	// true 2s
}

func ExampleLocal() {
	inventory := errors.DecodeProblem(errors.Response{Status: http.StatusUnauthorized})

	fmt.Println(errors.CodeOf(inventory))
	fmt.Println(errors.CodeOf(errors.Local(inventory)))
	fmt.Println(errors.CodeOf(errors.Local(errors.PassOn(inventory))))
	// Output:
	// unauthenticated
	// internal
	// unauthenticated
}

func ExampleLogAttrs() {
	err := errors.NotFound.New("The order does not exist.").WithAttrs(slog.String("shard", "eu-3"))
	for _, attr := range errors.LogAttrs(fmt.Errorf("load order: %w", err)) {
		fmt.Println(attr)
	}
	// Output:
	// message=load order: not_found: The order does not exist.
	// code=not_found
	// shard=eu-3
}

// A problem that somebody else defined is a sentinel, too: its type URI tells.
func ExampleDefinition_type() {
	outOfCredit := errors.NewCatalogue("bank", "").Define(errors.Definition{
		Code:   errors.PermissionDenied,
		Reason: "OUT_OF_CREDIT",
		Type:   "https://bank.example.com/problems/out-of-credit",
	})

	err := errors.DecodeProblem(errors.Response{
		Status: http.StatusForbidden,
		Body:   []byte(`{"type":"https://bank.example.com/problems/out-of-credit","title":"You do not have enough credit.","balance":30}`),
	})

	fmt.Println(errors.Is(err, outOfCredit), string(err.Unknown()["balance"]))
	// Output:
	// true 30
}

func ExampleCatalogue_All() {
	payments := errors.NewCatalogue("payments", "https://errors.example.com/payments/")
	payments.Define(errors.Definition{Code: errors.FailedPrecondition, Reason: "CARD_EXPIRED", Title: "The card is expired"})
	payments.Define(errors.Definition{Code: errors.ResourceExhausted, Reason: "LIMIT_REACHED", Status: 402})

	for d := range payments.All() {
		fmt.Println(d.Reason(), d.Code(), d.Status(), d.Title(), d.Type())
	}
	// Output:
	// CARD_EXPIRED failed_precondition 400 The card is expired https://errors.example.com/payments/CARD_EXPIRED
	// LIMIT_REACHED resource_exhausted 402 Payment Required https://errors.example.com/payments/LIMIT_REACHED
}

func ExamplePointer() {
	err := errors.InvalidArgument.New("The order is not valid.").
		WithViolation(errors.Pointer("items", 0, "unit price/€"), "must not be negative", "MIN")
	fmt.Println(err.Violations()[0].Pointer)
	// Output:
	// #/items/0/unit%20price~1%E2%82%AC
}

// Each check reports its fault by an error of its own; the caller gets all of them at once.
func ExampleJoin() {
	err := errors.Join(
		errors.InvalidArgument.New("The order is not valid.").WithViolation("#/items/0/qty", "must be at most 3", "MAX"),
		errors.InvalidArgument.New("").WithViolation("#/currency", "must not be empty", "REQUIRED"),
	)
	for _, v := range errors.NewProblem(err).Violations {
		fmt.Println(v.Pointer, v.Detail)
	}
	// Output:
	// #/items/0/qty must be at most 3
	// #/currency must not be empty
}
