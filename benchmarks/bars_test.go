package main

import (
	"slices"
	"strings"
	"testing"
)

// measuredAt is a contender whose rounds took so many nanoseconds.
func measuredAt(name string, nanos ...float64) *prepared {
	return &prepared{contender: contender{name: name}, nanos: nanos, cpu: nanos, allocs: []float64{2.4}, bytes: []float64{100}}
}

func TestBarIsMetMissedOrWithinTheNoise(t *testing.T) {
	peer := measuredAt("peer", 100, 100, 100, 100, 100, 100, 100)
	for _, test := range []struct {
		name    string
		bar     bar
		nanos   []float64
		verdict string
	}{
		{"below", timeWithin(0.5, "peer"), []float64{48, 48, 49, 49, 49, 50, 70}, met},
		{"at the bar", timeWithin(0.5, "peer"), []float64{50, 50, 50, 50, 50, 50, 50}, met},
		{"above, less than the quartiles are apart", timeWithin(0.5, "peer"), []float64{40, 48, 48, 51, 52, 54, 60}, inNoise},
		{"above by more", timeWithin(0.5, "peer"), []float64{50, 55, 55, 55, 55, 56, 80}, missed},
		{"a few rounds are as far apart as their extremes", timeWithin(0.5, "peer"), []float64{40, 55, 60}, inNoise},
		{"in CPU time", cpuWithin(0.5, "peer"), []float64{60, 60, 60, 60, 60, 60, 60}, missed},
		{"twice the rate", timesTheRate(2, "peer"), []float64{49, 49, 49, 49, 49, 49, 49}, met},
		{"less than twice the rate", timesTheRate(2, "peer"), []float64{51, 51, 51, 51, 51, 51, 51}, missed},
		{"less by less than the quartiles are apart", timesTheRate(2, "peer"), []float64{40, 48, 48, 51, 52, 54, 60}, inNoise},
		{"a rate", perSecond(1e7), []float64{90, 90, 90, 90, 90, 90, 90}, met},
		{"a lower rate", perSecond(1e7), []float64{110, 110, 110, 110, 110, 110, 110}, missed},
		{"whole allocations", allocsWithin(2), []float64{1}, met},
		{"too many allocations", allocsWithin(1), []float64{1}, missed},
		{"bytes", bytesWithin(99), []float64{1}, missed},
		{"a peer that is not there", timeWithin(0.5, "other"), []float64{1}, notMeasured},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := row{bars: []bar{test.bar}}
			got := judge(r, []*prepared{measuredAt("sdk", test.nanos...), peer})[0]
			if got.counted() != test.verdict {
				t.Errorf("%s; want %s", got, test.verdict)
			}
		})
	}
}

func TestBarReadsAsItIsMeant(t *testing.T) {
	for text, b := range map[string]bar{
		"time ≤ 0.4 × otelhttp":     timeWithin(0.4, "otelhttp"),
		"rate ≥ 5 × sarama":         timesTheRate(5, "sarama"),
		"≥ 50,000 a second":         perSecond(50_000),
		"≤ 12 allocations":          allocsWithin(12),
		"≤ 1 MiB allocated":         bytesWithin(1 << 20),
		"memory ≤ 0.25 × the other": memoryWithin(0.25, "the other"),
	} {
		if got := b.String(); got != text {
			t.Errorf("%q, want %q", got, text)
		}
	}
}

func TestBarOutOfReachIsHeldAgainstTheFloor(t *testing.T) {
	time, rate := timeWithin(0.4, "peer").orWithin(1.4, "floor"), timesTheRate(1, "peer").orWithin(0.5, "floor")
	judged := func(b bar, sdk, least float64) verdict {
		return judge(row{bars: []bar{b}}, []*prepared{measuredAt("sdk", sdk), measuredAt("peer", 100), measuredAt("floor", least)})[0]
	}
	for _, test := range []struct {
		name       string
		bar        bar
		sdk, floor float64 // what they take
		verdict    string
		reachable  bool
	}{
		{"the floor misses it, too", time, 80, 60, met, false},
		{"far above the floor", time, 90, 60, missed, false},
		{"the floor meets it", time, 80, 40, missed, true},
		{"met although the floor is above it", time, 40, 60, met, true},
		{"the floor is too slow, too", rate, 200, 150, met, false},
		{"much slower than the floor", rate, 400, 150, missed, false},
		{"the floor is fast enough", rate, 150, 80, missed, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := judged(test.bar, test.sdk, test.floor)
			if got.counted() != test.verdict || (got.Floor == nil) != test.reachable {
				t.Errorf("%s; want %s", got, test.verdict)
			}
			if got.Floor != nil && (got.Verdict != missed || !strings.Contains(got.String(), " × peer: 0.")) {
				t.Errorf("%q does not show the bar that is out of reach", got)
			}
		})
	}
}

func TestRunFailsOnlyForWhatIsMissedOrFailed(t *testing.T) {
	of := func(verdicts ...verdict) report {
		return newReport(machine{}, 0, []result{{Name: "a row", Bars: verdicts}})
	}
	for _, fine := range []report{
		of(verdict{Verdict: met}, verdict{Verdict: inNoise}, verdict{Verdict: notMeasured}),
		of(verdict{Verdict: missed, Floor: &floorVerdict{verdict: verdict{Verdict: met}}}),
	} {
		if err := fine.fault(); err != nil {
			t.Errorf("%v: %v", fine.Bars, err)
		}
	}
	for _, bad := range []report{
		of(verdict{Verdict: missed}),
		of(verdict{Verdict: missed, Floor: &floorVerdict{verdict: verdict{Verdict: missed}}}),
		newReport(machine{}, 0, []result{{Name: "a row", Failed: "no broker"}}),
	} {
		if err := bad.fault(); err == nil || !strings.Contains(err.Error(), "a row") {
			t.Errorf("%v: fault is %v", bad.Bars, err)
		}
	}
}

// The bars are data: what they name has to be there, and no row is without a bar by mistake.
func TestBarsNameContendersOfTheirRows(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range groups() {
		for _, task := range g.tasks(everything()) {
			r := task.row
			if seen[r.name] {
				t.Errorf("there are two rows %q", r.name)
			}
			seen[r.name] = true
			if !strings.HasPrefix(r.contenders[0].name, "sdk") {
				t.Errorf("row %q begins with %q", r.name, r.contenders[0].name)
			}
			if (len(r.bars) == 0) == (r.noBar == "") {
				t.Errorf("row %q: bars %v, and none because %q", r.name, r.bars, r.noBar)
			}
			names := []string{""}
			for _, c := range r.contenders {
				names = append(names, c.name)
			}
			for _, b := range r.bars {
				if !slices.Contains(names, b.against) || b.floor != nil && !slices.Contains(names, b.floor.name) {
					t.Errorf("row %q has no contender for its bar %q", r.name, b)
				}
			}
		}
	}
}
