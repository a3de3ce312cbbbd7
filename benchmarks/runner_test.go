package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func everything() choice { return choice{rows: regexp.MustCompile(""), peers: regexp.MustCompile("")} }

// taking is a contender whose clock says so for each unit. It counts its rounds.
func taking(name string, unit time.Duration, rounds *int) contender {
	return contender{name, "", func() (work, func(), error) {
		return func(n int) (time.Duration, error) {
			*rounds++
			return time.Duration(n) * unit, nil
		}, nil, nil
	}}
}

func TestContendersTakeTurnsAndAreCompared(t *testing.T) {
	var ours, theirs int
	r := row{name: "a row", unit: "call", contenders: []contender{
		taking("sdk", time.Millisecond, &ours), taking("peer", 4*time.Millisecond, &theirs),
	}, bars: []bar{timeWithin(0.5, "peer")}, cannot: []cannotDo{{"other", "knows no such thing"}}, n: 10}
	got, err := measure(r, pace{rounds: 3, part: 1})
	if err != nil {
		t.Fatal(err)
	}
	if ours != 4 || theirs != 4 { // one to warm up
		t.Errorf("%d and %d rounds", ours, theirs)
	}
	if e := got.Lines[1]; e.Nanos != 4e6 || e.Ratio != 0.25 || got.Bars[0].Verdict != met {
		t.Errorf("peer is %+v, and the bar %s", e, got.Bars[0])
	}
	if e := got.Lines[2]; e.Name != "other" || e.Cannot == "" {
		t.Errorf("the peer that cannot is %+v", e)
	}
}

func TestContenderThatCannotRunHereLeavesTheOthers(t *testing.T) {
	var rounds int
	r := row{name: "a row", unit: "call", contenders: []contender{taking("sdk", time.Millisecond, &rounds), {
		name: "peer", prepare: func() (work, func(), error) { return nil, nil, notRun("no Java") },
	}}, bars: []bar{timeWithin(1, "peer"), perSecond(1)}, n: 1}
	got, err := measure(r, pace{rounds: 1, part: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got.Lines[1].NotRun != "no Java" || got.Bars[0].Verdict != notMeasured || got.Bars[1].Verdict != met {
		t.Errorf("%s", got.text())
	}
}

func TestFailureOfAContenderNamesIt(t *testing.T) {
	failed := errors.New("no connection")
	var rounds int
	r := row{contenders: []contender{taking("sdk", 1, &rounds), {name: "peer", prepare: func() (work, func(), error) {
		return func(int) (time.Duration, error) { return 0, failed }, nil, nil
	}}}, n: 1}
	if _, err := measure(r, pace{rounds: 1, part: 1}); !errors.Is(err, failed) || !strings.Contains(err.Error(), "peer") {
		t.Errorf("%v", err)
	}
}

func TestRoundsFillTheirTime(t *testing.T) {
	var calls int
	c := taking("sdk", time.Microsecond, &calls)
	w, _, _ := c.prepare()
	p := &prepared{contender: c, work: w}
	if err := p.warmUp(pace{round: 10 * time.Millisecond, part: 1}, row{}); err != nil || p.n != 10_000 {
		t.Errorf("%d units of 1 µs for 10 ms, %v", p.n, err)
	}
}

func TestChoiceKeepsTheSDK(t *testing.T) {
	g := group{rows: func() []row {
		return []row{{name: "one", contenders: []contender{{name: "sdk"}, {name: "a"}, {name: "b"}}}, {name: "two"}}
	}}
	got := g.tasks(choice{rows: regexp.MustCompile("^one$"), peers: regexp.MustCompile("^b$")})
	if len(got) != 1 || len(got[0].row.contenders) != 2 || got[0].row.contenders[1].name != "b" {
		t.Errorf("%+v", got)
	}
}

func TestMedianAndSpread(t *testing.T) {
	values := []float64{9, 1, 5, 3, 7, 11, 13}
	if m := quantile(values, 0.5); m != 7 {
		t.Errorf("median %v", m)
	}
	if s := spread(values); s != 3 { // from 5 to 11
		t.Errorf("spread %v", s)
	}
	if s := spread([]float64{1, 2, 9}); s != 4 {
		t.Errorf("spread of few %v", s)
	}
	if !slices.Equal(values, []float64{9, 1, 5, 3, 7, 11, 13}) {
		t.Error("the rounds are no longer in their order")
	}
}
