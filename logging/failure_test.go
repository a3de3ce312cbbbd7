package logging_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/logging"
)

func errorLine(t *testing.T, err error) map[string]any {
	t.Helper()
	l, out := newLogger(t, logging.Config{})
	l.Error("it failed", zap.Error(err))
	return out.fields(t)
}

func TestCodedErrorIsPrintedWithAllItKnows(t *testing.T) {
	cause := fmt.Errorf("reserve stock: %w", &fs.PathError{Op: "open", Path: "/stock", Err: fs.ErrNotExist})
	err := errors.FailedPrecondition.New("Only 3 left.").WithCause(cause).WithReason("orders", "OUT_OF_STOCK").
		WithMetadata("sku", "17").WithMetadata("left", "3").WithAttrs(slog.Int("shard", 3)).WithViolation("#/items/0", "too many", "MAX")
	got := errorLine(t, fmt.Errorf("place order: %w", errors.MarkExhausted(err)))
	want := map[string]any{
		"error.type":        "failed_precondition",
		"exception.message": "place order: failed_precondition (OUT_OF_STOCK): Only 3 left.: reserve stock: open /stock: file does not exist",
		"error": map[string]any{
			"code": "failed_precondition", "reason": "OUT_OF_STOCK", "domain": "orders", "retry_exhausted": true,
			"attrs": map[string]any{"shard": 3.0}, "metadata": map[string]any{"left": "3", "sku": "17"},
			"violations": []any{map[string]any{"pointer": "#/items/0", "detail": "too many", "reason": "MAX"}},
			"causes": []any{
				map[string]any{"type": "failed_precondition", "message": "Only 3 left."},
				map[string]any{"type": "*fmt.wrapError", "message": "reserve stock"},
				map[string]any{"type": "*fs.PathError", "message": "open /stock"},
				map[string]any{"type": "*errors.errorString", "message": "file does not exist"},
			},
			"fingerprint": "failed_precondition OUT_OF_STOCK",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStackOfAnErrorIsPrintedFromItsOrigin(t *testing.T) {
	got := errorLine(t, fmt.Errorf("outer: %w", errors.Internal.New("It broke.")))
	stack, _ := got["exception.stacktrace"].(string)
	if !strings.HasPrefix(stack, "github.com/backend-platform/sdk/logging_test.TestStackOfAnErrorIsPrintedFromItsOrigin\n\t") {
		t.Errorf("stack %q", stack)
	}
	if print, _ := got["error"].(map[string]any)["fingerprint"].(string); !strings.Contains(print, "TestStackOfAnErrorIsPrintedFromItsOrigin") {
		t.Errorf("fingerprint %q", print)
	}
}

// rich prints its stack by %+v, as the errors of pkg/errors do.
type rich struct{ text string }

func (r rich) Error() string { return r.text }

func (r rich) Format(s fmt.State, verb rune) {
	_, _ = io.WriteString(s, r.text)
	if verb == 'v' && s.Flag('+') {
		_, _ = io.WriteString(s, "\nmain.main\n\t/main.go:1")
	}
}

// zap prints the detail of such an error only if nobody wrapped it (zap #941).
func TestDetailOfAWrappedRichErrorIsPrinted(t *testing.T) {
	got := errorLine(t, fmt.Errorf("outer: %w", rich{"deep"}))
	if got["exception.stacktrace"] != "deep\nmain.main\n\t/main.go:1" || got["exception.message"] != "outer: deep" {
		t.Errorf("got %v", got)
	}
}

func TestMembersOfAJoinStandOnOneLineAndEachAlone(t *testing.T) {
	err := fmt.Errorf("save: %w", errors.Join(fs.ErrExist, errors.Join(fs.ErrClosed, errors.NotFound.New("No such order."))))
	got := errorLine(t, err)
	want := map[string]any{
		"error.type":        "not_found",
		"exception.message": "save: file already exists; file already closed; not_found: No such order.",
		"error": map[string]any{
			"code": "not_found", "fingerprint": "not_found",
			"causes": []any{map[string]any{"type": "*errors.joinError", "members": []any{
				map[string]any{"type": "*errors.errorString", "message": "file already exists"},
				map[string]any{"type": "*errors.joinError", "message": "file already closed; not_found: No such order.", "members": []any{
					map[string]any{"type": "*errors.errorString", "message": "file already closed"},
					map[string]any{"type": "not_found", "message": "not_found: No such order."},
				}},
			}}},
		},
	}
	want["error.type"] = errors.CodeOf(err).String()
	want["error"].(map[string]any)["code"] = want["error.type"]
	want["error"].(map[string]any)["fingerprint"] = errors.Fingerprint(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	direct := errorLine(t, errors.Join(fs.ErrExist, fs.ErrClosed))
	if direct["exception.message"] != "file already exists; file already closed" || len(direct["error"].(map[string]any)["members"].([]any)) != 2 {
		t.Errorf("got %v", direct)
	}
}

func TestPlainErrorIsShort(t *testing.T) {
	if diff := cmp.Diff(map[string]any{"error.type": "unknown", "exception.message": "boom"}, errorLine(t, stderrors.New("boom"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"error.type": "deadline_exceeded", "exception.message": "context deadline exceeded"}, errorLine(t, context.DeadlineExceeded)); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsUnderOtherKeysAreObjects(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	err := errors.NotFound.New("No such order.")
	l.Error("it failed", zap.NamedError("last", err), zap.Errors("all", []error{err, nil, fs.ErrExist}), zap.Dict("in", zap.Error(fs.ErrExist)))
	object := map[string]any{"message": "not_found: No such order.", "code": "not_found", "fingerprint": "not_found"}
	plain := map[string]any{"message": "file already exists", "code": "unknown"}
	want := map[string]any{"last": object, "all": []any{object, plain}, "in": map[string]any{"error": plain}}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestRemoteErrorSaysSo(t *testing.T) {
	body := `{"code":"unauthenticated","detail":"Who?","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}`
	err := errors.DecodeProblem(errors.Response{Status: 401, Body: []byte(body)})
	got, _ := errorLine(t, err)["error"].(map[string]any)
	if got["remote"] != true || got["remote_trace_id"] != traceID {
		t.Errorf("got %v", got)
	}
}

func TestErrorThatCannotSpeakCostsOnlyItself(t *testing.T) {
	if diff := cmp.Diff(map[string]any{"error": "<nil>"}, errorLine(t, (*brokenError)(nil))); diff != "" {
		t.Error(diff)
	}
	loop := &endless{}
	if got := errorLine(t, loop); got["exception.message"] != "endless" {
		t.Errorf("got %v", got)
	}
}

// endless wraps itself.
type endless struct{}

func (e *endless) Error() string { return "endless" }
func (e *endless) Unwrap() error { return e }

func TestStackIsReadableOnTheConsole(t *testing.T) {
	l, out := newLogger(t, logging.Config{Format: logging.FormatConsole, NoCaller: true, Names: logging.Names{Time: "-"}})
	l.Error("it failed", zap.Error(fmt.Errorf("outer: %w", rich{"deep"})), zap.Int("n", 1))
	want := "ERROR it failed error.type=unknown exception.message=\"outer: deep\" " +
		"error={\"causes\":[{\"type\":\"logging_test.rich\",\"message\":\"deep\"}],\"fingerprint\":\"unknown\"} n=1\n" +
		"    deep\n    main.main\n        /main.go:1\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestListOfErrorsIsPrintedAlikeThroughSlog(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	errs := []error{errors.NotFound.New("No such item."), nil, stderrors.New("refused")}
	l.Info("hello", zap.Errors("errs", errs), zap.Dict("g", zap.Errors("errs", errs)))
	want := out.fields(t)
	slog.New(logging.NewSlogHandler(l)).Info("hello", "errs", errs, slog.Group("g", "errs", errs))
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestSecondErrorOfALineReplacesTheFirstAltogether(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	first := errors.Internal.New("It broke.").WithMetadata("sku", "17")
	l.With(zap.Error(first)).Error("hello", zap.Int("n", 1), zap.Error(first), zap.Error(stderrors.New("refused")))
	want := map[string]any{"n": 1.0, "error.type": "unknown", "exception.message": "refused"}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
	l.Error("hello", zap.String("exception.stacktrace", "of a panic"), zap.Error(stderrors.New("refused")))
	if got := out.fields(t)["exception.stacktrace"]; got != "of a panic" {
		t.Errorf("the stack of the line's own became %v", got)
	}
}

func TestDetailsOfAnErrorThatDoNotFitLeaveItsText(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	var errs []error
	for range 20 {
		errs = append(errs, stderrors.New(strings.Repeat("x", 10_000)))
	}
	l.Error("hello", zap.Error(stderrors.Join(errs...)), zap.Int("n", 1))
	got := out.fields(t)
	if text, _ := got["exception.message"].(string); !strings.HasPrefix(text, "xxx") || got["error.type"] != "unknown" || got["n"] != 1.0 {
		t.Errorf("the text is %q", text)
	}
	if got["error"] != nil || got["log.dropped_fields"] != 1.0 {
		t.Errorf("%v fields were dropped", got["log.dropped_fields"])
	}
}
