package httpserver_test

import (
	"encoding/json"
	"errors"
	"fmt"
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
		`{"id":"01","other":1}`:     {fault},
		`{"id":"-7","other":"+1"}`:  {fault},
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
