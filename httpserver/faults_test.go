package httpserver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sdkerrors "github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

type checkedTwice struct {
	Qty  int    `json:"qty"`
	Note string `json:"note"`
}

// Validate reports each fault by an error of its own, with something around it.
func (c checkedTwice) Validate() error {
	return errors.Join(
		fmt.Errorf("quantity: %w", sdkerrors.InvalidArgument.New("").WithViolation("#/qty", "must be positive", "MIN")),
		sdkerrors.InvalidArgument.New("").WithViolation("#/note", "must not be empty", "EMPTY"),
	)
}

func TestWrongNamesDoNotHideWhatValidateJoins(t *testing.T) {
	_, err := httpserver.DecodeJSON[checkedTwice](jsonRequest(`{"x":1}`))
	p := sdkerrors.NewProblem(err)
	var got []string
	for _, v := range p.Violations {
		got = append(got, v.Pointer)
	}
	if diff := cmp.Diff([]string{"#/qty", "#/note", "#/x"}, got); diff != "" || p.Status != 400 {
		t.Errorf("status %d, violations (-want +got):\n%s", p.Status, diff)
	}
}

type hidden struct{ ID int }

// Where a body fits and the type is at fault, the log says why, and the caller does not learn it.
func TestFaultOfTheTypeIsInTheLog(t *testing.T) {
	_, err := httpserver.DecodeJSON[struct{ *hidden }](jsonRequest(`{"ID":1}`))
	if err == nil || !strings.Contains(err.Error(), "hidden") {
		t.Errorf("err = %v", err)
	}
	if document := sdkerrors.NewProblem(err).AppendJSON(nil); strings.Contains(string(document), "hidden") {
		t.Errorf("document = %s", document)
	}
}

// The option "string" takes what encoding/json takes.
func TestNumbersInsideStrings(t *testing.T) {
	type quoted struct {
		ID    *int64 `json:"id,string"`
		Other int    `json:"other,string"`
	}
	const fault = "#/other: must be a string that holds: a whole number from -9223372036854775808 to 9223372036854775807"
	for body, want := range map[string][]string{
		`{"id":"null","other":"x"}`: {fault},
		`{"id":"7","other":1}`:      {fault},
		`{"id":"-7","other":"1.5"}`: {fault},
	} {
		_, err := httpserver.DecodeJSON[quoted](jsonRequest(body))
		var got []string
		for _, v := range sdkerrors.NewProblem(err).Violations {
			got = append(got, v.Pointer+": "+v.Detail)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: violations (-want +got):\n%s", body, diff)
		}
	}
}

// The names of a map's members cost no more than its decoding, however many there are before a fault.
func TestNumbersAsNamesAreCheap(t *testing.T) {
	const n = 1_000
	members := make(map[string]any, n)
	for i := range n {
		members[strconv.Itoa(i)] = 1
	}
	members["fault"] = 1
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	decode := func() {
		if _, err := httpserver.DecodeJSON[map[int]int](jsonRequest(string(body))); err == nil {
			t.Error("a name that is no number is taken")
		}
	}
	if got := testing.AllocsPerRun(5, decode); got > 4*n {
		t.Errorf("%.0f allocations for %d members", got, n)
	}
}

func TestManyFaultsAreBounded(t *testing.T) {
	body := `{"items":[` + strings.TrimSuffix(strings.Repeat(`{"x":1},`, 5_000), ",") + `]}`
	if got := violations(t, body); len(got) != 100 {
		t.Errorf("%d violations", len(got))
	}
}

// Nor does the number of right values before the wrong one hide it.
func TestFaultBehindManyValuesIsFound(t *testing.T) {
	body := `{"by_id":{},"items":[` + strings.Repeat(`{},`, 12_000) + `{"qty":"x"}]}`
	if diff := cmp.Diff([]string{"#/items/12000/qty: must be a whole number from -128 to 127"}, violations(t, body)); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

// A type that decodes itself may take any time, so such values have a bound; beyond it the fault is told
// without its place.
func TestManyOwnDecodersAreBounded(t *testing.T) {
	calls := 0
	decoded = func() { calls++ }
	body := `[` + strings.Repeat(`0,`, 30_000) + `1]`
	_, err := httpserver.DecodeJSON[[]counting](jsonRequest(body))
	e, ok := errors.AsType[*sdkerrors.Error](err)
	if !ok || len(e.Violations()) != 1 || e.Violations()[0].Detail != "does not have the expected form" {
		t.Errorf("err = %v", err)
	}
	if calls > 41_000 {
		t.Errorf("%d calls", calls)
	}
}

var decoded = func() {}

type counting struct{}

func (*counting) UnmarshalJSON(b []byte) error {
	decoded()
	if string(b) == "1" {
		return errors.New("hunter2")
	}
	return nil
}

// Depth must not multiply the work: each level reads what lies below it again.
func TestDeepBodyIsBounded(t *testing.T) {
	const levels = 3_000
	body := strings.Repeat(`{"parent":`, levels) + `{"note":1}` + strings.Repeat("}", levels)
	if _, err := httpserver.DecodeJSON[bigOrder](jsonRequest(body)); !errors.Is(err, httpserver.ErrInvalidBody) {
		t.Errorf("err = %v", err)
	}
}

// Whatever a body holds: no panic, what encoding/json takes is taken unless one of our own rules is
// against it, what it refuses has a violation that says so in our words.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"items":[{"sku":1}]}`, `{"a":`, `[]`, `null`, `{"by_id":{"1":2}}`, `{"total":"1"}`, "{}{}", `{"note":"\ud800"}`,
		`{"NOTE":"x","note":"y","note":1e5}`, `{"any":[[{"a":1,"a":2}]],"raw":{"b":1,"b":1}}`, "\ufeff{}", "{\"note\":\"\xff\"}", `{"pair":[1,2,3,"x"]}`,
		`{"due":"2026-01-02T03:04:05Z","blob":[1,2],"labels":{"x":null}}`, `{"parent":{"parent":{"city":1}}}`, `-0.5e+10`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		strict, lenient := reference(body, true), reference(body, false)
		_, err := httpserver.DecodeJSON[bigOrder](jsonRequest(body))
		compareFaults(t, err, strict)
		_, err = httpserver.DecodeJSONLenient[bigOrder](jsonRequest(body))
		compareFaults(t, err, lenient)
	})
}

// reference is what encoding/json and Validate say of a body.
func reference(body string, strict bool) error {
	var value bigOrder
	decoder := json.NewDecoder(strings.NewReader(body))
	if strict {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more")
	}
	return value.Validate()
}

func compareFaults(t *testing.T, got, want error) {
	t.Helper()
	if got == nil {
		if want != nil {
			t.Fatalf("taken, but encoding/json says %v", want)
		}
		return
	}
	document := string(sdkerrors.NewProblem(got).AppendJSON(nil))
	if strings.Contains(document, "json: ") || strings.Contains(document, "Go struct") || !json.Valid([]byte(document)) {
		t.Errorf("document = %s", document)
	}
	e, ok := errors.AsType[*sdkerrors.Error](got)
	if !ok || len(e.Violations()) == 0 {
		t.Fatalf("no violation: %v", got)
	}
	if want != nil {
		return
	}
	for _, v := range e.Violations() {
		ours := v.Reason == "DUPLICATE" || v.Reason == "DEPTH" || strings.HasPrefix(v.Detail, "is not UTF-8") ||
			strings.HasPrefix(v.Detail, "is not a known member; there is one")
		if !ours {
			t.Errorf("refused, but encoding/json takes it: %v", v)
		}
	}
}
