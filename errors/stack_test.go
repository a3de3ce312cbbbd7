package errors_test

import (
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/errors"
)

func top(err error) (frame runtime.Frame) {
	for frame = range errors.StackTrace(err) {
		return frame
	}
	return frame
}

func here() error    { return errors.Internal.New("x") }
func defined() error { return broken.Wrap(io.EOF, "x") }

var broken = errors.NewCatalogue("test", "").Define(errors.Definition{Code: errors.Internal, Reason: "BROKEN"})

func TestStackBeginsWhereTheErrorWasMade(t *testing.T) {
	for name, make := range map[string]func() error{
		"here": here, "defined": defined,
		"wrapped": func() error { return errors.Internal.Wrapf(io.EOF, "%d", 1) },
		"newf":    func() error { return broken.Newf("%d", 1) },
	} {
		want := runtime.FuncForPC(reflect.ValueOf(make).Pointer()).Name()
		if got := top(fmt.Errorf("x: %w", make())).Function; got != want {
			t.Errorf("%s: the top frame is %s, want %s", name, got, want)
		}
	}
}

func TestStackIsCapturedOnceAndOnlyWhereTheCodeLogsAtError(t *testing.T) {
	if got := top(errors.NotFound.New("x")); got.Function != "" {
		t.Errorf("not_found has a stack: %v", got)
	}
	err := func() error { return errors.Unavailable.Wrap(fmt.Errorf("x: %w", here()), "") }()
	if got := top(err).Function; !strings.HasSuffix(got, ".here") {
		t.Errorf("the top frame is %s, want the origin's", got)
	}
}

func TestPlusVPrintsTheStack(t *testing.T) {
	text := fmt.Sprintf("%+v", here())
	if !strings.HasPrefix(text, "internal: x\n") || !strings.Contains(text, "stack_test.go:") {
		t.Errorf("%s", text)
	}
	for format, want := range map[string]string{"%v": "internal: x", "%s": "internal: x", "%q": `"internal: x"`, "%d": "%!d(*errors.Error=internal: x)"} {
		if got := fmt.Sprintf(format, here()); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
}

func TestFingerprintIsTheSameForTheSamePlace(t *testing.T) {
	a, b := errors.Fingerprint(here()), errors.Fingerprint(fmt.Errorf("again: %w", here()))
	if a != b || !strings.HasPrefix(a, "internal ") || !strings.HasSuffix(a, ".here") {
		t.Errorf("%q and %q", a, b)
	}
	if got := errors.Fingerprint(ErrOutOfStock.New("x")); got != "failed_precondition OUT_OF_STOCK" {
		t.Errorf("%q", got)
	}
	if errors.Fingerprint(nil) != "" {
		t.Error("nil has a fingerprint")
	}
}
