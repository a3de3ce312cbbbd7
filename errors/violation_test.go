package errors_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
)

// unescape reads one step of a pointer by RFC 6901.
func unescape(t *testing.T, step string) string {
	t.Helper()
	step, err := url.PathUnescape(step)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
}

// The examples of RFC 6901, section 6.
func TestPointerEscapesAsRFC6901Says(t *testing.T) {
	for want, got := range map[string]string{
		"#":                    errors.Pointer(),
		"#/foo":                errors.Pointer("foo"),
		"#/foo/0":              errors.Pointer("foo", 0),
		"#/":                   errors.Pointer(""),
		"#/a~1b":               errors.Pointer("a/b"),
		"#/c%25d":              errors.Pointer("c%d"),
		"#/e%5Ef":              errors.Pointer("e^f"),
		"#/g%7Ch":              errors.Pointer("g|h"),
		"#/i%5Cj":              errors.Pointer("i\\j"),
		"#/k%22l":              errors.Pointer("k\"l"),
		"#/%20":                errors.Pointer(" "),
		"#/m~0n":               errors.Pointer("m~n"),
		"#/items/0/qty":        errors.Pointer("items", 0, "qty"),
		"#/%C3%A4/not_found/7": errors.Pointer("ä", errors.NotFound, int64(7)),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestViolationsOfJoinedErrorsAreSentTogether(t *testing.T) {
	fault := func(code errors.Code, pointer string) *errors.Error {
		return code.New("").WithViolation(pointer, "d", "")
	}
	remote := errors.DecodeProblem(errors.Response{Status: 400, Body: []byte(`{"code":"invalid_argument","errors":[{"pointer":"#/remote"}]}`)})
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"all of the code that decides": {errors.Join(fault(errors.InvalidArgument, "#/a"), fault(errors.InvalidArgument, "#/b")), "#/a #/b"},
		"wrapped and nested": {fmt.Errorf("check: %w", errors.Join(fault(errors.InvalidArgument, "#/a"),
			errors.Join(nil, fmt.Errorf("x: %w", fault(errors.InvalidArgument, "#/b"))))), "#/a #/b"},
		"not of another code":      {errors.Join(fault(errors.NotFound, "#/a"), fault(errors.FailedPrecondition, "#/b")), "#/b"},
		"not of a cause":           {errors.InvalidArgument.Wrap(fault(errors.InvalidArgument, "#/private"), ""), ""},
		"not of a remote":          {errors.Join(fault(errors.InvalidArgument, "#/a"), remote), "#/a"},
		"of one that is passed on": {errors.Join(fault(errors.InvalidArgument, "#/a"), errors.PassOn(remote)), "#/a #/remote"},
		"not of one beside it":     {errors.Join(errors.PassOn(remote), remote), "#/remote"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, v := range errors.NewProblem(c.err).Violations {
				got = append(got, v.Pointer)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestJoinedViolationsAreBounded(t *testing.T) {
	many := make([]error, 30)
	for i := range many {
		many[i] = errors.InvalidArgument.New("").WithViolations(make([]errors.Violation, 100)...)
	}
	if n := len(errors.NewProblem(errors.Join(many...)).Violations); n != 1000 {
		t.Errorf("%d violations", n)
	}
}

func TestAViolationIsWrittenAsInADocument(t *testing.T) {
	got, err := json.Marshal([]errors.Violation{{Pointer: "#/a", Detail: "d", Reason: "MAX"}, {}})
	if want := `[{"pointer":"#/a","detail":"d","reason":"MAX"},{}]`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestFieldsOfOthersBecomePointers(t *testing.T) {
	for field, want := range map[string]string{
		"qty":               "#/qty",
		"items[0].qty":      "#/items/0/qty",
		"Items[10][2].a":    "#/Items/10/2/a",
		"$.items[0]['qty']": "#/items/0/qty",
		"/data/a~1b/0":      "#/data/a~1b/0",
		"#/already":         "#/already",
		"größe":             "#/gr%C3%B6%C3%9Fe",
		"a b":               "#/a%20b",
		"":                  "",
		"$":                 "#",
		"order.lines[].qty": "#/order/lines/qty",
	} {
		body, err := json.Marshal(map[string]any{"violations": []map[string]string{{"field": field, "message": "m"}}})
		if err != nil {
			t.Fatal(err)
		}
		got := errors.DecodeProblem(errors.Response{Status: 400, Body: body}).Violations()
		if diff := cmp.Diff([]errors.Violation{{Pointer: want, Detail: "m"}}, got); diff != "" {
			t.Errorf("%q: %s", field, diff)
		}
	}
}
