package main

import (
	"fmt"
	"strings"
)

// result is a measured row.
type result struct {
	Group string  `json:"group"`
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Lines []entry `json:"contenders"`
	// Processes have memory instead of allocations.
	Processes bool      `json:"processes,omitempty"`
	Bars      []verdict `json:"bars,omitempty"`
	NoBar     string    `json:"no_bar,omitempty"` // why there are none
	Rounds    int       `json:"rounds,omitempty"`
	// Failed says why the row could not be measured although what it needs is there.
	Failed string `json:"failed,omitempty"`
}

// entry is one contender's line in a row.
type entry struct {
	Name   string  `json:"name"`
	Note   string  `json:"note,omitempty"`
	Nanos  float64 `json:"ns,omitempty"`
	Spread float64 `json:"spread,omitempty"` // of the rounds, as a share of the median
	CPU    float64 `json:"cpu_ns,omitempty"`
	Allocs float64 `json:"allocs"`
	Bytes  float64 `json:"bytes"`
	Memory float64 `json:"memory_mib,omitempty"` // of a process of its own: the most at a time
	// The SDK's figures as multiples of this contender's: medians of the rounds.
	Ratio    float64 `json:"sdk_ratio,omitempty"`
	Noise    float64 `json:"sdk_ratio_noise,omitempty"`
	CPUOf    float64 `json:"sdk_cpu_ratio,omitempty"`
	CPUNoise float64 `json:"sdk_cpu_ratio_noise,omitempty"`
	MemoryOf float64 `json:"sdk_memory_ratio,omitempty"`
	NotRun   string  `json:"not_run,omitempty"` // why it could not run here
	Cannot   string  `json:"cannot,omitempty"`  // why it cannot do this work at all
}

func newResult(r row, all []*prepared) result {
	out := result{Name: r.name, Unit: r.unit, Bars: judge(r, all), NoBar: r.noBar, Rounds: len(all[0].nanos)}
	for _, p := range all {
		e := entry{Name: p.name, Note: p.note, NotRun: p.notRun}
		if p.ran() {
			e.measured(p, all[0])
		}
		out.Lines = append(out.Lines, e)
	}
	for _, c := range r.cannot {
		out.Lines = append(out.Lines, entry{Name: c.name, Cannot: c.why})
	}
	return out
}

func (e *entry) measured(p, sdk *prepared) {
	e.Nanos, e.CPU = quantile(p.nanos, 0.5), quantile(p.cpu, 0.5)
	e.Spread = spread(p.nanos) / e.Nanos
	if len(p.memory) > 0 {
		e.Memory = quantile(p.memory, 0.5)
	} else {
		e.Allocs, e.Bytes = quantile(p.allocs, 0.5), quantile(p.bytes, 0.5)
	}
	if !sdk.ran() || p == sdk {
		return
	}
	e.Ratio, e.Noise = ratio(sdk.nanos, p.nanos)
	e.CPUOf, e.CPUNoise = ratio(sdk.cpu, p.cpu)
	if len(p.memory) > 0 && len(sdk.memory) > 0 {
		e.MemoryOf, _ = ratio(sdk.memory, p.memory)
	}
}

// notMeasuredHere is the result of a row that could not run.
func (r row) notMeasuredHere(why string) result {
	out := result{Name: r.name, Unit: r.unit, NoBar: r.noBar}
	for _, c := range r.contenders {
		out.Lines = append(out.Lines, entry{Name: c.name, Note: c.note, NotRun: why})
	}
	for _, b := range r.bars {
		out.Bars = append(out.Bars, b.unjudged())
	}
	return out
}

// text is the row as it is printed.
func (r result) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", r.Name)
	if r.Failed != "" {
		fmt.Fprintf(&b, "  failed: %s\n", r.Failed)
	}
	for _, l := range r.Lines {
		switch {
		case l.Cannot != "":
			fmt.Fprintf(&b, "  %-36s cannot: %s\n", l.Name, l.Cannot)
			continue
		case l.NotRun != "":
			fmt.Fprintf(&b, "  %-36s not run: %s\n", l.Name, l.NotRun)
			continue
		}
		fmt.Fprintf(&b, "  %-36s %12s/%s ±%2.0f %%  %10s CPU", l.Name, duration(l.Nanos), r.Unit, 100*l.Spread, duration(l.CPU))
		if r.Processes {
			fmt.Fprintf(&b, "  %8.1f MiB", l.Memory)
		} else {
			fmt.Fprintf(&b, "  %8.1f allocs  %10.0f B", l.Allocs, l.Bytes)
		}
		if l.Ratio > 0 {
			fmt.Fprintf(&b, "   SDK is %.2f ± %.2f ×, in CPU time %.2f ×", l.Ratio, l.Noise, l.CPUOf)
		}
		if l.MemoryOf > 0 {
			fmt.Fprintf(&b, ", in memory %.2f ×", l.MemoryOf)
		}
		b.WriteByte('\n')
	}
	for _, v := range r.Bars {
		fmt.Fprintf(&b, "  bar: %s\n", v)
	}
	return b.String()
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
