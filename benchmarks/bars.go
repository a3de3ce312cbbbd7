package main

import (
	"fmt"
	"math"
	"strconv"
)

// A bar is what a row's first contender, this SDK, is held to.
type bar struct {
	of      figure
	most    float64 // of its figure: as a multiple of that of the peer, or by itself
	against string  // the peer; empty: the figure stands by itself
	floor   *floor
}

// A floor is a contender that does as little as the SDK's features need. Where not even the floor meets a bar, the SDK
// is held to a multiple of the floor.
type floor struct {
	name string
	most float64
}

type figure string

const (
	byTime   figure = "time"
	byCPU    figure = "CPU time"
	byMemory figure = "memory"
	byAllocs figure = "allocations"
	byBytes  figure = "bytes allocated"
	byRate   figure = "per second"
)

func timeWithin(multiple float64, peer string) bar {
	return bar{of: byTime, most: multiple, against: peer}
}

func fasterThan(peers ...string) (bars []bar) {
	for _, peer := range peers {
		bars = append(bars, timeWithin(1, peer))
	}
	return bars
}

func cpuWithin(multiple float64, peer string) bar {
	return bar{of: byCPU, most: multiple, against: peer}
}

func memoryWithin(multiple float64, peer string) bar {
	return bar{of: byMemory, most: multiple, against: peer}
}

// timesTheRate says how many times the peer's units a second the SDK does.
func timesTheRate(multiple float64, peer string) bar { return timeWithin(1/multiple, peer) }

func allocsWithin(n float64) bar { return bar{of: byAllocs, most: n} }

func bytesWithin(n float64) bar { return bar{of: byBytes, most: n} }

// perSecond is a rate at the least.
func perSecond(n float64) bar { return bar{of: byRate, most: n} }

// orWithin holds the bar against a floor where that does not meet the bar either.
func (b bar) orWithin(multiple float64, floorName string) bar {
	b.floor = &floor{floorName, multiple}
	return b
}

func (b bar) String() string {
	switch {
	case b.of == byRate:
		return "≥ " + number(b.most) + " per second"
	case b.of == byBytes:
		return fmt.Sprintf("≤ %s MiB allocated", number(b.most/(1<<20)))
	case b.against == "":
		return fmt.Sprintf("≤ %s %s", number(b.most), b.of)
	}
	return multipleText(b.of, b.most, b.against)
}

func multipleText(of figure, most float64, peer string) string {
	return fmt.Sprintf("%s ≤ %s × %s", of, number(most), peer)
}

// number has three digits.
func number(x float64) string {
	if x >= 100 {
		return strconv.FormatFloat(math.Round(x), 'f', -1, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

const (
	met         = "met"
	inNoise     = "within the noise"
	missed      = "missed"
	notMeasured = "not run"
)

// verdict is what became of a bar.
type verdict struct {
	Bar      string  `json:"bar"`
	Measured float64 `json:"measured"`
	// Noise is that of the ratio, absolute: half the distance of the quartiles of the rounds, or of the extremes where
	// there are few.
	Noise   float64       `json:"noise"`
	Verdict string        `json:"verdict"` // met, within the noise, missed, not run
	Floor   *floorVerdict `json:"floor,omitempty"`
}

// floorVerdict says that a bar is out of reach, and what the SDK is held to instead.
type floorVerdict struct {
	Name string `json:"name"`
	// Reach is the figure of the floor for the bar, which it does not meet.
	Reach      float64 `json:"reach"`
	ReachNoise float64 `json:"reach_noise"`
	verdict
}

// judge compares with the bars of a row.
func judge(r row, all []*prepared) (verdicts []verdict) {
	byName := make(map[string]*prepared)
	for _, p := range all {
		byName[p.name] = p
	}
	for _, b := range r.bars {
		verdicts = append(verdicts, b.judge(all[0], byName))
	}
	return verdicts
}

func (b bar) judge(sdk *prepared, byName map[string]*prepared) verdict {
	v := verdict{Bar: b.String(), Verdict: notMeasured}
	if !sdk.ran() {
		return v
	}
	if b.against == "" {
		v.Measured = sdk.figure(b.of)
		v.Verdict = met
		if b.of == byRate && v.Measured < b.most || b.of != byRate && v.Measured > b.most {
			v.Verdict = missed
		}
		return v
	}
	peer, ok := byName[b.against]
	if !ok || !peer.ran() {
		return v
	}
	v.compare(b.most, sdk.rounds(b.of), peer.rounds(b.of))
	if v.Verdict == met || b.floor == nil || byName[b.floor.name] == nil || !byName[b.floor.name].ran() {
		return v
	}
	least := byName[b.floor.name].rounds(b.of)
	reach, noise := ratio(least, peer.rounds(b.of))
	if reach+noise <= b.most {
		return v // the floor meets it, so it is in reach
	}
	f := &floorVerdict{Name: b.floor.name, Reach: reach, ReachNoise: noise}
	f.Bar = multipleText(b.of, b.floor.most, b.floor.name)
	f.compare(b.floor.most, sdk.rounds(b.of), least)
	v.Floor = f
	return v
}

// compare sets what was measured of two contenders.
func (v *verdict) compare(most float64, ours, theirs []float64) {
	v.Measured, v.Noise = ratio(ours, theirs)
	switch {
	case v.Measured <= most:
		v.Verdict = met
	case v.Measured-v.Noise <= most:
		v.Verdict = inNoise
	default:
		v.Verdict = missed
	}
}

// counted is the verdict that counts.
func (v verdict) counted() string {
	if v.Floor != nil {
		return v.Floor.Verdict
	}
	return v.Verdict
}

func (v verdict) String() string {
	s := fmt.Sprintf("%s: %s", v.Bar, v.measured())
	if v.Floor == nil {
		return s + ", " + v.Verdict
	}
	return fmt.Sprintf("%s, out of reach: %s alone takes %.2f ± %.2f ×; %s: %s, %s",
		s, v.Floor.Name, v.Floor.Reach, v.Floor.ReachNoise, v.Floor.Bar, v.Floor.measured(), v.Floor.Verdict)
}

func (v verdict) measured() string {
	switch {
	case v.Verdict == notMeasured:
		return "–"
	case v.Noise > 0:
		return fmt.Sprintf("%.2f ± %.2f ×", v.Measured, v.Noise)
	}
	return number(v.Measured)
}
