package main_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"testing"
)

// A difference is a set of facts that differ for one reason.
type difference struct {
	facts []string // patterns of path.Match
	in    []string // scenarios; nil: wherever it is
	why   string
}

// covers reports which of its facts and scenarios a difference is by, "" for none.
func (d difference) covers(fact, scenario string) (pattern, in string) {
	if d.in != nil && !slices.Contains(d.in, scenario) {
		return "", ""
	}
	for _, pattern := range d.facts {
		if ok, err := path.Match(pattern, fact); ok && err == nil {
			return pattern, scenario
		}
	}
	return "", ""
}

// A judge compares what this SDK and otelhttp report. What differs has to be listed with a reason, and
// what is listed has to differ.
type judge struct {
	t           *testing.T
	differences []difference
	used        map[string]bool
}

func newJudge(t *testing.T, differences []difference) *judge {
	return &judge{t, differences, make(map[string]bool)}
}

func (j *judge) compare(scenario string, our, their map[string]string) {
	j.t.Helper()
	all := maps.Clone(our)
	maps.Copy(all, their)
	for _, fact := range slices.Sorted(maps.Keys(all)) {
		if our[fact] == their[fact] {
			continue
		}
		known := false
		for i, d := range j.differences {
			if pattern, in := d.covers(fact, scenario); pattern != "" {
				known = true
				j.used[entry(i, pattern)], j.used[entry(i, in)] = true, true
			}
		}
		if !known {
			j.t.Errorf("%s: %s is %q, and %q with otelhttp, for which there is no reason", scenario, fact, our[fact], their[fact])
		}
	}
}

func (j *judge) finish() {
	j.t.Helper()
	for i, d := range j.differences {
		for _, part := range slices.Concat(d.facts, d.in) {
			if !j.used[entry(i, part)] {
				j.t.Errorf("%q is listed and does not differ (%s)", part, d.why)
			}
		}
	}
}

func entry(i int, part string) string { return fmt.Sprint(i, " ", part) }
