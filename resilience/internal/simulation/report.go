package simulation

import (
	"fmt"
	"strings"
	"time"
)

// Table returns the figures of the scenarios in Markdown.
func Table(all []*Figures) string {
	var b strings.Builder
	b.WriteString("| the dependency | offered | load on it | of the offered | calls that succeed | breakers that open | the last opens after | last failure after it is well |\n")
	b.WriteString("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, f := range all {
		offered := during(&f.Offered)
		fmt.Fprintf(&b, "| %s | %s/s | %s/s | %s | %s | %d of %d | %s | %s |\n", f.Scenario.Name,
			perSecond(offered), perSecond(during(&f.Load)), percent(during(&f.Load), offered), percent(during(&f.Succeeded), offered),
			f.Opened, Clients, seconds(f.LastOpened), seconds(f.Recovered))
	}
	return b.String()
}

// LayersTable returns the amplification of each defence in Markdown.
func LayersTable(names []string, factors []float64) string {
	var b strings.Builder
	b.WriteString("| what keeps retries in bounds | attempts that reach the deepest, for each call |\n| --- | ---: |\n")
	for i, name := range names {
		fmt.Fprintf(&b, "| %s | %.2f |\n", name, factors[i])
	}
	return b.String()
}

func during(s *Series) int64 { return s.Between(Calm, Calm+Trouble) }

func perSecond(n int64) string { return fmt.Sprintf("%.0f", float64(n)/Trouble.Seconds()) }

func percent(n, of int64) string { return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(of)) }

func seconds(d time.Duration) string {
	if d <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// The plot's measures, in pixels.
const (
	panelWidth, panelHeight = 380, 190
	plotWidth, plotHeight   = 310, 110
	plotLeft, plotTop       = 52, 40
	columns                 = 2
	legendHeight            = 40
	highest                 = 2000 // a second, at the top of a panel
)

// The colours are told apart by people who do not tell red from green, and on white as on black.
const style = `<style>
text{font:12px sans-serif;fill:#24292f}.title{font-weight:bold}.axis{stroke:#8c959f;stroke-width:1}
.trouble{fill:#8c959f;fill-opacity:.18}polyline,.key{fill:none;stroke-width:2}
.offered{stroke:#6e7781;stroke-dasharray:4 3}.load{stroke:#b35900}.succeeded{stroke:#0969da}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.offered{stroke:#9ea7b3}.load{stroke:#f0883e}.succeeded{stroke:#58a6ff}}
</style>
`

// Plot returns the scenarios as an SVG image: calls that were offered, attempts that reached the
// dependency, and calls that succeeded, second by second.
func Plot(all []*Figures) string {
	var b strings.Builder
	rows := (len(all) + columns - 1) / columns
	width, height := columns*panelWidth, legendHeight+rows*panelHeight
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	b.WriteString("<title>Load on a dependency in trouble, and calls that succeed</title>\n" + style)
	for i, key := range []struct{ class, text string }{{"offered", "calls offered"}, {"load", "attempts at the dependency"}, {"succeeded", "calls that succeed"}} {
		x := plotLeft + 230*i
		fmt.Fprintf(&b, `<path class="key %s" d="M%d 20h28"/><text x="%d" y="24">%s</text>`+"\n", key.class, x, x+34, key.text)
	}
	for i, f := range all {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%columns*panelWidth, legendHeight+i/columns*panelHeight)
		f.panel(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (f *Figures) panel(b *strings.Builder) {
	bottom, right := plotTop+plotHeight, plotLeft+plotWidth
	fmt.Fprintf(b, `<text class="title" x="%d" y="%d">%s</text>`+"\n", plotLeft, plotTop-12, f.Scenario.Name)
	fmt.Fprintf(b, `<rect class="trouble" x="%.1f" y="%d" width="%.1f" height="%d"/>`+"\n", across(Calm), plotTop, across(Calm+Trouble)-across(Calm), plotHeight)
	fmt.Fprintf(b, `<path class="axis" fill="none" d="M%d %dV%dH%d"/>`+"\n", plotLeft, plotTop, bottom, right)
	for _, n := range []int64{0, 500, 1000} {
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%d/s</text>`+"\n", plotLeft-6, up(n)+4, n)
	}
	for at := time.Duration(0); at <= Length; at += 10 * time.Second {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%.0f s</text>`+"\n", across(at), bottom+16, at.Seconds())
	}
	for _, line := range []struct {
		class  string
		series *Series
	}{{"offered", &f.Offered}, {"load", &f.Load}, {"succeeded", &f.Succeeded}} {
		fmt.Fprintf(b, `<polyline class="%s" points="`, line.class)
		for i, n := range line.series {
			fmt.Fprintf(b, "%.1f,%.1f ", across(time.Duration(i)*time.Second+time.Second/2), up(n))
		}
		b.WriteString(`"/>` + "\n")
	}
}

func across(at time.Duration) float64 {
	return plotLeft + plotWidth*at.Seconds()/Length.Seconds()
}

func up(perSecond int64) float64 {
	return plotTop + plotHeight - plotHeight*min(float64(perSecond), highest)/highest
}
