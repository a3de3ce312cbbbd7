package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	resultsPage = "RESULTS.md"
	resultsFile = "results.json"
)

// report is a whole run.
type report struct {
	Machine machine        `json:"machine"`
	Seconds int            `json:"seconds"` // that it took
	Bars    map[string]int `json:"bars"`    // how many of each verdict
	Rows    []result       `json:"rows"`
}

func newReport(m machine, took time.Duration, rows []result) report {
	r := report{Machine: m, Seconds: int(took.Seconds()), Bars: map[string]int{}, Rows: rows}
	for _, row := range rows {
		for _, v := range row.Bars {
			r.Bars[v.counted()]++
		}
	}
	return r
}

// write makes RESULTS.md for people and results.json for programs.
func (r report) write() error {
	if err := os.WriteFile(resultsPage, []byte(r.markdown()), 0o644); err != nil {
		return err
	}
	return writeJSON(resultsFile, r)
}

func writeJSON(file string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// summary is one line about all bars.
func (r report) summary() string {
	var parts []string
	for _, v := range []string{met, inNoise, missed, notMeasured} {
		if r.Bars[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", r.Bars[v], v))
		}
	}
	failed := 0
	for _, row := range r.Rows {
		if row.Failed != "" {
			failed++
		}
	}
	if failed > 0 {
		parts = append(parts, fmt.Sprintf("rows that failed: %d", failed))
	}
	return "Bars: " + strings.Join(parts, ", ") + "."
}

// fault says why the run does not end with 0: a bar that was missed by more than the noise, or a row that failed.
func (r report) fault() error {
	var missedBars []string
	for _, row := range r.Rows {
		if row.Failed != "" {
			missedBars = append(missedBars, row.Name+": failed: "+row.Failed)
		}
		for _, v := range row.Bars {
			if v.counted() == missed {
				missedBars = append(missedBars, row.Name+": "+v.String())
			}
		}
	}
	if missedBars == nil {
		return nil
	}
	return fmt.Errorf("missed by more than the noise:\n  %s", strings.Join(missedBars, "\n  "))
}

func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Results\n\nWritten by `make bench` on %s in %d s, of commit %s: %s. Do not edit.\n\n",
		r.Machine.Date, r.Seconds, cmp.Or(r.Machine.Commit, "unknown"), r.Machine)
	b.WriteString("A figure is the median of rounds in which the contenders take turns in random order, and so is a ratio, which is taken " +
		"round by round; ± is half the distance of its quartiles. Compare ratios and allocations: the times are those of one machine. " +
		"A bar is within the noise where it is missed by less than that, and held against a floor where not even that meets it.\n\n")
	b.WriteString(r.summary() + "\n\n| work | bar | measured | |\n| --- | --- | --- | --- |\n")
	for _, row := range r.Rows {
		b.WriteString(row.barsMarkdown())
	}
	group := ""
	for _, row := range r.Rows {
		if row.Group != group {
			group = row.Group
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		b.WriteString(row.markdown())
	}
	b.WriteString("\n## Versions\n\n```text\n")
	for _, module := range slices.Sorted(maps.Keys(r.Machine.Versions)) {
		fmt.Fprintf(&b, "%s %s\n", module, r.Machine.Versions[module])
	}
	b.WriteString("```\n")
	return b.String()
}

// barsMarkdown are the rows of a table with a line for each bar.
func (r result) barsMarkdown() string {
	var b strings.Builder
	for i, v := range r.Bars {
		name, verdict := r.Name, v.Verdict
		if i > 0 {
			name = "" // it stands above
		}
		if v.Floor != nil {
			verdict = "out of reach"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, v.Bar, v.measured(), verdict)
		if f := v.Floor; f != nil {
			fmt.Fprintf(&b, "| | %s, as that takes %.2f ± %.2f × | %s | %s |\n", f.Bar, f.Reach, f.ReachNoise, f.measured(), f.Verdict)
		}
	}
	return b.String()
}

func (r result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n", r.Name)
	if r.Failed != "" {
		fmt.Fprintf(&b, "Failed: %s\n\n", strings.ReplaceAll(r.Failed, "\n", " "))
	}
	if r.Processes {
		fmt.Fprintf(&b, "| | time a %s | spread | CPU time | memory | SDK's time as a multiple | its CPU time | its memory |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n", r.Unit)
	} else {
		fmt.Fprintf(&b, "| | time a %s | spread | CPU time | allocations | bytes | SDK's time as a multiple | its CPU time |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n", r.Unit)
	}
	for _, l := range r.Lines {
		b.WriteString(l.markdown(r.Processes))
	}
	for _, l := range r.Lines {
		if l.Note != "" {
			fmt.Fprintf(&b, "\n%s: %s.\n", l.Name, strings.TrimSuffix(l.Note, "."))
		}
	}
	return b.String()
}

func (l entry) markdown(process bool) string {
	switch {
	case l.Cannot != "":
		return fmt.Sprintf("| %s | cannot: %s | | | | | | |\n", l.Name, l.Cannot)
	case l.NotRun != "":
		return fmt.Sprintf("| %s | not run: %s | | | | | | |\n", l.Name, strings.ReplaceAll(l.NotRun, "\n", " "))
	}
	multiple := func(ratio, noise float64) string {
		if ratio == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f ± %.2f", ratio, noise)
	}
	line := fmt.Sprintf("| %s | %s | ± %.0f %% | %s |", l.Name, duration(l.Nanos), 100*l.Spread, duration(l.CPU))
	if process {
		memory := "–"
		if l.MemoryOf > 0 {
			memory = fmt.Sprintf("%.2f", l.MemoryOf)
		}
		return line + fmt.Sprintf(" %.0f MiB | %s | %s | %s |\n", l.Memory, multiple(l.Ratio, l.Noise), multiple(l.CPUOf, l.CPUNoise), memory)
	}
	return line + fmt.Sprintf(" %.1f | %.0f | %s | %s |\n", l.Allocs, l.Bytes, multiple(l.Ratio, l.Noise), multiple(l.CPUOf, l.CPUNoise))
}
