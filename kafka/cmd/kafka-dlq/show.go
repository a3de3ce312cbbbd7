package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

var showCommand = command{
	name: "show", args: "TOPIC GROUP [WHICH]", purpose: "one dead letter: the record as it was, the error and the trace",
	help: `WHICH is what list prints in its column AT (partition/offset) or RECORD (topic/partition/offset). Without it,
the first pending dead letter that the flags select is shown.

Examples:
  kafka-dlq show orders shipping
  kafka-dlq show orders shipping 0/17
  kafka-dlq show orders shipping orders/3/4711
  kafka-dlq show orders shipping 0/17 -value | jq .
`,
	run: runShow,
}

func runShow(ctx context.Context, o *options, args []string) error {
	o.filters()
	value := o.Bool("value", false, "print the value alone, byte for byte")
	words, err := o.parse(args, 2, 3)
	if err != nil {
		return err
	}
	which := ""
	if len(words) == 3 {
		which = words[2]
	}
	d, err := o.find(ctx, words[0], words[1], which)
	switch {
	case err != nil:
		return err
	case *value:
		_, err := o.c.out.Write(d.Record.Value)
		return err
	case o.json:
		return line(o.c.out, newLetterJSON(d))
	}
	return printLetter(o.c.out, d)
}

func (o *options) find(ctx context.Context, topic, group, which string) (*kafka.DeadLetter, error) {
	for d, err := range kafka.Browse(ctx, o.addresses(), topic, group, o.browse(which == "")) {
		if err != nil {
			return nil, err
		}
		if which == "" || which == place(d) || which == d.Record.ID().String() {
			return d, nil
		}
	}
	if which == "" {
		return nil, errors.NotFound.Newf("There is no such dead letter of topic %q and group %q.", topic, group)
	}
	return nil, errors.NotFound.Newf("There is no dead letter %q of topic %q and group %q.", which, topic, group)
}

func printLetter(out io.Writer, d *kafka.DeadLetter) error {
	t := newTable(out, "record", printable(d.Record.ID().String()))
	f := &d.Failure
	row := func(name, value string) {
		if value != "" {
			t.row(name, value)
		}
	}
	row("lies at", fmt.Sprintf("%s/%s", d.Topic, place(d)))
	if d.Readable && f.Source != f.Origin {
		row("failed at", printable(f.Source.String()))
	}
	if !d.Readable {
		row("", "its headers do not say where it came from; a redrive leaves it alone")
	}
	if d.Writer != kafka.WriterSDK {
		row("written by", string(d.Writer))
	}
	row("group", printable(f.Group))
	row("written", stamp(f.Timestamp))
	row("first failed", stamp(f.FirstFailure))
	row("failed", stamp(d.Time))
	row("tries", fmt.Sprint(f.Attempts))
	if f.Redrives > 0 {
		row("put back", fmt.Sprintf("%d times, tried %d times since", f.Redrives, f.Deliveries))
	}
	row("code", f.Code.String())
	row("reason", printable(f.Reason))
	row("error", printable(f.Message))
	row("trace", d.TraceID())
	if err := t.Flush(); err != nil {
		return err
	}
	if f.Stack != "" {
		fmt.Fprintln(out, "\nstack")
		for text := range strings.Lines(f.Stack) {
			fmt.Fprintln(out, "  "+printable(strings.TrimRight(strings.ReplaceAll(text, "\t", "    "), "\r\n")))
		}
	}
	if len(d.Record.Headers) > 0 {
		fmt.Fprintln(out, "\nheaders")
		for _, h := range d.Record.Headers {
			fmt.Fprintf(out, "  %s: %s\n", printable(h.Key), inline(h.Value))
		}
	}
	if d.Lost {
		fmt.Fprintln(out, "\nkey and value are lost: the share group wrote no copy, and the record has been deleted from its topic")
		return nil
	}
	fmt.Fprintln(out, "\nkey\n"+indent(content(d.Record.Key)))
	fmt.Fprintln(out, "\nvalue\n"+indent(content(d.Record.Value)))
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s (%s ago)", t.UTC().Format("2006-01-02T15:04:05.000Z07:00"), ago(t))
}

// content shows bytes as JSON, as text or as a hex dump, whichever they are.
func content(b []byte) string {
	switch {
	case b == nil:
		return "none (null)"
	case len(b) == 0:
		return "empty"
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, b, "", "  ") == nil {
		return printableLines(pretty.String())
	}
	if utf8.Valid(b) && printableLines(string(b)) == string(b) {
		return string(b)
	}
	const most = 4 << 10
	text := hex.Dump(b[:min(len(b), most)])
	if len(b) > most {
		text += fmt.Sprintf("… %s bytes in all (-value prints them)", thousands(len(b)))
	}
	return strings.TrimRight(text, "\n")
}

func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// inline shows a header's value on one line.
func inline(b []byte) string {
	if b == nil {
		return "none (null)"
	}
	if text := string(b); utf8.Valid(b) && printable(text) == text {
		return text
	}
	const most = 64
	text := "0x" + hex.EncodeToString(b[:min(len(b), most)])
	if len(b) > most {
		text += fmt.Sprintf("… (%s bytes)", thousands(len(b)))
	}
	return text
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }
