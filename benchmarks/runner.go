package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// A row is one comparison: the same work, done by each contender. The first contender is this SDK.
type row struct {
	name       string
	unit       string // what is done once: "call", "record"
	contenders []contender
	bars       []bar
	noBar      string     // why the row has no bars
	cannot     []cannotDo // peers that cannot do this work
	n          int        // units in a round; 0: as many as fill its time
	least      int        // units in a round that is filled, at the least: so that it is not all beginning
	notQuick   bool       // a quick run has no time for it
}

// A contender does the work.
type contender struct {
	name string
	note string // how it is used, and why so
	// prepare returns what does the work, and what cleans up afterwards (nil: nothing).
	prepare func() (work work, cleanup func(), err error)
}

// cannotDo is a peer of a row that is no contender, and why.
type cannotDo struct{ name, why string }

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
	return contender{name, note, func() (work, func(), error) { return repeat(once), nil, nil }}
}

func repeat(once func()) work {
	return all(func(n int) error {
		for range n {
			once()
		}
		return nil
	})
}

// pace is how long a row takes.
type pace struct {
	rounds int
	round  time.Duration
	part   int // of a fixed number of units: a tenth and so on
}

var (
	fullPace  = pace{rounds: 21, round: 40 * time.Millisecond, part: 1}
	quickPace = pace{rounds: 5, round: 15 * time.Millisecond, part: 10}
)

// fewest is how many units a round has at the least where their number is fixed: to begin and to end is not what is measured.
const fewest = 2000

// of is the pace of a row. One with a fixed number of units has to join a group first, and works for seconds.
func (p pace) of(r row) pace {
	if r.n > 0 {
		p.rounds = max(p.rounds/4, 3)
	}
	return p
}

// prepared is a contender at work.
type prepared struct {
	contender
	work   work
	n      int    // units a round
	notRun string // why it could not run here
	nanos  []float64
	cpu    []float64
	allocs []float64
	bytes  []float64
	memory []float64 // MiB, of a process
}

func (p *prepared) ran() bool { return p.notRun == "" && len(p.nanos) > 0 }

func measure(r row, p pace) (result, error) {
	var ready []*prepared
	for _, c := range r.contenders {
		work, cleanup, err := c.prepare()
		if cleanup != nil {
			defer cleanup()
		}
		next := &prepared{contender: c, work: work}
		ready = append(ready, next)
		if reason, ok := errors.AsType[notRun](err); ok {
			next.notRun = string(reason)
			continue
		}
		if err != nil {
			return result{}, fmt.Errorf("prepare %s: %w", c.name, err)
		}
		if err := next.warmUp(p, r); err != nil {
			return result{}, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for range p.rounds {
		for _, i := range rand.Perm(len(ready)) { // in step with nothing else that the machine does
			next := ready[i]
			if next.notRun != "" {
				continue
			}
			if err := next.round(); err != nil {
				return result{}, fmt.Errorf("%s: %w", next.name, err)
			}
		}
	}
	return newResult(r, ready), nil
}

// warmUp finds how many units fill a round, by the fastest of a few tries: one that the machine delayed would make short
// rounds, in which what a collection of garbage empties is filled again.
func (p *prepared) warmUp(pace pace, r row) error {
	if r.n > 0 {
		p.n = max(r.n/pace.part, min(r.n, fewest))
		_, err := p.work(p.n)
		return err
	}
	least := max(r.least/pace.part, 1)
	for p.n = least; ; p.n *= 2 {
		took, err := p.work(p.n)
		if err != nil {
			return err
		}
		if took >= pace.round/4 || p.n >= 1<<30 {
			for range 3 {
				again, err := p.work(p.n)
				if err != nil {
					return err
				}
				took = min(took, again)
			}
			p.n = max(int(float64(p.n)*float64(pace.round)/float64(max(took, 1))), least)
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

// rounds are a contender's figures, round by round.
func (p *prepared) rounds(of figure) []float64 {
	switch of {
	case byCPU:
		return p.cpu
	case byMemory:
		return p.memory
	case byAllocs:
		return p.allocs
	case byBytes:
		return p.bytes
	}
	return p.nanos
}

// figure is the median of a figure's rounds. Where allocations are counted they are whole, as those of
// [testing.AllocsPerRun] are: what the process does besides is a fraction.
func (p *prepared) figure(of figure) float64 {
	switch median := quantile(p.rounds(of), 0.5); of {
	case byRate:
		return 1e9 / median
	case byAllocs:
		return math.Floor(median)
	default:
		return median
	}
}

// ratio is the median of the ratios of each round: what the machine was busy with in a round, it was for both. Its noise
// is the spread of the same ratios.
func ratio(ours, theirs []float64) (median, noise float64) {
	ratios := make([]float64, min(len(ours), len(theirs)))
	for i := range ratios {
		ratios[i] = ours[i] / theirs[i]
	}
	return quantile(ratios, 0.5), spread(ratios)
}

// spread is half the distance of the quartiles; of the extremes where there are too few for quartiles.
func spread(values []float64) float64 {
	if len(values) < 6 {
		return (slices.Max(values) - slices.Min(values)) / 2
	}
	return (quantile(values, 0.75) - quantile(values, 0.25)) / 2
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
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
