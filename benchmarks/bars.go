package main

import (
	"fmt"
	"math"
	"strconv"
)

// A bar is what a row's first contender, this SDK, is held to.
type bar struct {
	of      figure
	limit   float64 // for its figure: as a multiple of that of the peer, or by itself
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
	byRate   figure = "rate" // of which there cannot be too much
)

func timeWithin(multiple float64, peer string) bar {
	return bar{of: byTime, limit: multiple, against: peer}
}

func fasterThan(peers ...string) (bars []bar) {
	for _, peer := range peers {
		bars = append(bars, timeWithin(1, peer))
	}
	return bars
}

func cpuWithin(multiple float64, peer string) bar {
	return bar{of: byCPU, limit: multiple, against: peer}
}

func memoryWithin(multiple float64, peer string) bar {
	return bar{of: byMemory, limit: multiple, against: peer}
}

// timesTheRate says how many times the peer's units a second the SDK does at the least.
func timesTheRate(multiple float64, peer string) bar {
	return bar{of: byRate, limit: multiple, against: peer}
}

func allocsWithin(n float64) bar { return bar{of: byAllocs, limit: n} }

func bytesWithin(n float64) bar { return bar{of: byBytes, limit: n} }

func perSecond(n float64) bar { return bar{of: byRate, limit: n} }

// orWithin holds the bar against a floor where that does not meet the bar either.
func (b bar) orWithin(multiple float64, floorName string) bar {
	b.floor = &floor{floorName, multiple}
	return b
}

func (b bar) String() string {
	sign := "≤"
	if b.of == byRate {
		sign = "≥"
	}
	if b.against != "" {
		return fmt.Sprintf("%s %s %s × %s", b.of, sign, number(b.limit), b.against)
	}
	return sign + " " + b.of.text(b.limit)
}

// text is a figure that stands by itself.
func (f figure) text(x float64) string {
	switch f {
	case byRate:
		return number(x) + " a second"
	case byBytes:
		return number(x/(1<<20)) + " MiB allocated"
	case byTime, byCPU:
		return duration(x)
	}
	if x == 1 {
		return "1 allocation"
	}
	return number(x) + " allocations"
}

// number has three digits, and commas between thousands.
func number(x float64) string {
	if x < 100 {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	digits := strconv.FormatFloat(math.Round(x), 'f', -1, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
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
	Of       figure  `json:"of"`
	Against  string  `json:"against,omitempty"`
	Limit    float64 `json:"limit"`
	Measured float64 `json:"measured"`
	// Noise is that of the ratio, absolute: half the distance of the quartiles of the rounds, or of the extremes where
	// there are few.
	Noise   float64       `json:"noise"`
	Verdict string        `json:"verdict"` // met, within the noise, missed, not run
	Floor   *floorVerdict `json:"floor,omitempty"`
}

// floorVerdict says that a bar is out of reach, and what the SDK is held to instead.
type floorVerdict struct {
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

func (b bar) unjudged() verdict {
	return verdict{Bar: b.String(), Of: b.of, Against: b.against, Limit: b.limit, Verdict: notMeasured}
}

func (b bar) judge(sdk *prepared, byName map[string]*prepared) verdict {
	v := b.unjudged()
	if !sdk.ran() {
		return v
	}
	if b.against == "" {
		v.decide(sdk.figure(b.of), 0)
		return v
	}
	peer, ok := byName[b.against]
	if !ok || !peer.ran() {
		return v
	}
	v.decide(multiple(b.of, sdk, peer))
	if v.Verdict == met || b.floor == nil || byName[b.floor.name] == nil || !byName[b.floor.name].ran() {
		return v
	}
	least := byName[b.floor.name]
	reach, noise := multiple(b.of, least, peer)
	if b.isCleared(reach, noise) {
		return v // the floor meets it, so it is in reach
	}
	f := &floorVerdict{Reach: reach, ReachNoise: noise, verdict: bar{of: b.of, limit: b.floor.most, against: b.floor.name}.unjudged()}
	f.decide(multiple(b.of, sdk, least))
	v.Floor = f
	return v
}

// isCleared reports whether a figure meets the bar by more than its noise.
func (b bar) isCleared(value, noise float64) bool {
	if b.of == byRate {
		return value-noise >= b.limit
	}
	return value+noise <= b.limit
}

// multiple is a contender's figure as a multiple of another's.
func multiple(of figure, ours, theirs *prepared) (median, noise float64) {
	if of == byRate {
		return ratio(theirs.nanos, ours.nanos)
	}
	return ratio(ours.rounds(of), theirs.rounds(of))
}

// decide sets what was measured.
func (v *verdict) decide(measured, noise float64) {
	v.Measured, v.Noise = measured, noise
	beyond := measured - v.Limit
	if v.Of == byRate {
		beyond = -beyond
	}
	switch {
	case beyond <= 0:
		v.Verdict = met
	case beyond <= noise:
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
	s := v.Bar + ": " + v.measured()
	if v.Floor == nil {
		return s + ", " + v.Verdict
	}
	return fmt.Sprintf("%s, out of reach, as %s takes %.2f ± %.2f ×; so %s: %s, %s",
		s, v.Floor.Against, v.Floor.Reach, v.Floor.ReachNoise, v.Floor.Bar, v.Floor.measured(), v.Floor.Verdict)
}

func (v verdict) measured() string {
	switch {
	case v.Verdict == notMeasured:
		return "–"
	case v.Against != "":
		return fmt.Sprintf("%.2f ± %.2f ×", v.Measured, v.Noise)
	}
	return v.Of.text(v.Measured)
}
