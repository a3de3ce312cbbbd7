package httpserver_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	sdkerrors "github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

type item struct {
	SKU string `json:"sku"`
	Qty int8   `json:"qty"`
}

type address struct {
	City string `json:"city"`
}

type bigOrder struct {
	address
	Items   []item            `json:"items"`
	Labels  map[string]bool   `json:"labels"`
	ByID    map[uint8]float64 `json:"by_id"`
	Note    *string           `json:"note"`
	Due     time.Time         `json:"due"`
	Total   int64             `json:"total,string"`
	Blob    []byte            `json:"blob"`
	Pair    [2]uint16         `json:"pair"`
	Any     any               `json:"any"`
	Raw     json.RawMessage   `json:"raw"`
	Parent  *bigOrder         `json:"parent"`
	Skipped string            `json:"-"`
	hidden  string            //nolint:unused // a member that JSON must not reach
}

func (p bigOrder) Validate() error {
	fault := sdkerrors.InvalidArgument.New("The order is not valid.")
	n := 0
	for i, it := range p.Items {
		if it.Qty < 0 {
			fault = fault.WithViolation("#/items/"+string(rune('0'+i))+"/qty", "must not be negative", "MIN")
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fault
}

// violations decodes a body and returns what is wrong with it, "pointer: detail".
func violations(t *testing.T, body string) []string {
	t.Helper()
	_, err := httpserver.DecodeJSON[bigOrder](jsonRequest(body))
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*sdkerrors.Error](err)
	if !ok || e.Code() != sdkerrors.InvalidArgument {
		t.Fatalf("err = %v", err)
	}
	var found []string
	for _, v := range e.Violations() {
		found = append(found, v.Pointer+": "+v.Detail)
	}
	return found
}

func TestDecodeJSONNamesEveryFaultWithItsPlace(t *testing.T) {
	tests := map[string]struct {
		body string
		want []string
	}{
		"valid": {`{"items":[{"sku":"17","qty":3}],"labels":{"a":true},"by_id":{"7":1.5},"note":"x","due":"2026-01-02T03:04:05Z",
			"total":"12","blob":"aGk=","pair":[1,2],"any":[{}],"raw":{"x":1},"parent":{"city":"Ulm"},"city":"Ulm"}`, nil},
		"other case of a name": {`{"ITEMS":[],"note":1}`, []string{"#/ITEMS: is not a known member; there is one that is written items", "#/note: must be a string"}},
		"null":                 {`{"items":null,"note":null,"due":null,"total":null,"pair":null}`, nil},
		"unknown members":      {`{"colour":1,"items":[{"size":2}],"hidden":"x","Skipped":"y"}`, []string{"#/colour: is not a known member", "#/items/0/size: is not a known member", "#/hidden: is not a known member", "#/Skipped: is not a known member"}},
		"types": {`{"items":[{"sku":1},{"qty":"2"}],"labels":{"a":1},"city":false}`, []string{
			"#/items/0/sku: must be a string", "#/items/1/qty: must be a whole number from -128 to 127", "#/labels/a: must be true or false", "#/city: must be a string"}},
		"range":           {`{"items":[{"qty":128},{"qty":1.5}],"pair":[70000,-1]}`, []string{"#/items/0/qty: must be a whole number from -128 to 127", "#/items/1/qty: must be a whole number from -128 to 127", "#/pair/0: must be a whole number from 0 to 65535", "#/pair/1: must be a whole number from 0 to 65535"}},
		"containers":      {`{"items":{},"labels":[],"by_id":7,"pair":"x","parent":[]}`, []string{"#/items: must be an array", "#/labels: must be an object", "#/by_id: must be an object", "#/pair: must be an array", "#/parent: must be an object"}},
		"keys of a map":   {`{"by_id":{"x":1,"300":2,"7":"y"}}`, []string{"#/by_id/x: has a name that is not possible here", "#/by_id/300: has a name that is not possible here", "#/by_id/7: must be a number"}},
		"own decoders":    {`{"due":"tomorrow","blob":"%%"}`, []string{"#/due: must be a time such as 2006-01-02T15:04:05Z (RFC 3339)", "#/blob: must be a string in base64"}},
		"quoted":          {`{"total":12}`, []string{"#/total: must be a string that holds: a whole number from -9223372036854775808 to 9223372036854775807"}},
		"types, unknown":  {`{"colour":1,"note":2}`, []string{"#/colour: is not a known member", "#/note: must be a string"}},
		"top":             {`[]`, []string{"#: must be an object"}},
		"pointer escapes": {`{"a/b~c d%":1}`, []string{"#/a~1b~0c%20d%25: is not a known member"}},
		"deep":            {`{"parent":{"parent":{"items":[{"sku":[]}]}}}`, []string{"#/parent/parent/items/0/sku: must be a string"}},
		"twice": {`{"note":"a","items":[{"qty":1,"qty":2}],"n\u006fte":"b","labels":{"a":true,"b":true,"a":false},"any":{"x":{"y":1,"y":1}}}`, []string{
			"#/items/0/qty: is there more than once", "#/note: is there more than once", "#/labels/a: is there more than once", "#/any/x/y: is there more than once"}},
		"twice in a raw message": {`{"raw":{"a":1,"a":2}}`, nil},
		"too many in an array":   {`{"pair":[1,2,"x"]}`, nil},
		"not a number":           {`{"by_id":{"1":NaN}}`, []string{": is not JSON at line 1, column 15"}},
		"infinite":               {`{"by_id":{"1":-Infinity}}`, []string{": is not JSON at line 1, column 16"}},
		"huge number":            {`{"by_id":{"1":1e400},"pair":[1e2]}`, []string{"#/by_id/1: must be a number", "#/pair/0: must be a whole number from 0 to 65535"}},
		"long number":            {`{"total":"` + strings.Repeat("9", 1000) + `"}`, []string{"#/total: must be a string that holds: a whole number from -9223372036854775808 to 9223372036854775807"}},
		"map key":                {`{"by_id":{"256":1,"x":1}}`, []string{"#/by_id/256: has a name that is not possible here", "#/by_id/x: has a name that is not possible here"}},
		"null in a list":         {`{"items":[null]}`, nil},
		"byte order mark":        {"\ufeff{}", []string{": begins with a byte order mark, which JSON must not have (RFC 8259, section 8.1)"}},
		"latin-1":                {"{\n\"note\":\"M\xfcller\"}", []string{": is not UTF-8 at line 2, column 10"}},
		"half a surrogate":       {`{"note":"\ud800"}`, nil},
		"bad escape":             {`{"note":"\u12x4"}`, []string{": is not JSON at line 1, column 14"}},
		"control character":      {"{\"note\":\"a\nb\"}", []string{": is not JSON at line 1, column 11"}},
		"comment":                {`{/* none */}`, []string{": is not JSON at line 1, column 2"}},
		"nested":                 {`{"any":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`, nil},
		"nested too deep":        {`{"any":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, []string{": is nested deeper than 100 levels"}},
		"nested absurdly":        {`{"any":` + strings.Repeat("[", 100_000), []string{": is nested too deeply"}},
		"empty":                  {"", []string{": is empty"}},
		"space":                  {" \n", []string{": is empty"}},
		"syntax":                 {"{\n  \"items\": [1,]}", []string{": is not JSON at line 2, column 15"}},
		"cut":                    {`{"items":[`, []string{": is not complete"}},
		"two values":             {"{}\n{}", []string{": has more than one value, from line 2, column 1"}},
		"rubbish after":          {`{} x`, []string{": has more than one value, from line 1, column 4"}},
		"validate":               {`{"items":[{"qty":-1},{"qty":1},{"qty":-2}]}`, []string{"#/items/0/qty: must not be negative", "#/items/2/qty: must not be negative"}},
		"validate too":           {`{"colour":1,"items":[{"qty":-1}]}`, []string{"#/items/0/qty: must not be negative", "#/colour: is not a known member"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, violations(t, test.body)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeJSONReturnsTheValue(t *testing.T) {
	got, err := httpserver.DecodeJSON[[]item](jsonRequest(`[{"sku":"17","qty":3}]`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]item{{"17", 3}}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := httpserver.DecodeJSON[*bigOrder](jsonRequest(`null`)); err != nil {
		t.Errorf("null for a pointer: %v", err)
	}
	if _, err := httpserver.DecodeJSON[*bigOrder](jsonRequest(`{"items":[{"qty":-1}]}`)); err == nil {
		t.Error("Validate of a pointer's type is not called")
	}
}

func TestDecodeJSONLenientIgnoresUnknownMembersOnly(t *testing.T) {
	got, err := httpserver.DecodeJSONLenient[item](jsonRequest(`{"sku":"17","colour":"red"}`))
	if err != nil || got.SKU != "17" {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = httpserver.DecodeJSONLenient[item](jsonRequest(`{"sku":17,"colour":"red"}`))
	e, ok := errors.AsType[*sdkerrors.Error](err)
	if !ok || len(e.Violations()) != 1 {
		t.Errorf("err = %v", err)
	}
}

func TestDecodeJSONFailureReturnsNoValue(t *testing.T) {
	got, err := httpserver.DecodeJSON[item](jsonRequest(`{"sku":"17","qty":"x"}`))
	if err == nil || got != (item{}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestDecodeJSONAsksForJSON(t *testing.T) {
	tests := map[string]struct {
		contentType, encoding string
		ok                    bool
	}{
		"json":        {"application/json", "", true},
		"parameters":  {"application/json; charset=UTF-8", "", true},
		"suffix":      {"application/merge-patch+json", "", true},
		"case":        {"Application/JSON", "", true},
		"identity":    {"application/json", "identity", true},
		"absent":      {"", "", false},
		"form":        {"application/x-www-form-urlencoded", "", false},
		"text":        {"text/plain", "", false},
		"not a type":  {"json;;;", "", false},
		"charset":     {"application/json; charset=latin1", "", false},
		"compression": {"application/json", "gzip", false},
		"looks like":  {"application/jsonx", "", false},
	}
	for name, test := range tests {
		r := jsonRequest(`{}`)
		r.Header.Set("Content-Type", test.contentType)
		r.Header.Set("Content-Encoding", test.encoding)
		_, err := httpserver.DecodeJSON[item](r)
		if (err == nil) != test.ok {
			t.Errorf("%s: err = %v", name, err)
		}
		if e, ok := errors.AsType[*sdkerrors.Error](err); !test.ok && (!ok || e.Status() != 415 || !errors.Is(err, httpserver.ErrMediaType)) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}

func TestDecodeJSONReadsNoMoreThanTheLimit(t *testing.T) {
	body := io.MultiReader(strings.NewReader(`{"sku":"`), io.LimitReader(zeros{}, 2<<20), strings.NewReader(`"}`))
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", "application/json")
	if _, err := httpserver.DecodeJSON[item](r); !errors.Is(err, httpserver.ErrBodyTooLarge) {
		t.Errorf("err = %v", err)
	}
	// A server that was told to take more takes more.
	o := observe(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		_, err := httpserver.DecodeJSON[string](r)
		return err
	}), httpserver.Config{MaxBodyBytes: 3 << 20})
	if w := o.call(jsonRequest(`"` + strings.Repeat("0", 2<<20) + `"`)); w.Code != 200 {
		t.Errorf("status = %d %s", w.Code, w.Body)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

func TestBodyThatCannotBeReadIsNotOurFault(t *testing.T) {
	for err, want := range map[error]*sdkerrors.DefinedError{
		os.ErrDeadlineExceeded: httpserver.ErrBodyTimeout,
		io.ErrUnexpectedEOF:    httpserver.ErrInvalidBody,
	} {
		r := jsonRequest("")
		r.Body = io.NopCloser(iotest.ErrReader(err))
		if _, got := httpserver.DecodeJSON[item](r); !errors.Is(got, want) || !errors.Is(got, err) {
			t.Errorf("%v: err = %v", err, got)
		}
	}
}

type checked struct{ err error }

func (c checked) Validate() error { return c.err }

func (c *checked) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"plain"`:
		c.err = errors.New("hunter2")
	case `"code"`:
		c.err = sdkerrors.FailedPrecondition.New("Closed.")
	}
	return nil
}

func TestValidateDecidesTheCode(t *testing.T) {
	_, err := httpserver.DecodeJSON[checked](jsonRequest(`"plain"`))
	if sdkerrors.CodeOf(err) != sdkerrors.InvalidArgument || strings.Contains(string(sdkerrors.NewProblem(err).AppendJSON(nil)), "hunter2") {
		t.Errorf("err = %v", err)
	}
	_, err = httpserver.DecodeJSON[checked](jsonRequest(`"code"`))
	if sdkerrors.CodeOf(err) != sdkerrors.FailedPrecondition {
		t.Errorf("err = %v", err)
	}
}

func TestWriteJSON(t *testing.T) {
	w := httptest.NewRecorder()
	if err := httpserver.WriteJSON(w, http.StatusCreated, item{"17", 3}); err != nil {
		t.Fatal(err)
	}
	if w.Code != 201 || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != `{"sku":"17","qty":3}`+"\n" {
		t.Errorf("answer = %d %v %q", w.Code, w.Header(), w.Body)
	}
}

func TestWriteJSONEncodesBeforeTheStatus(t *testing.T) {
	o := observe(t, httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		return httpserver.WriteJSON(w, http.StatusOK, map[string]any{"first": "fine", "then": func() {}})
	}), httpserver.Config{})
	w := o.get("/")
	if p := problemOf(t, w); w.Code != 500 || p["code"] != "internal" || p["first"] != nil {
		t.Errorf("answer = %d %s", w.Code, w.Body)
	}
}

func TestLongJSONHasALength(t *testing.T) {
	server := httptest.NewServer(httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		return httpserver.WriteJSON(w, http.StatusOK, strings.Repeat("x", 10_000))
	}))
	defer server.Close()
	for _, ask := range []func(string) (*http.Response, error){server.Client().Get, server.Client().Head} {
		res, err := ask(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.ContentLength != 10_003 {
			t.Errorf("%s: length = %d", res.Request.Method, res.ContentLength)
		}
	}
}

// page is a generic type with all that embedding can do.
type page[T any] struct {
	base
	*Cursor
	Entries []T          `json:"entries"`
	Code    int          `json:"code"` // hides base's
	Price   json.Number  `json:"price"`
	Size    *size        `json:"size"`
	Sizes   map[size]int `json:"sizes"`
	Flag    bool         `json:"flag,string,omitempty"`
	Odd     string       `json:"-,"` //nolint:staticcheck // the name is "-"
}

type base struct {
	Code  string `json:"code"`
	Owner string `json:"owner"`
	Next  string
}

type Cursor struct {
	Next   string // hides, and is hidden by, base's
	Cursor int    `json:"cursor"`
}

// size is a type of few values whose error may be told.
type size string

func (s *size) UnmarshalText(b []byte) error {
	switch *s = size(b); *s {
	case "S", "M":
		return nil
	case "secret":
		return errors.New("hunter2")
	}
	return sdkerrors.InvalidArgument.New("must be S or M").WithReason("orders", "SIZE")
}

func TestDecodeJSONOfOddTypes(t *testing.T) {
	tests := map[string]struct {
		body string
		want []string
	}{
		"valid": {`{"code":1,"owner":"a","entries":[{"sku":"x"}],"cursor":2,"price":1.5,"size":"S","sizes":{"M":1},"flag":"true","-":"x"}`, nil},
		"types": {`{"code":"1","owner":1,"entries":[{"sku":1}],"cursor":"x","price":true,"flag":true,"-":1}`, []string{
			"#/code must be a whole number from -9223372036854775808 to 9223372036854775807 TYPE", "#/owner must be a string TYPE",
			"#/entries/0/sku must be a string TYPE", "#/cursor must be a whole number from -9223372036854775808 to 9223372036854775807 TYPE",
			"#/price must be a number TYPE", "#/flag must be a string that holds: true or false TYPE", "#/- must be a string TYPE"}},
		"hidden":   {`{"Next":"x"}`, []string{"#/Next is not a known member UNKNOWN"}},
		"embedded": {`{"base":{},"cursor":{}}`, []string{"#/base is not a known member UNKNOWN", "#/cursor must be a whole number from -9223372036854775808 to 9223372036854775807 TYPE"}},
		"told":     {`{"size":"XL"}`, []string{"#/size must be S or M SIZE"}},
		"not told": {`{"size":"secret"}`, []string{"#/size has a value that is not possible here TYPE"}},
		"key":      {`{"sizes":{"XL":1}}`, []string{"#/sizes/XL has a name that is not possible here TYPE"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := httpserver.DecodeJSON[*page[item]](jsonRequest(test.body))
			var got []string
			if e, ok := errors.AsType[*sdkerrors.Error](err); ok {
				for _, v := range e.Violations() {
					got = append(got, v.Pointer+" "+v.Detail+" "+v.Reason)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// What lenient input takes is just what encoding/json takes.
func TestDecodeJSONLenientTakesWhatEncodingJSONTakes(t *testing.T) {
	got, err := httpserver.DecodeJSONLenient[item](jsonRequest("{\"SKU\":\"a\",\"sku\":\"\xff\",\"deep\":" + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}"))
	if err != nil || got.SKU != "\ufffd" {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = httpserver.DecodeJSONLenient[item](jsonRequest("{\"SKU\":1,\"qty\":3,\"qty\":\"\xff\"}"))
	e, ok := errors.AsType[*sdkerrors.Error](err)
	if !ok || len(e.Violations()) != 2 || e.Violations()[0].Pointer != "#/SKU" || e.Violations()[1].Pointer != "#/qty" {
		t.Errorf("err = %v", err)
	}
}

// A body that only its names make wrong is still looked at by Validate.
func TestValidateIsCalledBesideWrongNames(t *testing.T) {
	want := []string{"#/items/0/qty: must not be negative", "#/note: is there more than once"}
	if diff := cmp.Diff(want, violations(t, `{"items":[{"qty":-1}],"note":"a","note":"b"}`)); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}
