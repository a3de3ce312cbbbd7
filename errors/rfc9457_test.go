package errors_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/errors"
)

// A test per requirement of RFC 9457 (Problem Details for HTTP APIs), in its order. What only a server
// can keep is tested in package httpserver:
//
//   - Section 3: the response has the media type application/problem+json.
//   - Section 3.1.2: the response has the status that the member says (MUST).
//   - Sections 3.1.1 and 4: the type URI answers with documentation for people (SHOULD).
//
// Nothing here or there dereferences a type URI (section 3.1.1, SHOULD NOT), and nothing reads the text
// of detail (section 3.1.4, SHOULD NOT): both are strings to this package, which has no way to the
// network. The XML format of appendix B is not supported.

// members returns the members of err's document.
func members(t *testing.T, err error) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(errors.NewProblem(err).AppendJSON(nil), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func decode(status int, body string) *errors.Error {
	return errors.DecodeProblem(errors.Response{Status: status, Body: []byte(body)})
}

func TestRFC9457Section3TheMediaTypeIsProblemJSON(t *testing.T) {
	if errors.ContentType != "application/problem+json" {
		t.Errorf("%q", errors.ContentType)
	}
}

func TestRFC9457Section3TheExamplesAreRead(t *testing.T) {
	credit := decode(403, `{"type":"https://example.com/probs/out-of-credit","title":"You do not have enough credit.",
		"detail":"Your current balance is 30, but that costs 50.","instance":"/account/12345/msgs/abc","balance":30,
		"accounts":["/account/12345","/account/67890"]}`)
	if credit.Code() != errors.PermissionDenied || credit.Type() != "https://example.com/probs/out-of-credit" ||
		credit.Title() != "You do not have enough credit." || credit.Instance() != "/account/12345/msgs/abc" ||
		credit.Message() != "Your current balance is 30, but that costs 50." || string(credit.Unknown()["balance"]) != "30" {
		t.Errorf("%v %q %q %q %q", credit, credit.Type(), credit.Title(), credit.Instance(), credit.Unknown())
	}
	invalid := decode(422, `{"type":"https://example.net/validation-error","title":"Your request is not valid.","errors":[
		{"detail":"must be a positive integer","pointer":"#/age"},{"detail":"must be 'green', 'red' or 'blue'","pointer":"#/profile/color"}]}`)
	if v := invalid.Violations(); len(v) != 2 || v[1].Pointer != "#/profile/color" || v[0].Detail != "must be a positive integer" {
		t.Errorf("%v", v)
	}
}

func TestRFC9457Section3OfSeveralProblemsTheMostUrgentIsRepresented(t *testing.T) {
	err := errors.Join(errors.NotFound.New("mild"), errors.Unavailable.New("urgent"), errors.InvalidArgument.New("mild"))
	if m := members(t, err); m["code"] != "unavailable" || m["detail"] != "urgent" || m["status"] != 503. {
		t.Errorf("%v", m)
	}
}

func TestRFC9457Section3_1AMemberOfTheWrongTypeIsIgnored(t *testing.T) {
	for _, wrong := range []string{`null`, `true`, `7`, `"x"`, `[]`, `{}`, `["x"]`, `{"x":"y"}`, `1e400`} {
		for _, name := range problemMembers {
			if right := rightType(name); slices.Contains(right, wrong[0]) {
				continue
			}
			got := decode(404, `{"`+name+`":`+wrong+`}`)
			want := decode(404, `{}`)
			if name == "errors" || name == "detail" { // lists that others write there are understood
				continue
			}
			if got.Error() != want.Error() || got.Type() != "" || got.Title() != "Not Found" || got.Status() != 404 || got.Instance() != "" ||
				got.Reason()+got.Domain()+got.TraceID() != "" || got.RetryAfter() != 0 || errors.RetryOf(got) != errors.RetryNever ||
				errors.Exhausted(got) || got.Metadata() != nil {
				t.Errorf("%q: %s is not ignored: %v", name, wrong, got)
			}
		}
	}
	for _, body := range []string{`{"errors":7,"detail":{"x":"y"}}`, `{"errors":[7,null,[],true],"detail":7}`, `{"errors":{"a":7},"detail":[7]}`, `{"errors":"x","detail":null}`} {
		if got := decode(404, body); got.Violations() != nil || got.Message() != "" {
			t.Errorf("%s: %v, %q", body, got.Violations(), got.Message())
		}
	}
}

// rightType returns with what the values begin that a member may have.
func rightType(name string) []byte {
	switch name {
	case "status", "retry_after_ms":
		return []byte("17")
	case "retryable", "retry_exhausted":
		return []byte("t")
	case "errors", "metadata":
		return []byte("[{")
	}
	return []byte(`"`)
}

func TestRFC9457Section3_1_1TheTypeIsThePrimaryIdentifier(t *testing.T) {
	credit := errors.NewCatalogue("bank", "").Define(errors.Definition{
		Code: errors.PermissionDenied, Reason: "OUT_OF_CREDIT", Type: "https://example.com/probs/out-of-credit",
	})
	if got := decode(403, `{"type":"https://example.com/probs/out-of-credit","title":"t"}`); !errors.Is(got, credit) {
		t.Errorf("%v is not found by its type", got)
	}
	base, err := url.Parse("https://me:secret@example.com/accounts/7?x=y")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"/probs/out-of-credit", "../probs/out-of-credit", "//example.com/probs/out-of-credit"} {
		got := errors.DecodeProblem(errors.Response{Status: 403, URL: base, Body: []byte(`{"type":"` + kind + `","instance":"msgs/abc"}`)})
		if !errors.Is(got, credit) || got.Type() != "https://example.com/probs/out-of-credit" || got.Instance() != "https://example.com/accounts/msgs/abc" {
			t.Errorf("%q is resolved to %q, instance %q", kind, got.Type(), got.Instance())
		}
	}
	for _, kind := range []string{"https://example.com/probs/OUT-OF-CREDIT", "https://example.com/probs/out-of-credit/", ""} {
		if got := decode(403, `{"type":"`+kind+`"}`); errors.Is(got, credit) {
			t.Errorf("%q is taken for %q", kind, credit.Type())
		}
	}
	if errors.Is(errors.PermissionDenied.New("").WithReason("bank", "OTHER"), credit) {
		t.Error("an error of ours is found by a type that it does not have")
	}
}

func TestRFC9457Section3_1_1NoTypeIsAboutBlank(t *testing.T) {
	without, blank := decode(404, `{"title":"t"}`), decode(404, `{"type":"about:blank","title":"t"}`)
	if without.Type() != blank.Type() || blank.Type() != "" {
		t.Errorf("%q and %q", without.Type(), blank.Type())
	}
	base := &url.URL{Scheme: "https", Host: "h", Path: "/p"}
	if got := errors.DecodeProblem(errors.Response{Status: 404, URL: base, Body: []byte(`{}`)}); got.Type() != "" || got.Instance() != "" {
		t.Errorf("%q is resolved from nothing", got.Type())
	}
}

func TestRFC9457Section3_1_1TypesThatCannotBeResolvedAreKept(t *testing.T) {
	base := &url.URL{Scheme: "https", Host: "h"}
	for _, kind := range []string{"tag:example@example.org,2021-09-17:OutOfLuck", "urn:x:y", "about:blank#x", "no uri%zz", "http://[::1"} {
		got := errors.DecodeProblem(errors.Response{Status: 404, URL: base, Body: []byte(`{"type":"` + kind + `"}`)})
		if got.Type() != kind && !strings.HasSuffix(got.Type(), "/"+url.PathEscape(kind)) {
			t.Errorf("%q became %q", kind, got.Type())
		}
	}
}

func TestRFC9457Section3_1_1TheTypesWeSendAreAbsolute(t *testing.T) {
	for d := range catalogue.All() {
		u, err := url.Parse(members(t, d)["type"].(string))
		if err != nil || !u.IsAbs() || u.Host == "" {
			t.Errorf("%s: %q, %v", d.Reason(), d.Type(), err)
		}
	}
	mustPanic(t, "not an absolute URI", func() {
		errors.NewCatalogue("x", "").Define(errors.Definition{Code: errors.NotFound, Reason: "A", Type: "/probs/a"})
	})
	mustPanic(t, "not an absolute URI", func() {
		errors.NewCatalogue("x", "").Define(errors.Definition{Code: errors.NotFound, Reason: "A", Type: "about:blank"})
	})
}

func TestRFC9457Section3_1_2TheStatusIsAdvisory(t *testing.T) {
	if got := decode(503, `{"status":404}`); got.Status() != 503 || got.Code() != errors.Unavailable {
		t.Errorf("a proxy's 503 around a document that says 404: %v, %d", got, got.Status())
	}
	for _, status := range []int{0, 200} { // kept without its response, or an intermediary changed it
		if got := decode(status, `{"status":404}`); got.Status() != 404 || got.Code() != errors.NotFound {
			t.Errorf("status %d: %v, %d", status, got, got.Status())
		}
	}
	for _, status := range []string{"0", "-1", "99", "600", "1e9", "404.5", "200"} {
		if got := decode(0, `{"status":`+status+`}`); got.Status() != 500 || got.Code() != errors.Unknown {
			t.Errorf("member status %s: %v, %d", status, got, got.Status())
		}
	}
}

func TestRFC9457Section3_1_2TheDocumentSaysTheStatusThatTheResponseIsToHave(t *testing.T) {
	for _, code := range errors.Codes() {
		for _, err := range []*errors.Error{code.New(""), code.New("").WithStatus(422), errTeapot.New("")} {
			if p := errors.NewProblem(err); p.Status != err.Status() || members(t, err)["status"] != float64(p.Status) {
				t.Errorf("%v: %d, member %v", err, p.Status, members(t, err)["status"])
			}
		}
	}
}

func TestRFC9457Section3_1_3TheTitleIsTheSameForEveryOccurrence(t *testing.T) {
	one := ErrOutOfStock.New("Only 3 left.").WithMetadata("sku", "17")
	another := ErrOutOfStock.Wrap(http.ErrAbortHandler, "None left.")
	if a, b := members(t, one)["title"], members(t, another)["title"]; a != b || a != "Item is out of stock" {
		t.Errorf("%q and %q", a, b)
	}
}

func TestRFC9457Section3_1_4TheDetailIsForTheClientAndHasNothingOfTheImplementation(t *testing.T) {
	err := errors.Internal.Wrap(errors.New("dial tcp 10.0.0.7:5432"), "The order cannot be read.")
	if m := members(t, err); m["detail"] != "The order cannot be read." {
		t.Errorf("%v", m)
	}
	if _, ok := members(t, errors.Internal.Wrap(errors.New("dial tcp"), ""))["detail"]; ok {
		t.Error("an error without a message has a detail")
	}
}

func TestRFC9457Section3_1_5TheInstanceIsAnAbsoluteURI(t *testing.T) {
	p := errors.NewProblem(errors.NotFound)
	p.TraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	if body := string(p.AppendJSON(nil)); !strings.Contains(body, `"instance":"urn:trace:4bf92f3577b34da6a3ce929d0e0e4736"`) {
		t.Errorf("%s", body)
	}
	p.TraceID = "no hex"
	if body := string(p.AppendJSON(nil)); strings.Contains(body, "instance") {
		t.Errorf("%s", body)
	}
}

func TestRFC9457Section3_2ExtensionsThatAreNotRecognisedAreIgnored(t *testing.T) {
	plain := decode(409, `{"code":"aborted","detail":"d","retryable":false}`)
	extended := decode(409, `{"a":1,"code":"aborted","b":{"code":"internal"},"detail":"d","retryable":false,"":[],"Status":500}`)
	if plain.Error() != extended.Error() || plain.Status() != extended.Status() || len(extended.Unknown()) != 4 {
		t.Errorf("%v and %v, %d unknown", plain, extended, len(extended.Unknown()))
	}
}

func TestRFC9457Section4DefinitionsDocumentTypeTitleAndStatus(t *testing.T) {
	for d := range catalogue.All() {
		if d.Type() == "" || d.Title() == "" || d.Status() < 400 {
			t.Errorf("%s: %q %q %d", d.Reason(), d.Type(), d.Title(), d.Status())
		}
	}
}

func TestRFC9457Section4ExtensionNamesAreLettersDigitsAndUnderscores(t *testing.T) {
	name := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{2,}$`)
	for _, member := range problemMembers {
		if !name.MatchString(member) {
			t.Errorf("%q", member)
		}
	}
	full := ErrOutOfStock.New("d").WithRetryable(true).WithRetryAfter(1).WithViolation("#", "d", "R").WithMetadata("k", "v")
	p := errors.NewProblem(errors.MarkExhausted(full))
	p.TraceID = "4bf9"
	var sent map[string]any
	if err := json.Unmarshal(p.AppendJSON(nil), &sent); err != nil {
		t.Fatal(err)
	}
	for member := range sent {
		if !slices.Contains(problemMembers, member) {
			t.Errorf("%q is sent, and not on the list", member)
		}
	}
	if len(sent) != len(problemMembers) {
		t.Errorf("%d members are sent, want %d", len(sent), len(problemMembers))
	}
}

func TestRFC9457Section4_2_1AboutBlankHasThePhraseOfTheStatus(t *testing.T) {
	untyped := errors.NewCatalogue("x", "").Define(errors.Definition{Code: errors.NotFound, Reason: "A", Title: "It is gone"})
	for _, err := range []error{errors.NotFound, errors.NotFound.New("m"), untyped, untyped.New("m"), errors.NotFound.New("m").WithReason("x", "A")} {
		if m := members(t, err); m["type"] != nil || m["title"] != "Not Found" {
			t.Errorf("%v: type %v, title %v", err, m["type"], m["title"])
		}
	}
	if m := members(t, errors.NotFound.New("").WithStatus(410)); m["title"] != "Gone" {
		t.Errorf("%v", m)
	}
}

func TestRFC9457Section5NothingPrivateIsSent(t *testing.T) {
	// The whole test is TestNothingPrivateIsInAProblem; a stack dump is what the section names.
	body := string(errors.NewProblem(errors.Internal.New("x")).AppendJSON(nil))
	if strings.Contains(body, ".go") || strings.Contains(body, "rfc9457") {
		t.Errorf("%s", body)
	}
}

func TestRFC9457AppendixCADocumentMayStandInAScript(t *testing.T) {
	body := string(errors.NewProblem(errors.NotFound.New("</script><!--\u2028")).AppendJSON(nil))
	if strings.ContainsAny(body, "<>\u2028") {
		t.Errorf("%s", body)
	}
}
