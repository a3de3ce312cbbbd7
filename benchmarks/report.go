package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// result is a measured row.
type result struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Lines []entry `json:"contenders"`
	// Processes have memory instead of allocations.
	Processes bool `json:"processes,omitempty"`
}

// entry is one contender's line in a row.
type entry struct {
	Name   string  `json:"name"`
	Note   string  `json:"note,omitempty"`
	Nanos  float64 `json:"ns"`
	Spread float64 `json:"spread"` // half the distance of the quartiles, as a share of the median
	Allocs float64 `json:"allocs"`
	Bytes  float64 `json:"bytes"`
	CPU    float64 `json:"cpu_ns"`
	Ratio  float64 `json:"sdk_ratio"`     // the SDK's time as a multiple of this contender's: the median of the rounds'
	CPUOf  float64 `json:"sdk_cpu_ratio"` // and its CPU time
	// Of a process of its own:
	Memory   float64 `json:"memory_mib,omitempty"` // the most at a time
	MemoryOf float64 `json:"sdk_memory_ratio,omitempty"`
	NotRun   string  `json:"not_run,omitempty"` // why it could not run here
}

func newResult(r row, all []*prepared) result {
	out := result{Name: r.name, Unit: r.unit}
	sdk := all[0]
	for _, p := range all {
		m := p.measurement()
		out.Lines = append(out.Lines, entry{
			Name: m.name, Note: m.note, Nanos: m.nanos, Spread: m.spread, Allocs: m.allocs, Bytes: m.bytes, CPU: m.cpu,
			Ratio: ratio(sdk.nanos, p.nanos), CPUOf: ratio(sdk.cpu, p.cpu),
		})
	}
	return out
}

// ratio is the median of the ratios of each round: what the machine was busy with in a round, it was for both.
func ratio(ours, theirs []float64) float64 {
	ratios := make([]float64, len(ours))
	for i := range ratios {
		ratios[i] = ours[i] / theirs[i]
	}
	return quantile(ratios, 0.5)
}

func (r result) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", r.Name)
	for _, l := range r.Lines {
		switch {
		case l.NotRun != "":
			fmt.Fprintf(&b, "  %-36s not run: %s\n", l.Name, l.NotRun)
			continue
		case r.Processes:
			fmt.Fprintf(&b, "  %-36s %12s/%s ±%2.0f %%  %10s CPU  %8.1f MiB   SDK is %.2f ×, in CPU time %.3f ×, in memory %.2f ×\n",
				l.Name, duration(l.Nanos), r.Unit, 100*l.Spread, duration(l.CPU), l.Memory, l.Ratio, l.CPUOf, l.MemoryOf)
			continue
		}
		fmt.Fprintf(&b, "  %-36s %12s/%s ±%2.0f %%  %10s CPU  %8.1f allocs  %10.0f B   SDK is %.2f ×, in CPU time %.2f ×\n",
			l.Name, duration(l.Nanos), r.Unit, 100*l.Spread, duration(l.CPU), l.Allocs, l.Bytes, l.Ratio, l.CPUOf)
	}
	return b.String()
}

func (r result) markdown() string {
	if r.Processes {
		return r.processesMarkdown()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n| | time a %s | spread | CPU time | allocations | bytes | SDK's time as a multiple | and its CPU time |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n", r.Name, r.Unit)
	for _, l := range r.Lines {
		fmt.Fprintf(&b, "| %s | %s | ± %.0f %% | %s | %.1f | %.0f | %.2f | %.2f |\n",
			l.Name, duration(l.Nanos), 100*l.Spread, duration(l.CPU), l.Allocs, l.Bytes, l.Ratio, l.CPUOf)
	}
	r.writeNotes(&b)
	return b.String()
}

func (r result) processesMarkdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n| | time a %s | spread | CPU time | memory | SDK's time as a multiple | its CPU time | its memory |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n", r.Name, r.Unit)
	for _, l := range r.Lines {
		if l.NotRun != "" {
			fmt.Fprintf(&b, "| %s | not run: %s | | | | | | |\n", l.Name, l.NotRun)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | ± %.0f %% | %s | %.0f MiB | %.2f | %.3f | %.2f |\n",
			l.Name, duration(l.Nanos), 100*l.Spread, duration(l.CPU), l.Memory, l.Ratio, l.CPUOf, l.MemoryOf)
	}
	r.writeNotes(&b)
	return b.String()
}

func (r result) writeNotes(b *strings.Builder) {
	for _, l := range r.Lines {
		if l.Note != "" {
			fmt.Fprintf(b, "\n%s: %s\n", l.Name, l.Note)
		}
	}
}

func duration(nanos float64) string {
	switch {
	case nanos < 1e3:
		return fmt.Sprintf("%.1f ns", nanos)
	case nanos < 1e6:
		return fmt.Sprintf("%.2f µs", nanos/1e3)
	}
	return fmt.Sprintf("%.2f ms", nanos/1e6)
}

// machine says where and with what a run was made.
type machine struct {
	Date     string   `json:"date"`
	Go       string   `json:"go"`
	OS       string   `json:"os"`
	Arch     string   `json:"arch"`
	CPUs     int      `json:"cpus"`
	Versions []string `json:"versions"`
}

func thisMachine() machine {
	m := machine{time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), nil}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if !strings.HasPrefix(dep.Path, "github.com/backend-platform/") {
				m.Versions = append(m.Versions, dep.Path+" "+dep.Version)
			}
		}
	}
	slices.Sort(m.Versions)
	return m
}

// write makes RESULTS.md for people and results.json for programs.
func write(results []result) error {
	m := thisMachine()
	var b strings.Builder
	fmt.Fprintf(&b, "# Results\n\nWritten by `make bench` on %s: %s, %s/%s, %d CPUs. Medians of interleaved rounds.\n"+
		"Compare ratios and allocations; the times are those of one machine.\n", m.Date, m.Go, m.OS, m.Arch, m.CPUs)
	for _, r := range results {
		b.WriteString(r.markdown())
	}
	fmt.Fprintf(&b, "\n## Versions\n\n```text\n%s\n```\n", strings.Join(m.Versions, "\n"))
	if err := os.WriteFile("RESULTS.md", []byte(b.String()), 0o644); err != nil {
		return err
	}
	text, err := json.MarshalIndent(struct {
		Machine machine  `json:"machine"`
		Rows    []result `json:"rows"`
	}{m, results}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile("results.json", append(text, '\n'), 0o644)
}
