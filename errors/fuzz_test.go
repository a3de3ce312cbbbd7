package errors_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backend-platform/sdk/errors"
)

func FuzzDecodeProblem(f *testing.F) {
	f.Add(404, []byte(`{"type":"t","title":"t","status":404,"detail":"d","instance":"/i","code":"not_found","reason":"R","domain":"o","retryable":true,"retry":"idempotent","retry_after_ms":5,"retry_exhausted":true,"trace_id":"a","errors":[{"pointer":"#/a","detail":"d","reason":"R"}],"metadata":{"k":"v"},"x":[1]}`))
	f.Add(503, []byte(`{"retryable":null,"errors":[null],"metadata":{"a":null,"b":1}}`))
	f.Add(500, []byte("{\"detail\":\"\\ud83d\\ude00\\ud800\xff\",\"detail\":\"\\u00e4\\b\\f\\n\\r\\t\\/\\\\\",\"status\":-1.5e+3}"))
	for _, body := range foreignBodies {
		f.Add(400, []byte(body.body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got := errors.DecodeProblem(errors.Response{Status: status, Body: body})
		if got.Code() == errors.OK || !got.Remote() || got.Status() < 400 || got.Status() > 599 {
			t.Fatalf("%v, status %d, remote %v", got, got.Status(), got.Remote())
		}
		checkBounds(t, got)
		checkReading(t, got, body)

		again := errors.NewProblem(errors.PassOn(got)).AppendJSON(nil)
		if len(again) > errors.MaxProblemBytes || !json.Valid(again) || !utf8.Valid(again) {
			t.Fatalf("passed on as %d bytes, valid JSON %v, valid UTF-8 %v: %q", len(again), json.Valid(again), utf8.Valid(again), again)
		}
		if len(again) > errors.MaxProblemBytes/4 {
			return // lists are cut
		}
		back := errors.DecodeProblem(errors.Response{Status: got.Status(), Body: again})
		if diff := cmp.Diff(sendable(got), sendable(back), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("passed on as\n%s\n%s", again, diff)
		}
	})
}

// sendable is e's public side without the unknown members that are read and not sent again, and with
// the others as our own strings are escaped.
func sendable(e *errors.Error) public {
	p := publicOf(e, e)
	for name, value := range p.Unknown {
		if isMember(name) {
			delete(p.Unknown, name)
			continue
		}
		var b bytes.Buffer
		json.HTMLEscape(&b, value)
		p.Unknown[name] = b.Bytes()
	}
	return p
}

func isMember(name string) bool {
	for _, member := range problemMembers {
		if strings.EqualFold(name, member) {
			return true
		}
	}
	return false
}

// checkBounds holds what the README says of a decoded document.
func checkBounds(t *testing.T, e *errors.Error) {
	t.Helper()
	within := func(what, text string, limit int) {
		t.Helper()
		if len(text) > limit || !utf8.ValidString(text) {
			t.Fatalf("%s has %d bytes, of which %d are allowed, valid UTF-8 %v", what, len(text), limit, utf8.ValidString(text))
		}
	}
	within("message", e.Message(), 4096)
	within("title", e.Title(), 1024)
	within("type", e.Type(), 2048)
	within("instance", e.Instance(), 2048)
	within("reason", e.Reason(), 256)
	within("domain", e.Domain(), 256)
	within("trace id", e.TraceID(), 256)
	if len(e.Violations()) > 1000 || len(e.Metadata()) > 64 || len(e.Unknown()) > 64 || errors.RetryAfter(e) < 0 {
		t.Fatalf("%d violations, %d pairs, %d unknown members, wait %v", len(e.Violations()), len(e.Metadata()), len(e.Unknown()), errors.RetryAfter(e))
	}
	for _, v := range e.Violations() {
		within("pointer", v.Pointer, 2048)
		within("violation", v.Detail, 4096)
		within("violation's reason", v.Reason, 256)
	}
	for key, text := range e.Metadata() {
		within("key", key, 256)
		within("metadata", text, 4096)
	}
	for name, value := range e.Unknown() {
		within("name", name, 256)
		if !json.Valid(value) || !utf8.Valid(value) {
			t.Fatalf("unknown member %q is %q", name, value)
		}
	}
}

// checkReading holds our reader against encoding/json, of every Go version that the tests run with.
func checkReading(t *testing.T, e *errors.Error, body []byte) {
	t.Helper()
	var theirs map[string]any
	err := json.Unmarshal(body, &theirs)
	var ours errors.Problem
	readable := ours.UnmarshalJSON(body) == nil && string(body) != "null"
	switch {
	case bytes.HasPrefix(body, []byte("\ufeff")):
		return // encoding/json refuses it
	case err != nil && readable && !outOfRange(err):
		t.Fatalf("%q was read, encoding/json says: %v", body, err)
	case err == nil && theirs != nil && !readable && len(body) <= errors.MaxProblemBytes && nesting(theirs) <= 60:
		t.Fatalf("%q was not read", body)
	}
	if detail, ok := theirs["detail"].(string); ok && readable && len(detail) <= 4096 && detail != "" && e.Message() != detail {
		t.Fatalf("detail %q was read as %q", detail, e.Message())
	}
}

// outOfRange knows the one thing that encoding/json refuses in valid JSON: a number like 1e400.
func outOfRange(err error) bool {
	_, ok := errors.AsType[*json.UnmarshalTypeError](err)
	return ok
}

func nesting(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, each := range v {
			deepest = max(deepest, 1+nesting(each))
		}
	case []any:
		for _, each := range v {
			deepest = max(deepest, 1+nesting(each))
		}
	}
	return deepest
}

func FuzzProblemRoundTrip(f *testing.F) {
	f.Add("https://h/T", "title", "detail", "/i", "R", "orders", "4bf9", "#/a", "k", "x", []byte(`{"a":[1]}`), 404, uint32(5), uint8(2), true, int64(1500))
	f.Add("", "", "", "", "", "", "", "", "", "Status", []byte(`nul`), 0, uint32(0), uint8(0), false, int64(-1))
	f.Fuzz(func(t *testing.T, kind, title, detail, instance, reason, domain, trace, pointer, key, name string, value []byte,
		status int, code uint32, retry uint8, yes bool, ms int64) {
		p := errors.Problem{
			Type: kind, Title: title, Status: status, Detail: detail, Instance: instance, Code: errors.Code(code % 17), Reason: reason,
			Domain: domain, Retry: errors.Retry(retry % 4), RetryMarked: yes, RetryAfter: time.Duration(ms), RetryExhausted: yes, TraceID: trace,
			Violations: []errors.Violation{{Pointer: pointer, Detail: detail, Reason: reason}},
			Metadata:   map[string]string{key: detail}, Unknown: map[string][]byte{name: value},
		}
		body := p.AppendJSON(nil)
		if !json.Valid(body) || !utf8.Valid(body) || len(body) > errors.MaxProblemBytes {
			t.Fatalf("%d bytes: %q", len(body), body)
		}
		var once, twice errors.Problem
		if err := json.Unmarshal(body, &once); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if err := json.Unmarshal(once.AppendJSON(nil), &twice); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(once, twice, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s\n%s", body, diff)
		}
		got := errors.DecodeProblem(errors.Response{Status: status, Body: body})
		if p.Code != errors.OK && got.Code() != p.Code || yes && errors.RetryOf(got) != p.Retry {
			t.Fatalf("%s was read as %v, %v", body, got.Code(), errors.RetryOf(got))
		}
	})
}

func FuzzParseCode(f *testing.F) {
	for _, code := range errors.Codes() {
		f.Add(code.String())
	}
	f.Add("NOT_FOUND")
	f.Fuzz(func(t *testing.T, text string) {
		code, err := errors.ParseCode(text)
		if (err == nil) != (code.String() == text) || err != nil && (code != errors.Unknown || len(err.Error()) > 1000) {
			t.Fatalf("%q was read as %v, %v", text, code, err)
		}
		before := errors.Aborted
		after := before
		if again := after.UnmarshalText([]byte(text)); (again == nil) != (err == nil) || again != nil && after != before || again == nil && after != code {
			t.Fatalf("%q: UnmarshalText gives %v, %v", text, after, again)
		}
	})
}

func FuzzPointer(f *testing.F) {
	f.Add("items", "a/b~c d%")
	f.Fuzz(func(t *testing.T, first, second string) {
		steps := strings.Split(strings.TrimPrefix(errors.Pointer(first, second), "#/"), "/")
		if len(steps) != 2 || unescape(t, steps[0]) != first || unescape(t, steps[1]) != second {
			t.Fatalf("%q and %q gave %q", first, second, errors.Pointer(first, second))
		}
	})
}
