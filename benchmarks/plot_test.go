package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestPlotIsWellFormedAndHoldsEveryPoint(t *testing.T) {
	_, g := made(true)
	for _, c := range g.Charts {
		svg := c.plot().svg()
		circles := 0
		decoder := xml.NewDecoder(strings.NewReader(svg))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "circle" {
				circles++
			}
		}
		want := 0
		for _, s := range c.Lines {
			want += 2 * len(s.Points) // throughput and memory
		}
		if circles != want {
			t.Errorf("%s has %d points, want %d", c.Name, circles, want)
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || !strings.Contains(svg, "prefers-color-scheme:dark") {
			t.Errorf("%s cannot be drawn", c.Name)
		}
	}
}

func TestScalePutsValuesBetweenItsEnds(t *testing.T) {
	logarithmic := newScale(true, []float64{3, 3000}, true, 300, 0)
	for value, want := range map[float64]float64{1: 300, 10: 225, 100: 150, 10_000: 0} {
		if got := logarithmic.at(value); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v is at %v, want %v", value, got, want)
		}
	}
	linear := newScale(false, []float64{7, 43}, true, 300, 0)
	if got := len(linear.ticks); linear.at(0) != 300 || linear.at(50) != 0 || got != 6 {
		t.Errorf("0 is at %v, 50 at %v, with %d ticks", linear.at(0), linear.at(50), got)
	}
	if one := newScale(false, []float64{0}, true, 300, 0); math.IsNaN(one.at(0)) {
		t.Error("a scale of zero has no place for it")
	}
}
