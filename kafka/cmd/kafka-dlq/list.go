package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/backend-platform/sdk/kafka"
)

var listCommand = command{
	name: "list", args: "[TOPIC GROUP]", purpose: "how many dead letters there are, of whom, and why; or one line for each",
	help: `Without arguments: the dead letters of the cluster by topic and group. PENDING are those that nobody has
put back or parked yet; OLDEST and WHY are about them.
With TOPIC and GROUP: one line for each pending dead letter, the oldest of each partition first.

Examples:
  kafka-dlq list
  kafka-dlq list -since 2h
  kafka-dlq list orders shipping -code unavailable -limit 100
  kafka-dlq list -json | jq 'select(.pending > 0)'
`,
	run: runList,
}

func runList(ctx context.Context, o *options, args []string) error {
	o.filters()
	limit := o.Int("limit", 20, "with TOPIC and GROUP, the most `lines`; 0: all, as with -json when it is not given")
	all := o.Bool("all", false, "with TOPIC and GROUP, also those that were put back or parked")
	words, err := o.parse(args, 0, 2)
	if err != nil {
		return err
	}
	if o.json && !o.given("limit") {
		*limit = 0
	}
	switch len(words) {
	case 0:
		return o.listGroups(ctx)
	case 2:
		return o.listLetters(ctx, words[0], words[1], *limit, *all)
	}
	return o.wrong("want TOPIC and GROUP, or neither")
}

type countJSON struct {
	From    string       `json:"from"`
	Topic   string       `json:"topic,omitempty"`
	Group   string       `json:"group,omitempty"`
	Total   int          `json:"total"`
	Pending int          `json:"pending"`
	Oldest  *time.Time   `json:"oldest,omitempty"`
	Newest  *time.Time   `json:"newest,omitempty"`
	Reasons []reasonJSON `json:"reasons,omitempty"`
}

type reasonJSON struct {
	Code   string `json:"code"`
	Reason string `json:"reason,omitempty"`
	Count  int    `json:"count"`
}

func (o *options) listGroups(ctx context.Context) error {
	cfg := kafka.CountConfig{Filter: o.filter, Connection: o.connection(), Logger: o.logger()}
	if o.from != "" {
		cfg.From = []string{o.from}
	}
	counts, err := kafka.CountDeadLetters(ctx, o.addresses(), cfg)
	if err != nil {
		return err
	}
	if o.json {
		for _, n := range counts {
			if err := line(o.c.out, newCountJSON(n)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(counts) == 0 {
		fmt.Fprintln(o.c.out, "There are no dead letters.")
		return nil
	}
	t := newTable(o.c.out, "TOPIC", "GROUP", "DEAD LETTERS", "PENDING", "OLDEST", "NEWEST", "WHY")
	for _, n := range counts {
		t.row(or(printable(n.Topic), "? in "+printable(n.From)), or(printable(n.Group), "?"),
			thousands(n.Total), thousands(n.Pending), ago(n.Oldest), ago(n.Newest), why(n.Reasons))
	}
	return t.Flush()
}

// why names the most frequent reasons.
func why(reasons []kafka.ReasonCount) string {
	const most = 3
	var parts []string
	rest := 0
	for i, r := range reasons {
		if i >= most {
			rest += r.Count
			continue
		}
		name := r.Code.String()
		if r.Reason != "" {
			name += " " + shorten(r.Reason, 40)
		}
		parts = append(parts, fmt.Sprintf("%s %s", thousands(r.Count), name))
	}
	if rest > 0 {
		parts = append(parts, thousands(rest)+" others")
	}
	return or(strings.Join(parts, ", "), "-")
}

func newCountJSON(n kafka.DeadLetterCount) countJSON {
	out := countJSON{
		From: n.From, Topic: n.Topic, Group: n.Group, Total: n.Total, Pending: n.Pending,
		Oldest: known(n.Oldest), Newest: known(n.Newest),
	}
	for _, r := range n.Reasons {
		out.Reasons = append(out.Reasons, reasonJSON{r.Code.String(), r.Reason, r.Count})
	}
	return out
}

func (o *options) listLetters(ctx context.Context, topic, group string, limit int, all bool) error {
	t := newTable(o.c.out, "AT", "RECORD", "FAILED", "CODE", "REASON", "TRIES", "REDRIVES", "KEY", "ERROR")
	shown, more := 0, 0
	for d, err := range kafka.Browse(ctx, o.addresses(), topic, group, o.browse(!all)) {
		if err != nil {
			return err
		}
		if limit > 0 && shown == limit {
			more++
			continue
		}
		shown++
		if o.json {
			if err := line(o.c.out, newLetterJSON(d)); err != nil {
				return err
			}
			continue
		}
		t.row(place(d), printable(d.Record.ID().String()), ago(d.Time), d.Failure.Code, or(shorten(d.Failure.Reason, 30), "-"),
			d.Failure.Attempts, d.Failure.Redrives, keyCell(d.Record.Key), or(shorten(withoutCode(&d.Failure), 60), "-"))
	}
	switch {
	case o.json:
		return nil
	case shown == 0:
		fmt.Fprintln(o.c.out, "There are no such dead letters.")
		return nil
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if more > 0 {
		fmt.Fprintf(o.c.out, "… and %s more (-limit 0 shows all)\n", thousands(more))
	}
	return nil
}

func (o *options) browse(pending bool) kafka.BrowseConfig {
	return kafka.BrowseConfig{From: o.from, Filter: o.filter, Pending: pending, Connection: o.connection(), Logger: o.logger()}
}

// withoutCode leaves out of an error's text what stands in other columns.
func withoutCode(f *kafka.Failure) string {
	prefix := f.Code.String()
	if f.Reason != "" {
		prefix += " (" + f.Reason + ")"
	}
	return strings.TrimPrefix(f.Message, prefix+": ")
}

func keyCell(key []byte) string {
	switch {
	case key == nil:
		return "-"
	case len(key) == 0:
		return `""`
	}
	return shorten(string(key), 30)
}
