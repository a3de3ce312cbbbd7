package errors_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/backend-platform/sdk/errors"
)

func TestProblemCarriesEveryPublicMember(t *testing.T) {
	err := ErrOutOfStock.New("Only 3 left.").
		WithStatus(422).
		WithRetryable(true).
		WithRetryAfter(1500*time.Millisecond+1).
		WithViolation("#/items/0/qty", "must be at most 3", "MAX").
		WithMetadata("sku", "17")
	problem := errors.NewProblem(errors.MarkExhausted(err))
	problem.TraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	want := `{"type":"https://errors.example.com/orders/OUT_OF_STOCK","title":"Item is out of stock","status":422,` +
		`"detail":"Only 3 left.","instance":"urn:trace:4bf92f3577b34da6a3ce929d0e0e4736",` +
		`"code":"failed_precondition","reason":"OUT_OF_STOCK","domain":"orders","retryable":true,"retry":"always","retry_after_ms":1501,` +
		`"retry_exhausted":true,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",` +
		`"errors":[{"pointer":"#/items/0/qty","detail":"must be at most 3","reason":"MAX"}],"metadata":{"sku":"17"}}`
	if got := string(problem.AppendJSON(nil)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestProblemWithoutMessageSendsTheTitleOnly(t *testing.T) {
	for err, want := range map[error]string{
		errors.NotFound.New(""): `{"title":"Not Found","status":404,"code":"not_found","retryable":false}`,
		errors.NotFound:         `{"title":"Not Found","status":404,"code":"not_found","retryable":false}`,
		io.EOF:                  `{"title":"Internal Server Error","status":500,"code":"unknown","retryable":false}`,
		ErrOutOfStock: `{"type":"https://errors.example.com/orders/OUT_OF_STOCK","title":"Item is out of stock","status":400,` +
			`"code":"failed_precondition","reason":"OUT_OF_STOCK","domain":"orders","retryable":false}`,
		errors.InvalidArgument.New("").WithStatus(413): `{"title":"Request Entity Too Large","status":413,"code":"invalid_argument","retryable":false}`,
	} {
		if got := string(errors.NewProblem(err).AppendJSON(nil)); got != want {
			t.Errorf("%v:\n got %s\nwant %s", err, got, want)
		}
	}
	if errors.NewProblem(nil) != nil {
		t.Error("NewProblem(nil) is not nil")
	}
}

func TestNothingPrivateIsInAProblem(t *testing.T) {
	secret := errors.New("SECRET-cause")
	inner := errors.Unavailable.New("SECRET-inner-message").WithAttrs(slog.String("SECRET-key", "SECRET-attr")).WithCause(secret)
	remote := errors.DecodeProblem(errors.Response{Status: 503, Body: []byte(
		`{"title":"SECRET-title","detail":"SECRET-detail","reason":"SECRET_REASON","domain":"SECRET-domain","type":"https://SECRET.example.com","x":"SECRET",` +
			`"trace_id":"SECRET","metadata":{"k":"SECRET"},"errors":[{"detail":"SECRET"}]}`)})
	for name, err := range map[string]error{
		"cause":                                errors.Internal.Wrap(secret, "Something went wrong."),
		"uncoded":                              secret,
		"uncoded, wrapped":                     fmt.Errorf("SECRET-context: %w", secret),
		"inner":                                errors.Internal.Wrap(inner, "Something went wrong."),
		"attributes":                           errors.Internal.New("x").WithAttrs(slog.String("SECRET", "SECRET")),
		"joined":                               errors.Join(secret, errors.NotFound.New("SECRET-milder")),
		"remote":                               fmt.Errorf("ask inventory: %w", remote),
		"remote, beside one that is passed on": errors.Join(errors.PassOn(errors.DecodeProblem(errors.Response{Status: 404})), remote),
		"remote, wrapped":                      errors.Internal.Wrap(remote, "Something went wrong."),
	} {
		if body := string(errors.NewProblem(err).AppendJSON(nil)); strings.Contains(body, "SECRET") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestARemoteCodeIsNotOurs(t *testing.T) {
	for _, code := range errors.Codes() {
		body := errors.NewProblem(code.New("m").WithRetryAfter(time.Second)).AppendJSON(nil)
		err := fmt.Errorf("ask inventory: %w", errors.DecodeProblem(errors.Response{Status: code.HTTPStatus(), Body: body}))
		want := errors.Internal
		switch code {
		case errors.Unavailable, errors.ResourceExhausted:
			want = errors.Unavailable
		case errors.DeadlineExceeded:
			want = errors.DeadlineExceeded
		}
		local := errors.Local(err)
		if got := errors.CodeOf(local); got != want {
			t.Errorf("%v: %v, want %v", code, got, want)
		}
		if !errors.Is(local, code) {
			t.Errorf("%v: errors.Is does not see the remote code", code)
		}
		if errors.RetryAfter(local) != time.Second {
			t.Errorf("%v: the wait is lost", code)
		}
		if local != nil && want == errors.Internal && errors.RetryOf(errors.Local(errors.MarkRetryable(err, true))) != errors.RetryNever {
			t.Errorf("%v: a peer's word makes our error retryable", code)
		}
		if got := errors.CodeOf(errors.Local(errors.PassOn(err))); got != code {
			t.Errorf("%v, passed on: %v", code, got)
		}
		if p := errors.NewProblem(errors.PassOn(err)); p.Code != code || p.Detail != "m" {
			t.Errorf("%v, passed on: %+v", code, p)
		}
		if got := errors.CodeOf(errors.Local(errors.NotFound.Wrap(err, ""))); got != errors.NotFound {
			t.Errorf("%v, given a code of ours: %v", code, got)
		}
	}
}

func TestDecodeOfForeignBodies(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		code   errors.Code
		detail string
	}{
		{"ours", 404, `{"code":"not_found","detail":"d"}`, errors.NotFound, "d"},
		{"code against status", 400, `{"code":"failed_precondition"}`, errors.FailedPrecondition, ""},
		{"RFC 9457 of others", 403, `{"type":"about:blank","title":"t","detail":"d"}`, errors.PermissionDenied, "d"},
		{"Connect", 404, `{"code":"unavailable","message":"d"}`, errors.Unavailable, "d"},
		{"Google", 404, `{"error":{"code":404,"message":"d","status":"NOT_FOUND"}}`, errors.NotFound, "d"},
		{"Google, canceled", 499, `{"error":{"status":"CANCELLED"}}`, errors.Canceled, ""},
		{"a code of ok", 500, `{"code":"ok"}`, errors.Internal, ""},
		{"a numeric code", 502, `{"code":42,"detail":7}`, errors.Unavailable, ""},
		{"our document with a member called error", 500, `{"code":"data_loss","detail":"d","error":{"x":1}}`, errors.DataLoss, "d"},
		{"another error member", 409, `{"error":"conflict","detail":"d"}`, errors.Aborted, "d"},
		{"HTML", 503, `<html>`, errors.Unavailable, ""},
		{"empty", 429, ``, errors.ResourceExhausted, ""},
		{"cut off", 504, `{"code":"not_fou`, errors.DeadlineExceeded, ""},
		{"an array", 401, `[1]`, errors.Unauthenticated, ""},
		{"null", 501, `null`, errors.Unimplemented, ""},
		{"too large", 400, `{"code":"not_found","detail":"` + strings.Repeat("x", errors.MaxProblemBytes) + `"}`, errors.InvalidArgument, ""},
		{"too deep", 408, strings.Repeat(`{"a":`, 20_000), errors.DeadlineExceeded, ""},
		{"412", 412, ``, errors.FailedPrecondition, ""},
		{"418", 418, ``, errors.FailedPrecondition, ""},
		{"599", 599, ``, errors.Internal, ""},
		{"not an error", 200, ``, errors.Unknown, ""},
		{"no status", 0, ``, errors.Unknown, ""},
	} {
		err := errors.DecodeProblem(errors.Response{Status: c.status, Body: []byte(c.body)})
		if err.Code() != c.code || err.Message() != c.detail || !err.Remote() {
			t.Errorf("%s: %v %q remote=%v, want %v %q", c.name, err.Code(), err.Message(), err.Remote(), c.code, c.detail)
		}
	}
}

func TestDecodeReadsTheHeadersToo(t *testing.T) {
	err := errors.DecodeProblem(errors.Response{Status: 503, RetryAfter: time.Minute, RetryExhausted: true})
	if errors.RetryAfter(err) != time.Minute || !errors.Exhausted(err) {
		t.Errorf("wait %v, exhausted %v", errors.RetryAfter(err), errors.Exhausted(err))
	}
	err = errors.DecodeProblem(errors.Response{Status: 503, RetryAfter: time.Minute, Body: []byte(`{"retry_after_ms":1e300}`)})
	if errors.RetryAfter(err) <= time.Minute {
		t.Errorf("an absurd wait became %v", errors.RetryAfter(err))
	}
	for _, ms := range []string{"9223372036854.775", "9223372036855", "1e18", "1e400"} {
		err := errors.DecodeProblem(errors.Response{Status: 503, Body: []byte(`{"retry_after_ms":` + ms + `}`)})
		if got := errors.RetryAfter(err); got < 292*365*24*time.Hour {
			t.Errorf("%s ms became %v", ms, got)
		}
	}
	if got := errors.RetryAfter(errors.DecodeProblem(errors.Response{Status: 503, Body: []byte(`{"retry_after_ms":-5}`)})); got != 0 {
		t.Errorf("a negative wait became %v", got)
	}
}

func TestDecodeBoundsWhatAPeerSent(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"detail":"` + strings.Repeat("ä", 3000) + `","errors":[`)
	b.WriteString(strings.TrimSuffix(strings.Repeat(`{},`, 2000), ",") + `],"metadata":{"a":"b"`)
	for i := range 200 {
		fmt.Fprintf(&b, `,"k%d":"v"`, i)
	}
	b.WriteString(`}`)
	for i := range 200 {
		fmt.Fprintf(&b, `,"u%d":1`, i)
	}
	b.WriteString(`}`)
	err := errors.DecodeProblem(errors.Response{Status: 400, Body: []byte(b.String())})
	if n := len(err.Message()); n == 0 || n > 4096 {
		t.Errorf("message of %d bytes", n)
	}
	if v, m, u := len(err.Violations()), len(err.Metadata()), len(err.Unknown()); v != 1000 || m != 64 || u != 64 {
		t.Errorf("%d violations, %d pairs of metadata, %d unknown members", v, m, u)
	}
}

func TestUnknownMembersArePassedOn(t *testing.T) {
	err := errors.DecodeProblem(errors.Response{Status: 404, Body: []byte(`{"balance":30,"accounts":["/a"],"code":"not_found"}`)})
	if got := string(err.Unknown()["balance"]); got != "30" {
		t.Errorf("balance = %q", got)
	}
	body := string(errors.NewProblem(errors.PassOn(err)).AppendJSON(nil))
	if want := `{"title":"Not Found","status":404,"code":"not_found","retryable":false,"accounts":["/a"],"balance":30}`; body != want {
		t.Errorf("got %s, want %s", body, want)
	}
}

func TestUnknownMembersOfAHostilePeerDoNoHarm(t *testing.T) {
	err := errors.DecodeProblem(errors.Response{Status: 404, Body: []byte(
		"{\"code\":\"not_found\",\"Code\":\"internal\",\"STATUS\":200,\"x\":\"</script>\u2028\xff\"}")})
	body := string(errors.NewProblem(errors.PassOn(err)).AppendJSON(nil))
	if !utf8.ValidString(body) || strings.ContainsAny(body, "<>\u2028") || strings.Contains(body, "STATUS") || strings.Contains(body, "Code") {
		t.Errorf("%s", body)
	}
	own := errors.Problem{Unknown: map[string][]byte{"x": nil, "y": []byte("{"), "z": []byte("1")}}
	if body := own.AppendJSON(nil); !json.Valid(body) || !strings.Contains(string(body), `"z":1`) {
		t.Errorf("%s", body)
	}
}

func TestOurOwnDocumentsAreNeverTooLargeToDecode(t *testing.T) {
	err := ErrOutOfStock.New(strings.Repeat("m", 10_000))
	for i := range 1000 {
		err = err.WithMetadata(fmt.Sprint(i), strings.Repeat("v", 1000))
	}
	violations := make([]errors.Violation, 5000)
	for i := range violations {
		violations[i] = errors.Violation{Pointer: fmt.Sprintf("#/items/%d/qty", i), Detail: "must be at most 3, and more than zero", Reason: "MAX"}
	}
	body := errors.NewProblem(err.WithViolations(violations...)).AppendJSON(nil)
	got := errors.DecodeProblem(errors.Response{Status: 400, Body: body})
	if !errors.Is(got, ErrOutOfStock) || len(got.Violations()) < 300 || len(got.Metadata()) < 5 || got.Message() == "" {
		t.Errorf("%d bytes: %v with %d violations and %d pairs of metadata", len(body), got.Code(), len(got.Violations()), len(got.Metadata()))
	}
}

func TestEncodeBoundsViolations(t *testing.T) {
	err := errors.InvalidArgument.New("x").WithViolations(make([]errors.Violation, 1_000_000)...)
	if n := len(errors.NewProblem(err).AppendJSON(nil)); n > 10_000 {
		t.Errorf("a million violations gave %d bytes", n)
	}
	one := errors.InvalidArgument.New("x")
	for range 100_000 { // one by one, as a careless Validate does
		one = one.WithViolation("#/a", "d", "")
	}
	if n := len(one.Violations()); n != 1000 {
		t.Errorf("%d violations are kept", n)
	}
}

func TestTitlesAreTheRegisteredPhrases(t *testing.T) {
	for status := 400; status < 600; status++ {
		phrase := http.StatusText(status)
		if phrase == "" || status == http.StatusTeapot {
			continue
		}
		title := errors.NewProblem(errors.Unknown.New("").WithStatus(status)).Title
		if title != phrase && !rare[status] {
			t.Errorf("%d: %q, want %q", status, title, phrase)
		}
	}
}

// rare are statuses that package errors has no phrase for.
var rare = map[int]bool{506: true, 508: true, 510: true}

func TestMarshalJSONIsTheProblem(t *testing.T) {
	var none *errors.Error
	got, err := json.Marshal([]error{errors.NotFound.New("x"), none})
	if want := `[{"title":"Not Found","status":404,"detail":"x","code":"not_found","retryable":false},null]`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// problemMembers are the members that Problem has fields for.
var problemMembers = []string{
	"type", "title", "status", "detail", "instance", "code", "reason", "domain", "retryable", "retry",
	"retry_after_ms", "retry_exhausted", "trace_id", "errors", "metadata",
}
