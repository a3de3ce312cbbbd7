package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A processRow is a comparison of processes. The first one is this SDK.
type processRow struct {
	row
	processes []process
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

// processRounds are few: each begins a process that warms up first.
const processRounds = 3

// measureProcesses lets them take turns in random order, so that none has the machine's better hour.
func measureProcesses(r processRow, p pace) (result, error) {
	n := r.n / p.part
	all := make([]*prepared, len(r.processes))
	for i, c := range r.processes {
		all[i] = &prepared{contender: contender{name: c.name, note: c.note}}
	}
	for range processRounds {
		for _, i := range rand.Perm(len(all)) {
			if all[i].notRun != "" {
				continue
			}
			s, err := r.processes[i].run(n)
			if reason, ok := errors.AsType[notRun](err); ok {
				all[i].notRun = string(reason)
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
	out := newResult(r.row, all)
	out.Processes = true
	return out, nil
}
