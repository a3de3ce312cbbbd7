package errors_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backend-platform/sdk/errors"
)

// read is what DecodeProblem makes of a document of somebody else.
type read struct {
	Code                             errors.Code
	Message, Reason, Domain, TraceID string
	Violations                       []errors.Violation
	Metadata                         map[string]string
	RetryAfter                       time.Duration
}

var foreignBodies = []struct {
	name   string
	status int
	body   string
	want   read
}{
	{"google.rpc, all details", 400, `{"error":{"code":400,"message":"The order is not valid.","status":"INVALID_ARGUMENT","details":[
		{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BAD_ORDER","domain":"orders.example.com","metadata":{"sku":"17","n":3}},
		{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3.5s"},
		{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"items[0].qty","description":"too many","reason":"MAX"}]},
		{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"de","message":"Die Bestellung ist ungültig."},
		{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"r1"},7]}}`,
		read{errors.InvalidArgument, "The order is not valid.", "BAD_ORDER", "orders.example.com", "",
			[]errors.Violation{{Pointer: "#/items/0/qty", Detail: "too many", Reason: "MAX"}}, map[string]string{"sku": "17"}, 3500 * time.Millisecond}},
	{"google.rpc, canceled", 499, `{"error":{"status":"CANCELLED"}}`, read{Code: errors.Canceled}},
	{"google.rpc, a localized message only", 404, `{"error":{"status":"NOT_FOUND","details":[{"@type":"t/google.rpc.LocalizedMessage","message":"Fehlt."}]}}`,
		read{Code: errors.NotFound, Message: "Fehlt."}},
	{"google.rpc, delays that are none", 503, `{"error":{"details":[{"@type":"t/google.rpc.RetryInfo","retryDelay":"-3s"},{"@type":"t/google.rpc.RetryInfo","retryDelay":"soon"}]}}`,
		read{Code: errors.Unavailable}},
	{"Google's older APIs", 403, `{"error":{"errors":[{"domain":"usageLimits","reason":"rateLimitExceeded","message":"m"}],"code":403,"message":"Slow down."}}`,
		read{Code: errors.PermissionDenied, Message: "Slow down.", Reason: "rateLimitExceeded", Domain: "usageLimits"}},
	{"a gRPC gateway", 404, `{"code":5,"message":"No such order.","details":[]}`, read{Code: errors.NotFound, Message: "No such order."}},
	{"a number that is no code", 502, `{"code":42,"message":"m","details":[]}`, read{Code: errors.Unavailable, Message: "m"}},
	{"a fraction", 502, `{"code":5.5,"message":"m","details":[]}`, read{Code: errors.Unavailable, Message: "m"}},
	{"a number without details", 502, `{"code":5,"message":"m"}`, read{Code: errors.Unavailable, Message: "m"}},
	{"Connect", 503, `{"code":"unavailable","message":"Try later.","details":[{"type":"google.rpc.RetryInfo","value":"CgIIBQ","debug":{"retryDelay":"5s"}},
		{"type":"google.rpc.ErrorInfo","value":"…","debug":{"reason":"DRAINING","domain":"orders"}},{"type":"other.Detail","value":"AA"}]}`,
		read{Code: errors.Unavailable, Message: "Try later.", Reason: "DRAINING", Domain: "orders", RetryAfter: 5 * time.Second}},
	{"Twirp", 404, `{"code":"not_found","msg":"No such order.","meta":{"id":"17"}}`,
		read{Code: errors.NotFound, Message: "No such order.", Metadata: map[string]string{"id": "17"}}},
	{"Twirp's own code", 400, `{"code":"malformed","msg":"m"}`, read{Code: errors.InvalidArgument, Message: "m", Reason: "malformed"}},
	{"a code in upper case", 400, `{"code":"NOT_FOUND","message":"m"}`, read{Code: errors.NotFound, Message: "m"}},
	{"a code of somebody's own", 402, `{"code":"INSUFFICIENT_FUNDS","message":"m"}`, read{Code: errors.FailedPrecondition, Message: "m", Reason: "INSUFFICIENT_FUNDS"}},
	{"an error object with a code", 404, `{"error":{"code":"ResourceNotFound","message":"m","innererror":{}}}`, read{Code: errors.NotFound, Message: "m", Reason: "ResourceNotFound"}},
	{"Spring Boot", 400, `{"timestamp":"2026-01-02T03:04:05.678+00:00","status":400,"error":"Bad Request","message":"Validation failed",
		"errors":[{"objectName":"order","field":"items[0].qty","defaultMessage":"must not be null","code":"NotNull","rejectedValue":null}],"path":"/orders"}`,
		read{Code: errors.InvalidArgument, Message: "Validation failed", Violations: []errors.Violation{{Pointer: "#/items/0/qty", Detail: "must not be null", Reason: "NotNull"}}}},
	{"Spring Boot without a message", 404, `{"timestamp":"2026-01-02T03:04:05.678+00:00","status":404,"error":"Not Found","message":"","path":"/x"}`, read{Code: errors.NotFound}},
	{"ASP.NET", 400, `{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.1","title":"One or more validation errors occurred.","status":400,
		"errors":{"Items[0].Qty":["The field Qty must be between 1 and 3.","Second."],"$.when":"not a date"},"traceId":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}`,
		read{Code: errors.InvalidArgument, TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", Violations: []errors.Violation{
			{Pointer: "#/Items/0/Qty", Detail: "The field Qty must be between 1 and 3."}, {Pointer: "#/Items/0/Qty", Detail: "Second."}, {Pointer: "#/when", Detail: "not a date"}}}},
	{"a trace id that is no traceparent", 500, `{"traceId":"abc-1"}`, read{Code: errors.Internal, TraceID: "abc-1"}},
	{"OAuth 2.0", 400, `{"error":"invalid_grant","error_description":"The refresh token is expired."}`,
		read{Code: errors.InvalidArgument, Message: "The refresh token is expired.", Reason: "invalid_grant"}},
	{"OAuth 2.0 without a description", 401, `{"error":"invalid_client"}`, read{Code: errors.Unauthenticated, Reason: "invalid_client"}},
	{"an error's text", 500, `{"error":"Something broke."}`, read{Code: errors.Internal, Message: "Something broke."}},
	{"a message", 409, `{"message":"It exists."}`, read{Code: errors.Aborted, Message: "It exists."}},
	{"an error object", 503, `{"error":{"message":"Later."}}`, read{Code: errors.Unavailable, Message: "Later."}},
	{"NestJS", 400, `{"statusCode":400,"message":["qty must be a number","sku must not be empty"],"error":"Bad Request"}`,
		read{Code: errors.InvalidArgument, Message: "Bad Request", Violations: []errors.Violation{{Detail: "qty must be a number"}, {Detail: "sku must not be empty"}}}},
	{"FastAPI", 422, `{"detail":[{"loc":["body","items",0,"qty"],"msg":"field required","type":"missing"}]}`,
		read{Code: errors.FailedPrecondition, Violations: []errors.Violation{{Pointer: "#/items/0/qty", Detail: "field required", Reason: "missing"}}}},
	{"JSON:API", 422, `{"errors":[{"status":"422","code":"MAX","title":"t","source":{"pointer":"/data/attributes/qty"}}]}`,
		read{Code: errors.FailedPrecondition, Violations: []errors.Violation{{Pointer: "#/data/attributes/qty", Detail: "t", Reason: "MAX"}}}},
	{"RFC 7807's example", 400, `{"type":"https://example.net/validation-error","title":"t","invalid-params":[{"name":"age","reason":"must be a positive integer"}]}`,
		read{Code: errors.InvalidArgument, Violations: []errors.Violation{{Pointer: "#/age", Detail: "must be a positive integer"}}}},
	{"a list of texts", 422, `{"errors":["Name can't be blank",7]}`, read{Code: errors.FailedPrecondition, Violations: []errors.Violation{{Detail: "Name can't be blank"}}}},
}

func TestDocumentsOfOthersAreRead(t *testing.T) {
	for _, c := range foreignBodies {
		t.Run(c.name, func(t *testing.T) {
			e := errors.DecodeProblem(errors.Response{Status: c.status, Body: []byte(c.body)})
			got := read{e.Code(), e.Message(), e.Reason(), e.Domain(), e.TraceID(), e.Violations(), e.Metadata(), errors.RetryAfter(e)}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if e.Status() != c.status {
				t.Errorf("status %d, want %d", e.Status(), c.status)
			}
		})
	}
}

func TestNothingOfADocumentOfOthersIsLost(t *testing.T) {
	for _, c := range foreignBodies {
		e := errors.DecodeProblem(errors.Response{Status: c.status, Body: []byte(c.body)})
		var doc map[string]json.RawMessage
		if err := json.Unmarshal([]byte(c.body), &doc); err != nil {
			t.Fatal(err)
		}
		for name, value := range doc {
			if !isMember(name) && string(e.Unknown()[name]) != string(value) {
				t.Errorf("%s: %q is %s, want %s", c.name, name, e.Unknown()[name], value)
			}
		}
	}
}

func TestADocumentOfOursIsNotTakenForSomebodyElses(t *testing.T) {
	body := `{"code":"not_found","retryable":false,"message":"m","error":{"status":"INTERNAL","message":"m"},"traceId":"t","meta":{"a":"b"},"violations":[{}],"details":[]}`
	e := errors.DecodeProblem(errors.Response{Status: 404, Body: []byte(body)})
	if e.Code() != errors.NotFound || e.Message() != "" || e.TraceID() != "" || e.Metadata() != nil || e.Violations() != nil {
		t.Errorf("%v %q %v %v", e, e.TraceID(), e.Metadata(), e.Violations())
	}
}

// What differs between versions and options of encoding/json has one answer here.
func TestJSONHasOneReading(t *testing.T) {
	deep := func(n int) string {
		return `{"detail":"d","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for name, c := range map[string]struct{ body, message string }{
		"the last of equal names":      {`{"detail":"a","detail":"b"}`, "b"},
		"the last, of no use":          {`{"detail":"a","detail":7}`, ""},
		"a name in another case":       {`{"Detail":"a","DETAIL":"b"}`, ""},
		"a name with escapes":          {`{"det\u0061il":"a"}`, "a"},
		"bytes that are not UTF-8":     {"{\"detail\":\"a\xffb\"}", "a\ufffdb"},
		"half a surrogate pair":        {`{"detail":"\ud800x"}`, "\ufffdx"},
		"two halves that do not fit":   {`{"detail":"\ud800\ud800"}`, "\ufffd\ufffd"},
		"a surrogate pair":             {`{"detail":"\ud83d\ude00"}`, "\U0001F600"},
		"null":                         {`{"detail":null,"message":null}`, ""},
		"every escape":                 {`{"detail":"\"\\\/\b\f\n\r\t\u0000"}`, "\"\\/\b\f\n\r\t\x00"},
		"a byte order mark":            {"\ufeff" + `{"detail":"a"}`, "a"},
		"space all over":               {" \n\t\r{ \"detail\" : \"a\" , \"x\" : [ 1 , { } , [ ] ] } ", "a"},
		"nested 63 deep":               {deep(63), "d"},
		"nested 64 deep":               {deep(64), ""},
		"nested 10,000 deep":           {deep(10_000), ""},
		"a control character":          {"{\"detail\":\"a\nb\"}", ""},
		"an unknown escape":            {`{"detail":"\x"}`, ""},
		"a short escape":               {`{"detail":"\u00g0"}`, ""},
		"a comma too many":             {`{"detail":"a",}`, ""},
		"a comma too many in an array": {`{"detail":"a","x":[1,]}`, ""},
		"no colon":                     {`{"detail" "a"}`, ""},
		"a second value":               {`{"detail":"a"}{}`, ""},
		"a leading zero":               {`{"detail":"a","x":01}`, ""},
		"a number that ends early":     {`{"detail":"a","x":1.}`, ""},
		"an exponent without digits":   {`{"detail":"a","x":1e}`, ""},
		"a plus":                       {`{"detail":"a","x":+1}`, ""},
		"a huge number":                {`{"detail":"a","x":-1e999999,"status":1e400,"retry_after_ms":-1E+9}`, "a"},
		"a name that is none":          {`{detail:"a"}`, ""},
		"a word that is none":          {`{"detail":"a","x":nul}`, ""},
		"a number":                     {`7`, ""},
		"a comment":                    {`{"detail":"a"/**/}`, ""},
	} {
		if got := errors.DecodeProblem(errors.Response{Status: 404, Body: []byte(c.body)}); got.Message() != c.message || got.Code() != errors.NotFound {
			t.Errorf("%s: %v %q, want %q", name, got.Code(), got.Message(), c.message)
		}
	}
}

func TestUnmarshalProblemSaysWhatItCannotRead(t *testing.T) {
	var p errors.Problem
	for _, body := range []string{`[]`, `"x"`, `7`, `true`} {
		if err := json.Unmarshal([]byte(body), &p); err == nil || !strings.Contains(err.Error(), "not a JSON object") {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"a":"`+strings.Repeat("x", errors.MaxProblemBytes)+`"}`), &p); err == nil {
		t.Error("a document that is too large was read")
	}
	p.Reason = "KEPT"
	if err := json.Unmarshal([]byte(`null`), &p); err != nil || p.Reason != "KEPT" {
		t.Errorf("null: %v, %+v", err, p)
	}
	if err := json.Unmarshal([]byte(`{"status":404}`), &p); err != nil || p.Reason != "" || p.Code != errors.NotFound {
		t.Errorf("a document without a code: %v, %+v", err, p)
	}
}
