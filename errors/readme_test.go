package errors_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
)

// readmeTable returns the rows of the README's table that begins with the header.
func readmeTable(t *testing.T, header string) []string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(readme), "\n"+header+"\n")
	if !ok {
		t.Fatalf("README.md has no table %q", header)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	return strings.Split(table, "\n")[1:] // without the line of dashes
}

func TestReadmeShowsTheTable(t *testing.T) {
	var want []string
	for _, code := range errors.Codes() {
		want = append(want, readmeRow(code))
	}
	if diff := cmp.Diff(want, readmeTable(t, "| code | number | HTTP | retry | log level | server span | consumer |")); diff != "" {
		t.Error(diff)
	}
}

func readmeRow(code errors.Code) string {
	span := "unset"
	if code.ServerFault() {
		span = "error"
	}
	return fmt.Sprintf("| %v | %d | %d | %v | %s | %s | %v |", code, uint32(code), code.HTTPStatus(), code.Retry(), strings.ToLower(code.Level().String()), span, code.Redelivery())
}

func TestReadmeShowsTheMembers(t *testing.T) {
	var got []string
	for _, row := range readmeTable(t, "| member | says |") {
		names, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		got = append(got, strings.Split(names, ", ")...)
	}
	if diff := cmp.Diff(problemMembers, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadmeShowsTheBounds(t *testing.T) {
	long := strings.Repeat("x", 30_000)
	full := decode(400, `{"title":"`+long+`","detail":"`+long+`","reason":"`+long[:5000]+`"}`)
	uris := decode(400, `{"type":"`+long+`","domain":"`+long[:5000]+`","trace_id":"`+long[:5000]+`","errors":[{"pointer":"`+long[:9000]+`"}]}`)
	texts := decode(400, `{"instance":"`+long[:9000]+`","errors":[{"detail":"`+long[:9000]+`"}],"metadata":{"k":"`+long[:9000]+`"}}`)
	named := func(n int) *errors.Error {
		return decode(400, `{"metadata":{"`+long[:n]+`":""},"`+long[:n]+`":1}`)
	}
	name := 1
	for len(named(name+1).Metadata()) == 1 && len(named(name+1).Unknown()) == 1 {
		name++
	}
	depth := 1
	for decode(400, `{"detail":"d","x":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}`).Message() == "d" {
		depth++
	}
	document := errors.MaxProblemBytes
	if padded := func(n int) *errors.Error { return decode(400, `{"detail":"d"}`+strings.Repeat(" ", n-14)) }; padded(document).Message() != "d" || padded(document+1).Message() != "" {
		t.Errorf("a document of %d bytes is not the largest that is read", document)
	}
	var list, pairs, members strings.Builder
	attrs := errors.NotFound.New("")
	for i := range 2000 {
		list.WriteString(`{},`)
		fmt.Fprintf(&pairs, `"%d":"",`, i)
		fmt.Fprintf(&members, `"%d":0,`, i)
		attrs = attrs.WithAttrs(slog.Int(fmt.Sprint(i), i))
	}
	many := decode(400, `{`+members.String()+`"errors":[`+list.String()+`{}],"metadata":{`+pairs.String()+`"":""}}`)
	looked := 0
	for n := 1; looked == 0; n++ {
		if n&(n-1) == 0 && errors.CodeOf(deep(errors.NotFound, n)) != errors.NotFound {
			looked = n
		}
	}
	asked := 1
	for !strings.Contains(errors.NotFound.Wrap(deep(io.EOF, asked), "").Error(), "chain") {
		asked++
	}
	want := []string{
		bound("document", size(document)+", beyond which the status alone decides"),
		bound("nesting", fmt.Sprintf("%d deep, beyond which the status alone decides", depth)),
		bound("message, violation, value of metadata", one(t, len(full.Message()), len(texts.Violations()[0].Detail), len(texts.Metadata()["k"]))+" each"),
		bound("type, instance, pointer", one(t, len(uris.Type()), len(texts.Instance()), len(uris.Violations()[0].Pointer))+" each"),
		bound("title", size(len(full.Title()))),
		bound("reason, domain, trace id, name of a member or of metadata", one(t, len(full.Reason()), len(uris.Domain()), len(uris.TraceID()), name)+" each"),
		bound("violations", fmt.Sprint(len(many.Violations()))),
		bound("metadata, unknown members, attributes for the log", one(t, len(many.Metadata()), len(many.Unknown()), len(attrs.Attrs()))[:2]+" each"),
		bound("text of an error", size(len(strings.TrimSuffix(errors.NotFound.New(long).Error(), "…")))),
		bound("errors of a tree that are looked at", fmt.Sprint(looked)),
		bound("errors of a chain whose texts are asked for", fmt.Sprint(asked)),
		bound("frames of a stack", fmt.Sprint(len(slices.Collect(errors.StackTrace(recursive(100)))))),
	}
	if diff := cmp.Diff(want, readmeTable(t, "| bound | value |")); diff != "" {
		t.Error(diff)
	}
}

func bound(what, value string) string { return "| " + what + " | " + value + " |" }

func recursive(n int) error {
	if n == 0 {
		return errors.Internal.New("x")
	}
	return recursive(n - 1)
}

func size(n int) string {
	if n%1024 == 0 {
		return fmt.Sprintf("%d KiB", n/1024)
	}
	return fmt.Sprintf("%d bytes", n)
}

// one is the size that all have.
func one(t *testing.T, sizes ...int) string {
	t.Helper()
	for _, n := range sizes {
		if n != sizes[0] {
			t.Errorf("%v are not alike", sizes)
		}
	}
	return size(sizes[0])
}
