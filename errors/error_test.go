package errors_test

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/errors"
)

func TestErrorTextIsForLogs(t *testing.T) {
	var none *errors.Error
	for err, want := range map[error]string{
		errors.NotFound.New("No such order."):                                  "not_found: No such order.",
		errors.NotFound.New(""):                                                "not_found",
		errors.Unavailable.Wrap(io.EOF, "Try later."):                          "unavailable: Try later.: EOF",
		errors.Unavailable.Wrap(io.EOF, ""):                                    "unavailable: EOF",
		ErrOutOfStock:                                                          "failed_precondition (OUT_OF_STOCK)",
		ErrOutOfStock.New("Only 3 left."):                                      "failed_precondition (OUT_OF_STOCK): Only 3 left.",
		errors.Aborted.New("x").WithReason("orders", "STALE"):                  "aborted (STALE): x",
		errors.DecodeProblem(errors.Response{Status: 404, Body: []byte(`{}`)}): "remote not_found",
		none: "<nil *errors.Error>",
		fmt.Errorf("load: %w", errors.NotFound.Newf("No order %d.", 17)): "load: not_found: No order 17.",
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestMethodsOfANilErrorWork(t *testing.T) {
	var e *errors.Error
	if e.Code() != errors.Unknown || e.Status() != 500 || e.Message() != "" || e.Reason() != "" || e.Domain() != "" || e.Remote() ||
		e.Unwrap() != nil || e.Violations() != nil || e.Metadata() != nil || e.Attrs() != nil || e.RetryAfter() != 0 || e.TraceID() != "" || len(e.Unknown()) != 0 {
		t.Error("a nil *Error answers something else than nothing")
	}
	if got := e.WithMetadata("a", "b").Metadata()["a"]; got != "b" {
		t.Errorf("With on a nil *Error: %q", got)
	}
	if got := string(errors.NewProblem(e).AppendJSON(nil)); !strings.Contains(got, `"code":"unknown"`) {
		t.Errorf("problem of a nil *Error: %s", got)
	}
	_ = fmt.Sprintf("%+v %v %q", e, e, e)
	_ = e.LogValue()
}

func TestWithMethodsLeaveTheOriginalAlone(t *testing.T) {
	base := errors.NotFound.New("x").WithMetadata("a", "1").WithViolation("#/a", "d", "").WithAttrs(slog.Int("n", 1))
	before := fmt.Sprint(base.Metadata(), base.Violations(), base.Attrs(), base.Status(), base.RetryAfter(), base.Reason())
	left := base.WithMetadata("b", "2").WithViolation("#/b", "d", "").WithAttrs(slog.Int("n", 2)).WithStatus(410).WithRetryAfter(5).WithReason("o", "R").WithCause(io.EOF).WithRetryable(true)
	right := base.WithViolation("#/c", "d", "").WithAttrs(slog.Int("n", 3))
	if after := fmt.Sprint(base.Metadata(), base.Violations(), base.Attrs(), base.Status(), base.RetryAfter(), base.Reason()); after != before {
		t.Errorf("the original changed from %s to %s", before, after)
	}
	if left.Violations()[1].Pointer != "#/b" || right.Violations()[1].Pointer != "#/c" {
		t.Error("two copies share a slice")
	}
	base.Metadata()["a"] = "changed"
	if base.Metadata()["a"] != "1" {
		t.Error("Metadata hands out the error's own map")
	}
}

func TestWhatIsNoCodeOfAnErrorIsUnknown(t *testing.T) {
	for _, code := range []errors.Code{errors.OK, 99} {
		e := code.New("x")
		if e.Code() != errors.Unknown || e.Status() != 500 || errors.NewProblem(e).Status != 500 || !errors.Is(e, errors.Unknown) {
			t.Errorf("%v: %v, %d", code, e.Code(), e.Status())
		}
		if top(e).Function == "" {
			t.Errorf("%v: no stack, though unknown logs at error", code)
		}
	}
	var none *errors.DefinedError
	if errors.CodeOf(none) != errors.Unknown || errors.ReasonOf(none) != "" || errors.NewProblem(none).Status != 500 {
		t.Error("a nil *DefinedError answers something else than unknown")
	}
}

func TestWithStatusIgnoresWhatIsNoError(t *testing.T) {
	for _, status := range []int{0, 200, 399, 600, -1} {
		if got := errors.NotFound.New("").WithStatus(status).Status(); got != 404 {
			t.Errorf("WithStatus(%d): %d", status, got)
		}
	}
}

func TestLogAttrsKeepTheOuterOfTwoWithOneKey(t *testing.T) {
	inner := errors.NotFound.New("x").WithAttrs(slog.Int("n", 1), slog.Int("inner", 1))
	outer := errors.MarkExhausted(ErrOutOfStock.New("y").WithAttrs(slog.Int("n", 2)).WithCause(inner))
	got := fmt.Sprint(errors.LogAttrs(outer))
	want := "[message=failed_precondition (OUT_OF_STOCK): y: not_found: x code=failed_precondition reason=OUT_OF_STOCK domain=orders retry_exhausted=true n=2 inner=1]"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if errors.LogAttrs(nil) != nil {
		t.Error("LogAttrs(nil) is not nil")
	}
}
