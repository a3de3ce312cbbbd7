package main

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// A plot is panels side by side over the same x axis, with one legend.
type plot struct {
	title  string
	x      axis
	panels []panel
}

// A panel draws one figure of each series.
type panel struct {
	y      axis
	series []curve
}

// A curve is one line; points without a figure are left out.
type curve struct {
	name   string
	points []point
}

type point struct{ x, y float64 }

type axis struct {
	label string
	log   bool
}

const (
	panelWidth, panelHeight            = 420, 300
	marginLeft, marginTop, marginRight = 62, 44, 22
	marginBottom, legendHeight         = 46, 28
)

// The colours of the curves, on light and on dark. They can be told apart without seeing red and green apart.
var lightColours, darkColours = [...]string{"#0969da", "#bc4c00", "#1a7f37", "#8250df"}, [...]string{"#4493f8", "#f0883e", "#3fb950", "#ab7df8"}

// plotStyle has grey for all but the curves, which is read on white and on black alike.
func plotStyle() string {
	light, dark := "text{font:12px sans-serif;fill:#59636e}.title{font-weight:bold}.grid{stroke:#818b98;stroke-opacity:.3}"+
		".axis{stroke:#818b98}.line{stroke-width:2;fill:none}", "text{fill:#9198a1}"
	for i := range lightColours {
		const rule = ".c%d .line{stroke:%s}.c%[1]d .dot{fill:%[2]s}"
		light += fmt.Sprintf(rule, i, lightColours[i])
		dark += fmt.Sprintf(rule, i, darkColours[i])
	}
	return light + "@media (prefers-color-scheme:dark){" + dark + "}"
}

// svg draws the plot; its background is whatever it stands on.
func (p plot) svg() string {
	var b strings.Builder
	width, height := len(p.panels)*panelWidth, panelHeight+legendHeight
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		width, height, width, height, html.EscapeString(p.title))
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n", html.EscapeString(p.title), plotStyle())
	for i, panel := range p.panels {
		fmt.Fprintf(&b, `<g transform="translate(%d,0)">`+"\n", i*panelWidth)
		panel.draw(&b, p.x)
		b.WriteString("</g>\n")
	}
	x := marginLeft
	for i, c := range p.panels[0].series {
		fmt.Fprintf(&b, `<g class="c%d"><rect class="dot" x="%d" y="%d" width="14" height="4"/>`, i%len(lightColours), x, panelHeight+8)
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text></g>`+"\n", x+20, panelHeight+14, html.EscapeString(c.name))
		x += 44 + 7*len(c.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) draw(b *strings.Builder, xAxis axis) {
	var xs, ys []float64
	for _, c := range p.series {
		for _, pt := range c.points {
			xs, ys = append(xs, pt.x), append(ys, pt.y)
		}
	}
	x := newScale(xAxis.log, xs, false, marginLeft, panelWidth-marginRight)
	y := newScale(p.y.log, ys, true, panelHeight-marginBottom, marginTop)
	fmt.Fprintf(b, `<text class="title" x="%d" y="24">%s</text>`+"\n", marginLeft, html.EscapeString(p.y.label))
	for _, tick := range y.ticks {
		at := y.at(tick)
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, marginLeft, panelWidth-marginRight, at, at)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", marginLeft-6, at+4, short(tick))
	}
	fmt.Fprintf(b, `<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`+"\n", marginLeft, panelWidth-marginRight, panelHeight-marginBottom, panelHeight-marginBottom)
	for _, value := range x.values {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x.at(value), panelHeight-marginBottom+16, short(value))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (marginLeft+panelWidth-marginRight)/2, panelHeight-marginBottom+34, html.EscapeString(xAxis.label))
	for i, c := range p.series {
		c.draw(b, i, x, y)
	}
}

func (c curve) draw(b *strings.Builder, i int, x, y scale) {
	var line []string
	fmt.Fprintf(b, `<g class="c%d">`, i%len(lightColours))
	for _, pt := range c.points {
		line = append(line, fmt.Sprintf("%.1f,%.1f", x.at(pt.x), y.at(pt.y)))
		fmt.Fprintf(b, `<circle class="dot" cx="%.1f" cy="%.1f" r="3"/>`, x.at(pt.x), y.at(pt.y))
	}
	fmt.Fprintf(b, `<polyline class="line" points="%s"/></g>`+"\n", strings.Join(line, " "))
}

// A scale puts values where they are drawn.
type scale struct {
	log        bool
	low, high  float64 // of the values, or their logarithms
	begin, end float64 // of the drawing
	values     []float64
	ticks      []float64
}

// newScale holds all values. One that is wide begins and ends at a tick; a linear one begins at zero.
func newScale(logarithmic bool, values []float64, wide bool, begin, end int) scale {
	s := scale{log: logarithmic, low: math.Inf(1), high: math.Inf(-1), begin: float64(begin), end: float64(end)}
	seen := map[float64]bool{}
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			s.values = append(s.values, v)
		}
		s.low, s.high = min(s.low, s.value(v)), max(s.high, s.value(v))
	}
	if !s.log {
		s.low = 0
	}
	if wide {
		s.widen()
	}
	if s.high <= s.low {
		s.high = s.low + 1
	}
	return s
}

// widen finds ticks, and makes the scale end at them.
func (s *scale) widen() {
	if s.log {
		s.low, s.high = math.Floor(s.low), math.Ceil(s.high)
		for exponent := s.low; exponent <= s.high; exponent++ {
			s.ticks = append(s.ticks, math.Pow(10, exponent))
		}
		return
	}
	step := math.Pow(10, math.Floor(math.Log10(max(s.high, 1e-9))))
	for _, part := range []float64{0.2, 0.5, 1} {
		if s.high/(step*part) <= 6 {
			step *= part
			break
		}
	}
	s.high = math.Ceil(s.high/step) * step
	for tick := 0.0; tick <= s.high+step/2; tick += step {
		s.ticks = append(s.ticks, tick)
	}
}

func (s scale) value(v float64) float64 {
	if s.log {
		return math.Log10(v)
	}
	return v
}

func (s scale) at(v float64) float64 {
	return s.begin + (s.value(v)-s.low)/(s.high-s.low)*(s.end-s.begin)
}

// short is a number for an axis: 2000 is 2 k.
func short(v float64) string {
	unit := ""
	switch {
	case v >= 1e6:
		v, unit = v/1e6, " M"
	case v >= 1e3:
		v, unit = v/1e3, " k"
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + unit
}
