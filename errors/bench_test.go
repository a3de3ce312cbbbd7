package errors_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	"github.com/backend-platform/sdk/errors"
)

var (
	sinkError error
	sinkBytes []byte
	sinkCode  errors.Code
	sinkInt   int
)

func TestAllocationsOfANewError(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { sinkError = errors.NotFound.New("x") }); n != 1 {
		t.Errorf("without a stack: %v allocations, want 1", n)
	}
	if n := testing.AllocsPerRun(100, func() { sinkError = ErrOutOfStock.New("x") }); n != 1 {
		t.Errorf("of a definition: %v allocations, want 1", n)
	}
	if n := testing.AllocsPerRun(100, func() { sinkError = errors.Internal.New("x") }); n != 2 {
		t.Errorf("with a stack: %v allocations, want 2", n)
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sinkError = errors.NotFound.New("x")
	}
}

func BenchmarkNewWithStack(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sinkError = errors.Internal.New("x")
	}
}

// The floor of BenchmarkNewWithStack.
func BenchmarkCallers(b *testing.B) {
	var pcs [32]uintptr
	for b.Loop() {
		sinkInt = runtime.Callers(0, pcs[:])
	}
}

func wrapped() error {
	err := error(errors.NotFound.New("x"))
	for range 5 {
		err = fmt.Errorf("wrap: %w", err)
	}
	return err
}

func BenchmarkCodeOfFiveWraps(b *testing.B) {
	err := wrapped()
	b.ReportAllocs()
	for b.Loop() {
		sinkCode = errors.CodeOf(err)
	}
}

// The floor of BenchmarkCodeOfFiveWraps.
func BenchmarkAsTypeFiveWraps(b *testing.B) {
	err := wrapped()
	for b.Loop() {
		e, _ := errors.AsType[*errors.Error](err)
		sinkCode = e.Code()
	}
}

func BenchmarkEncode(b *testing.B) {
	problem := errors.NewProblem(ErrOutOfStock.New("Only 3 left.").WithMetadata("sku", "17"))
	problem.TraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	b.ReportAllocs()
	for b.Loop() {
		sinkBytes = problem.AppendJSON(sinkBytes[:0])
	}
}

// The floor of BenchmarkEncode: the same members by encoding/json.
func BenchmarkEncodeByEncodingJSON(b *testing.B) {
	problem := struct {
		Type      string            `json:"type"`
		Title     string            `json:"title"`
		Status    int               `json:"status"`
		Detail    string            `json:"detail"`
		Instance  string            `json:"instance"`
		Code      string            `json:"code"`
		Reason    string            `json:"reason"`
		Domain    string            `json:"domain"`
		Retryable bool              `json:"retryable"`
		TraceID   string            `json:"trace_id"`
		Metadata  map[string]string `json:"metadata"`
	}{
		"https://errors.example.com/orders/OUT_OF_STOCK", "Item is out of stock", 400, "Only 3 left.",
		"urn:trace:4bf92f3577b34da6a3ce929d0e0e4736", "failed_precondition", "OUT_OF_STOCK", "orders", false,
		"4bf92f3577b34da6a3ce929d0e0e4736", map[string]string{"sku": "17"},
	}
	b.ReportAllocs()
	for b.Loop() {
		sinkBytes, _ = json.Marshal(problem)
	}
}

func BenchmarkDecode(b *testing.B) {
	body := errors.NewProblem(ErrOutOfStock.New("Only 3 left.").WithMetadata("sku", "17")).AppendJSON(nil)
	b.ReportAllocs()
	for b.Loop() {
		sinkError = errors.DecodeProblem(errors.Response{Status: 400, Body: body})
	}
}
