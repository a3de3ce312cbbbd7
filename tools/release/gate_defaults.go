package release

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// gateDefaults: a default, a log key or a metric name that differs from the last release's is under a heading
// "### Changed defaults". The tables of a README are what is compared: tests hold them equal to the code.
func gateDefaults(ctx context.Context, c *candidate) error {
	var faults []error
	for _, m := range c.examined() {
		if err := c.compareDefaults(ctx, m); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func (c *candidate) compareDefaults(ctx context.Context, m *modproxy.Module) error {
	readme, err := os.ReadFile(filepath.Join(m.Dir, "README.md"))
	if err != nil {
		return fmt.Errorf("%s/README.md: every module has one: %w", m.Name, err)
	}
	now, base := defaultsOf(string(readme)), last(c.releases[m.Path])
	if base == "" {
		return nil
	}
	text, err := c.git.run(ctx, "show", m.Name+"/"+base+":"+m.Name+"/README.md")
	if err != nil {
		return err
	}
	before := defaultsOf(text)
	var changed []string
	for _, key := range slices.Sorted(maps.Keys(before)) {
		switch value, there := now[key]; {
		case !there:
			changed = append(changed, fmt.Sprintf("%s is gone (was %s)", key, before[key]))
		case value != before[key]:
			changed = append(changed, fmt.Sprintf("%s: %s, was %s", key, value, before[key]))
		}
	}
	if len(changed) == 0 {
		return nil
	}
	notes, err := c.changelog(m)
	if err != nil || notes.has("Changed defaults") {
		return err
	}
	return fmt.Errorf("%s/README.md differs from %s, and %s/CHANGELOG.md has no line under %q:\n  %s",
		m.Name, base, m.Name, "### Changed defaults", strings.Join(changed, "\n  "))
}

// defaultsOf maps "table: row" to the value, for each row of the tables in a README that a service can depend on: those
// with a column Default, those about codes, of which all columns count, and those of metrics, log keys and headers, of
// which the names count.
func defaultsOf(readme string) map[string]string {
	rows := map[string]string{}
	heading, column, inTable := "", -1, false
	var head []string
	for line := range strings.Lines(readme) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			heading = strings.TrimLeft(line, "# ")
		}
		if !strings.HasPrefix(line, "|") {
			inTable = false
			continue
		}
		cells := cellsOf(line)
		if !inTable {
			inTable, head, column = true, cells, slices.Index(cells, "Default")
			continue
		}
		switch {
		case strings.Trim(cells[0], ":- ") == "":
		case column >= 0 && column < len(cells):
			rows[heading+": "+cells[0]] = cells[column]
		case strings.EqualFold(head[0], "code"):
			rows[heading+": "+cells[0]] = strings.Join(cells[1:], ", ")
		case names(heading) || names(head[0]):
			rows[heading+": "+cells[0]] = "named"
		}
	}
	return rows
}

// names reports whether the first column of a table with this title, or under this heading, is of names that dashboards
// and alerts use.
func names(title string) bool {
	title = strings.ToLower(title)
	return title == "key" || slices.ContainsFunc([]string{"metric", "log key", "header", "keys", "on the wire"}, func(word string) bool { return strings.Contains(title, word) })
}

// cellsOf splits a table's line at the bars that are not escaped.
func cellsOf(line string) []string {
	const bar = "\x00"
	cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, bar), "|"), "|")
	for i, cell := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(cell, bar, "|"))
	}
	return cells
}
