package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A processRow is a comparison of processes. The first one is this SDK.
type processRow struct {
	name      string
	unit      string
	processes []process
	n         int // units in a round
}

// A process is a contender that runs in a process of its own, because it is no Go or its memory is measured.
type process struct {
	name string
	note string
	run  func(n int) (spent, error)
}

// spent is what a round took.
type spent struct {
	took, cpu time.Duration
	memory    int64 // the most at a time, KiB
}

// notRun is why a contender could not run here. Others of its row do.
type notRun string

func (e notRun) Error() string { return string(e) }

// measureProcesses lets them take turns in random order, so that none has the machine's better hour.
func measureProcesses(r processRow, p pace) (result, error) {
	rounds, n := max(p.rounds/12, 1), r.n
	if p.rounds < 10 {
		n /= 10
	}
	all := make([]*prepared, len(r.processes))
	why := make([]string, len(all))
	for i, c := range r.processes {
		all[i] = &prepared{contender: contender{name: c.name, note: c.note}}
	}
	for range rounds {
		for _, i := range rand.Perm(len(all)) {
			s, err := r.processes[i].run(n)
			if reason, ok := errors.AsType[notRun](err); ok {
				why[i] = string(reason)
				continue
			}
			if err != nil {
				return result{}, fmt.Errorf("%s: %w", r.processes[i].name, err)
			}
			all[i].nanos = append(all[i].nanos, float64(s.took)/float64(n))
			all[i].cpu = append(all[i].cpu, float64(s.cpu)/float64(n))
			all[i].memory = append(all[i].memory, float64(s.memory)/1024)
		}
	}
	out := result{Name: r.name, Unit: r.unit, Processes: true}
	for i, p := range all {
		e := entry{Name: p.name, Note: p.note, NotRun: why[i]}
		if why[i] == "" {
			e.Nanos, e.CPU, e.Memory = quantile(p.nanos, 0.5), quantile(p.cpu, 0.5), quantile(p.memory, 0.5)
			e.Spread = (quantile(p.nanos, 0.75) - quantile(p.nanos, 0.25)) / 2 / e.Nanos
		}
		if why[i] == "" && why[0] == "" {
			e.Ratio, e.CPUOf, e.MemoryOf = ratio(all[0].nanos, p.nanos), ratio(all[0].cpu, p.cpu), ratio(all[0].memory, p.memory)
		}
		out.Lines = append(out.Lines, e)
	}
	return out, nil
}
