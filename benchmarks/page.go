package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/template"
)

const (
	pageFile     = "../docs/PERFORMANCE.md"
	pageTemplate = "PERFORMANCE.md.tmpl"
)

// render makes RESULTS.md, the plots and the page again.
func render() error {
	r, g, err := readResults()
	if err != nil {
		return err
	}
	if err := os.WriteFile(resultsPage, []byte(r.markdown()), 0o644); err != nil {
		return err
	}
	for _, c := range g.Charts {
		if err := c.draw(); err != nil {
			return err
		}
	}
	return writePage()
}

// writePage makes docs/PERFORMANCE.md of its template and of what was measured, so that it has no figure that was not.
func writePage() error {
	r, g, err := readResults()
	if errors.Is(err, os.ErrNotExist) {
		fmt.Printf("%s is made when both make bench and make bench-growth have run: %v\n", pageFile, err)
		return nil
	}
	if err != nil {
		return err
	}
	text, err := page(r, g)
	if err != nil {
		return err
	}
	return os.WriteFile(pageFile, []byte(text), 0o644)
}

func readResults() (r report, g growth, err error) {
	return r, g, errors.Join(readJSON(resultsFile, &r), readJSON(growthFile, &g))
}

func readJSON(file string, value any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, value)
}

func page(r report, g growth) (string, error) {
	f := figures{r, g}
	t, err := template.New(pageTemplate).Funcs(template.FuncMap{
		"run": f.run, "growthRun": f.growthRun, "summary": r.summary, "bars": f.bars, "versions": f.versions,
		"time": f.time, "cpu": f.cpu, "allocs": f.allocs, "bytes": f.bytes, "memory": f.memory, "rate": f.rate,
		"ratio": f.ratio, "cpuRatio": f.cpuRatio, "memoryRatio": f.memoryRatio, "grown": f.grown, "grownMemory": f.grownMemory,
	}).ParseFiles(pageTemplate)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, nil)
	return b.String(), err
}

// figures are what the template may say. What was not run says so; what does not exist is an error.
type figures struct {
	results report
	growth  growth
}

func (f figures) run() string {
	return fmt.Sprintf("%s, commit %s, %s", f.results.Machine.Date, cmp.Or(f.results.Machine.Commit, "unknown"), f.results.Machine)
}

func (f figures) growthRun() string {
	return fmt.Sprintf("%s, %s", f.growth.Machine.Date, f.growth.Machine)
}

// bars is the table of the rows whose names begin so.
func (f figures) bars(prefix string) (string, error) {
	var b strings.Builder
	for _, r := range f.results.Rows {
		if strings.HasPrefix(r.Name, prefix) {
			b.WriteString(r.barsMarkdown())
		}
	}
	if b.Len() == 0 {
		return "", fmt.Errorf("no row begins with %q", prefix)
	}
	return "| work | bar | measured | |\n| --- | --- | --- | --- |\n" + strings.TrimSuffix(b.String(), "\n"), nil
}

// versions names modules with their versions.
func (f figures) versions(modules ...string) (string, error) {
	var all []string
	for _, m := range modules {
		version, ok := f.results.Machine.Versions[m]
		if !ok {
			return "", fmt.Errorf("module %q is not linked", m)
		}
		all = append(all, m[strings.LastIndexAny(m, "/:")+1:]+" "+version)
	}
	return strings.Join(all, ", "), nil
}

func (f figures) entry(row, name string) (entry, error) {
	for _, r := range f.results.Rows {
		if r.Name != row {
			continue
		}
		for _, e := range r.Lines {
			if e.Name == name {
				return e, nil
			}
		}
	}
	return entry{}, fmt.Errorf("row %q has no contender %q", row, name)
}

// figure is one of a contender's.
func (f figures) figure(row, name string, text func(entry) string) (string, error) {
	e, err := f.entry(row, name)
	if err != nil {
		return "", err
	}
	if e.Nanos == 0 {
		return "(not run)", nil
	}
	return text(e), nil
}

func (f figures) time(row, name string) (string, error) {
	return f.figure(row, name, func(e entry) string { return duration(e.Nanos) })
}

func (f figures) cpu(row, name string) (string, error) {
	return f.figure(row, name, func(e entry) string { return duration(e.CPU) })
}

func (f figures) rate(row, name string) (string, error) {
	return f.figure(row, name, func(e entry) string { return number(1e9/e.Nanos) + " a second" })
}

func (f figures) allocs(row, name string) (string, error) {
	return f.figure(row, name, func(e entry) string { return fmt.Sprintf("%.0f", e.Allocs) })
}

func (f figures) bytes(row, name string) (string, error) {
	return f.figure(row, name, func(e entry) string { return number(e.Bytes) + " bytes" })
}

func (f figures) memory(row, name string) (string, error) {
	return f.figure(row, name, func(e entry) string { return number(e.Memory) + " MiB" })
}

func (f figures) ratio(row, name string) (string, error) {
	return f.figure(row, name, func(e entry) string { return fmt.Sprintf("%.2f ×", e.Ratio) })
}

func (f figures) cpuRatio(row, name string) (string, error) {
	return f.figure(row, name, func(e entry) string { return fmt.Sprintf("%.2f ×", e.CPUOf) })
}

func (f figures) memoryRatio(row, name string) (string, error) {
	return f.figure(row, name, func(e entry) string { return fmt.Sprintf("%.2f ×", e.MemoryOf) })
}

func (f figures) point(chart, line string, x float64) (grown, error) {
	for _, c := range f.growth.Charts {
		if c.Name != chart {
			continue
		}
		for _, s := range c.Lines {
			for _, g := range s.Points {
				if s.Name == line && g.X == x {
					return g, nil
				}
			}
		}
	}
	return grown{}, fmt.Errorf("chart %q has no point %v of %q", chart, x, line)
}

// grown is the rate at a point of a chart.
func (f figures) grown(chart, line string, x float64) (string, error) {
	g, err := f.point(chart, line, x)
	return number(g.Rate), err
}

func (f figures) grownMemory(chart, line string, x float64) (string, error) {
	g, err := f.point(chart, line, x)
	return number(g.Memory) + " MiB", err
}
