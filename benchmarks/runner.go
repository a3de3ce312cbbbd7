package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A row is one comparison: the same work, done by each contender. The first contender is this SDK.
type row struct {
	name       string
	unit       string // what is done once: "call", "record"
	contenders []contender
	least      int // units in a round at the least; 0: as many as fill its time
}

// A contender does the work.
type contender struct {
	name string
	note string // how it is used, and why so
	// prepare returns what does the work, and what cleans up afterwards (nil: nothing).
	prepare func() (work work, cleanup func(), err error)
}

// work does something n times and says how long that took, without what it took to begin.
type work func(n int) (time.Duration, error)

// all is work that takes time from its beginning to its end.
func all(do func(n int) error) work {
	return func(n int) (time.Duration, error) {
		begin := time.Now()
		err := do(n)
		return time.Since(begin), err
	}
}

// simple is a contender that needs no preparation and cannot fail.
func simple(name, note string, once func()) contender {
	return contender{name, note, func() (work, func(), error) {
		return all(func(n int) error {
			for range n {
				once()
			}
			return nil
		}), nil, nil
	}}
}

// pace is how long a row takes.
type pace struct {
	rounds int
	round  time.Duration
}

// of is the pace of a row. A consumer has to join a group first and works for seconds.
func (p pace) of(r row) pace {
	if strings.HasPrefix(r.name, "kafka") {
		return pace{max(p.rounds/6, 2) | 1, 12 * p.round}
	}
	return p
}

// measurement is one contender's.
type measurement struct {
	name   string
	note   string
	nanos  float64 // median of the rounds, for one unit
	cpu    float64 // nanoseconds of CPU time of the whole process, median, for one unit
	spread float64 // half the distance of the quartiles, as a share of the median
	allocs float64 // median
	bytes  float64 // median
}

// prepared is a contender at work.
type prepared struct {
	contender
	work   work
	n      int // units a round
	nanos  []float64
	cpu    []float64
	allocs []float64
	bytes  []float64
	memory []float64 // MiB, of a process
}

func measure(r row, p pace) (result, error) {
	var ready []*prepared
	for _, c := range r.contenders {
		work, cleanup, err := c.prepare()
		if err != nil {
			return result{}, fmt.Errorf("prepare %s: %w", c.name, err)
		}
		if cleanup != nil {
			defer cleanup()
		}
		next := &prepared{contender: c, work: work}
		if err := next.calibrate(p.round, r.least); err != nil {
			return result{}, fmt.Errorf("%s: %w", c.name, err)
		}
		ready = append(ready, next)
	}
	for range p.rounds {
		for _, i := range rand.Perm(len(ready)) { // in step with nothing else that the machine does
			next := ready[i]
			if err := next.round(); err != nil {
				return result{}, fmt.Errorf("%s: %w", next.name, err)
			}
		}
	}
	return newResult(r, ready), nil
}

// calibrate warms up and finds how many units fill a round, by the fastest of a few tries: one that the machine
// delayed would make short rounds, in which what a collection of garbage empties is filled again.
func (p *prepared) calibrate(round time.Duration, least int) error {
	for p.n = max(least, 1); ; p.n *= 2 {
		took, err := p.work(p.n)
		if err != nil {
			return err
		}
		if took >= round/4 || p.n >= 1<<30 {
			for range 4 {
				again, err := p.work(p.n)
				if err != nil {
					return err
				}
				took = min(took, again)
			}
			p.n = max(int(float64(p.n)*float64(round)/float64(max(took, 1))), least, 1)
			return nil
		}
	}
}

func (p *prepared) round() error {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := processTime()
	took, err := p.work(p.n)
	spent := processTime() - begin
	runtime.ReadMemStats(&after)
	n := float64(p.n)
	p.cpu = append(p.cpu, float64(spent)/n)
	p.nanos = append(p.nanos, float64(took)/n)
	p.allocs = append(p.allocs, float64(after.Mallocs-before.Mallocs)/n)
	p.bytes = append(p.bytes, float64(after.TotalAlloc-before.TotalAlloc)/n)
	return err
}

func (p *prepared) measurement() measurement {
	median := quantile(p.nanos, 0.5)
	return measurement{
		name: p.name, note: p.note, nanos: median,
		spread: (quantile(p.nanos, 0.75) - quantile(p.nanos, 0.25)) / 2 / median,
		cpu:    quantile(p.cpu, 0.5), allocs: quantile(p.allocs, 0.5), bytes: quantile(p.bytes, 0.5),
	}
}

// processTime is the CPU time that the process has taken, collecting garbage included. What else the machine
// does lengthens it far less than the time on the clock.
func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}
