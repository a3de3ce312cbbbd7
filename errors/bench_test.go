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
	if n := testing.AllocsPerRun(100, func() { sinkError = errors.Internal.New("x") }); n != 1 {
		t.Errorf("with a stack: %v allocations, want 1", n)
	}
}

func TestAllocationsOfReadingAnError(t *testing.T) {
	err := errors.MarkExhausted(wrapped())
	for name, read := range map[string]func(){
		"CodeOf":     func() { sinkCode = errors.CodeOf(err) },
		"ReasonOf":   func() { _ = errors.ReasonOf(err) },
		"RetryOf":    func() { _ = errors.RetryOf(err) },
		"RetryAfter": func() { _ = errors.RetryAfter(err) },
		"Exhausted":  func() { _ = errors.Exhausted(err) },
		"Remote":     func() { _ = errors.Remote(err) },
		"Local":      func() { sinkError = errors.Local(err) },
		"Is":         func() { _ = errors.Is(err, errors.NotFound) },
	} {
		if n := testing.AllocsPerRun(100, read); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

func TestAllocationsOfADocument(t *testing.T) {
	err := errors.NotFound.New("There is no such order.")
	problem := errors.NewProblem(ErrOutOfStock.New("Only 3 left.").WithMetadata("sku", "17").WithViolation("#/qty", "too many", "MAX"))
	problem.TraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	body := problem.AppendJSON(nil)
	for name, c := range map[string]struct {
		do   func()
		most float64
	}{
		"NewProblem": {func() { sinkProblem = errors.NewProblem(err) }, 1},
		"both":       {func() { sinkBytes = errors.NewProblem(err).AppendJSON(sinkBytes[:0]) }, 0},
		"AppendJSON": {func() { sinkBytes = problem.AppendJSON(sinkBytes[:0]) }, 0},
		"decode":     {func() { sinkError = errors.DecodeProblem(errors.Response{Status: 400, Body: body}) }, 16},
	} {
		if n := testing.AllocsPerRun(100, c.do); n > c.most {
			t.Errorf("%s: %v allocations, want at most %v", name, n, c.most)
		}
	}
}

var sinkProblem *errors.Problem

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

func BenchmarkRetryOfFiveWraps(b *testing.B) {
	err := wrapped()
	b.ReportAllocs()
	for b.Loop() {
		sinkInt = int(errors.RetryOf(err))
	}
}

func BenchmarkIsFiveWraps(b *testing.B) {
	err := wrapped()
	b.ReportAllocs()
	for b.Loop() {
		if errors.Is(err, errors.NotFound) {
			sinkInt++
		}
	}
}

func BenchmarkNewProblem(b *testing.B) {
	err := errors.NotFound.New("There is no such order.")
	b.ReportAllocs()
	for b.Loop() {
		sinkProblem = errors.NewProblem(err)
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
