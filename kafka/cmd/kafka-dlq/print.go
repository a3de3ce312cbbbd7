package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/backend-platform/sdk/kafka"
)

// printable replaces what a terminal would act on, or show where it does not
// stand. Records and errors hold anybody's text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// shorten cuts a text for a table's cell.
func shorten(s string, most int) string {
	s = printable(strings.Join(strings.Fields(s), " "))
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

func or(s, none string) string {
	if s == "" {
		return none
	}
	return s
}

// ago says how long ago something was, in the two largest units.
func ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := time.Since(t)
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// thousands prints a number for people.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// table aligns its rows.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer, columns ...any) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(columns...)
	return t
}

func (t table) row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t, "\t")
		}
		fmt.Fprint(t, cell)
	}
	fmt.Fprintln(t)
}

// line writes a value as a line of JSON.
func line(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// letterJSON is a dead letter for programs. Key and value are text where they
// are, else base64.
type letterJSON struct {
	ID           string       `json:"id"`
	At           string       `json:"at"`
	Readable     bool         `json:"readable"`
	Writer       string       `json:"writer,omitempty"`
	Lost         bool         `json:"lost,omitempty"`
	Failed       time.Time    `json:"failed"`
	FirstFailure *time.Time   `json:"first_failure,omitempty"`
	Timestamp    *time.Time   `json:"timestamp,omitempty"`
	Group        string       `json:"group,omitempty"`
	Source       string       `json:"source,omitempty"`
	Code         string       `json:"code"`
	Reason       string       `json:"reason,omitempty"`
	Message      string       `json:"message,omitempty"`
	Stack        string       `json:"stack,omitempty"`
	Attempts     int          `json:"attempts"`
	Redrives     int          `json:"redrives"`
	Hops         int          `json:"hops"`
	TraceID      string       `json:"trace_id,omitempty"`
	Key          *string      `json:"key,omitempty"`
	KeyBase64    []byte       `json:"key_base64,omitempty"`
	Value        *string      `json:"value,omitempty"`
	ValueBase64  []byte       `json:"value_base64,omitempty"`
	Headers      []headerJSON `json:"headers,omitempty"`
}

type headerJSON struct {
	Key         string  `json:"key"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 []byte  `json:"value_base64,omitempty"`
}

func newLetterJSON(d *kafka.DeadLetter) letterJSON {
	l := letterJSON{
		ID: d.Record.ID().String(), At: place(d), Readable: d.Readable, Writer: string(d.Writer), Lost: d.Lost, Hops: d.Failure.Hops, Failed: d.Time.UTC(), Group: d.Failure.Group,
		Code: d.Failure.Code.String(), Reason: d.Failure.Reason, Message: d.Failure.Message, Stack: d.Failure.Stack,
		Attempts: d.Failure.Attempts, Redrives: d.Failure.Redrives, TraceID: d.TraceID(),
		FirstFailure: known(d.Failure.FirstFailure), Timestamp: known(d.Failure.Timestamp),
	}
	if d.Readable {
		l.Source = d.Failure.Source.String()
	}
	l.Key, l.KeyBase64 = textOrBytes(d.Record.Key)
	l.Value, l.ValueBase64 = textOrBytes(d.Record.Value)
	for _, h := range d.Record.Headers {
		header := headerJSON{Key: h.Key}
		header.Value, header.ValueBase64 = textOrBytes(h.Value)
		l.Headers = append(l.Headers, header)
	}
	return l
}

// place is where a dead letter lies: partition/offset.
func place(d *kafka.DeadLetter) string { return fmt.Sprintf("%d/%d", d.Partition, d.Offset) }

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

func textOrBytes(b []byte) (*string, []byte) {
	if b == nil {
		return nil, nil
	}
	if utf8.Valid(b) {
		return new(string(b)), nil
	}
	return nil, b
}
