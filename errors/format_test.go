package errors_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
)

func TestFormatTakesFlagsAsATextDoes(t *testing.T) {
	e := errors.NotFound.New(`no "x"`)
	marked := errors.MarkRetryable(e, true)
	for _, format := range []string{"%s", "%v", "%q", "%x", "%X", "% x", "%#v", "%#q", "%+q", "%20s", "%-20v|", "%.5s", "%10.3q", "%020s"} {
		want := fmt.Sprintf(format, `not_found: no "x"`)
		for _, err := range []error{e, marked} {
			if got := fmt.Sprintf(format, err); got != want {
				t.Errorf("%s of %T: %q, want %q", format, err, got, want)
			}
		}
	}
	for format, want := range map[string]string{"%d": `%!d(*errors.Error=not_found: no "x")`, "%t": `%!t(*errors.Error=not_found: no "x")`} {
		if got := fmt.Sprintf(format, e); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
}

// verbose prints more with %+v, as the errors of pkg/errors do.
type verbose struct{ error }

func (v verbose) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, v.Error())
	if f.Flag('+') {
		_, _ = io.WriteString(f, " and its stack")
	}
}

func TestPlusVLooksThroughMarks(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"ours":                 {errors.PassOn(errors.MarkExhausted(here())), "stack_test.go:"},
		"ours, wrapped by fmt": {errors.MarkExhausted(fmt.Errorf("x: %w", here())), "stack_test.go:"},
		"somebody's":           {errors.MarkExhausted(verbose{io.EOF}), "EOF and its stack"},
		"without a stack":      {errors.MarkExhausted(io.EOF), "EOF"},
	} {
		if got := fmt.Sprintf("%+v", c.err); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// logged is what slog's own JSON handler writes of err.
func logged(t *testing.T, err error) map[string]any {
	t.Helper()
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Error("failed", "error", err)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	group, _ := line["error"].(map[string]any)
	if frames, ok := group["stack"].([]any); ok {
		group["stack"] = strings.Contains(fmt.Sprint(frames[0]), "_test.go:")
	}
	return group
}

func TestSlogPrintsAllThatIsKnown(t *testing.T) {
	remote := errors.DecodeProblem(errors.Response{Status: 404, Body: []byte(`{"code":"not_found","detail":"d","trace_id":"4bf9","retryable":false}`)})
	for name, c := range map[string]struct {
		err  error
		want map[string]any
	}{
		"everything": {
			ErrOutOfStock.New("m").WithMetadata("sku", "17").WithViolation("#/qty", "too many", "MAX").WithAttrs(slog.Int("shard", 3)),
			map[string]any{
				"message": "failed_precondition (OUT_OF_STOCK): m", "code": "failed_precondition", "reason": "OUT_OF_STOCK", "domain": "orders",
				"shard": 3., "metadata": map[string]any{"sku": "17"},
				"violations": []any{map[string]any{"pointer": "#/qty", "detail": "too many", "reason": "MAX"}},
			},
		},
		"a stack": {here(), map[string]any{"message": "internal: x", "code": "internal", "stack": true, "fingerprint": errors.Fingerprint(here())}},
		"remote":  {remote, map[string]any{"message": "remote not_found: d", "code": "not_found", "remote": true, "remote_trace_id": "4bf9"}},
		"a mark":  {errors.MarkExhausted(errors.NotFound.New("m")), map[string]any{"message": "not_found: m", "code": "not_found", "retry_exhausted": true}},
		"an attribute with a name of ours": {
			errors.NotFound.New("m").WithAttrs(slog.Int("code", 7), slog.Int("metadata", 7)).WithMetadata("a", "b"),
			map[string]any{"message": "not_found: m", "code": "not_found", "metadata": 7.},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, logged(t, c.err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMarshalJSONOfAMarkIsTheProblem(t *testing.T) {
	got, err := json.Marshal(map[string]error{"error": errors.MarkExhausted(errors.NotFound.New("x"))})
	want := `{"error":{"title":"Not Found","status":404,"detail":"x","code":"not_found","retryable":false,"retry_exhausted":true}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
