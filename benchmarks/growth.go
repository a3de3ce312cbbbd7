package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	growthFile  = "growth.json"
	plotsFolder = "../docs/performance"
	// pointEnv makes this program measure one point of a chart, for another process of it.
	pointEnv = "BENCHMARKS_POINT"

	growthRounds = 3
)

// A job is one point to measure, in a process of its own, whose memory is a part of it.
type job struct {
	Kind    string   `json:"kind"`
	Brokers []string `json:"brokers,omitempty"`
	Topic   string   `json:"topic,omitempty"`
	N       int      `json:"n"`

	Peer    string `json:"peer,omitempty"` // empty: this SDK
	Hosts   int    `json:"hosts,omitempty"`
	Workers int    `json:"workers,omitempty"`
	Retried int    `json:"retried,omitempty"` // of a hundred records
	Sleep   bool   `json:"sleep,omitempty"`   // the handler takes 1 ms
}

// A chart shows how one thing grows with another.
type chart struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	X      string   `json:"x"`
	LogX   bool     `json:"log_x,omitempty"`
	Rate   string   `json:"rate"`   // what is counted in a second
	Memory string   `json:"memory"` // what of it
	Lines  []series `json:"series"`
}

type series struct {
	Name   string  `json:"name"`
	Points []grown `json:"points"`
}

// grown is what was measured for an x, the median of rounds.
type grown struct {
	X      float64 `json:"x"`
	Rate   float64 `json:"rate"`
	Spread float64 `json:"spread"` // of the rate, as a share
	CPU    float64 `json:"cpu_ns"` // of one unit
	Memory float64 `json:"memory_mib"`

	job   func(ctx context.Context) (job, error)
	ready *prepared
}

// growth is a whole run of the charts.
type growth struct {
	Machine machine `json:"machine"`
	Seconds int     `json:"seconds"`
	Charts  []chart `json:"charts"`
}

// grow measures all charts whose titles match and, unless quick, writes and draws them.
func grow(ctx context.Context, o options) error {
	begin := time.Now()
	defer closeCluster()
	if err := os.Unsetenv(brokersEnv); err != nil { // the same for everybody: the embedded broker
		return err
	}
	g := growth{}
	for _, c := range charts() {
		if !o.choice.rows.MatchString(c.Title) {
			continue
		}
		if err := c.measure(ctx, o.quick); err != nil {
			return fmt.Errorf("%s: %w", c.Title, err)
		}
		fmt.Print(c.text())
		g.Charts = append(g.Charts, c)
	}
	if o.quick || o.chosen {
		return nil
	}
	g.Machine, g.Seconds = thisMachine(nil), int(time.Since(begin).Seconds())
	if err := writeJSON(growthFile, g); err != nil {
		return err
	}
	for _, c := range g.Charts {
		if err := c.draw(); err != nil {
			return err
		}
	}
	return writePage()
}

// measure lets all points take turns in random order.
func (c *chart) measure(ctx context.Context, quick bool) error {
	rounds := growthRounds
	if quick {
		rounds = 1
	}
	var all []*grown
	for i := range c.Lines {
		for j := range c.Lines[i].Points {
			all = append(all, &c.Lines[i].Points[j])
		}
	}
	for range rounds {
		for _, i := range rand.Perm(len(all)) {
			if err := all[i].round(ctx); err != nil {
				return fmt.Errorf("at %v: %w", all[i].X, err)
			}
		}
	}
	for _, g := range all {
		nanos := quantile(g.ready.nanos, 0.5)
		g.Rate, g.Spread = 1e9/nanos, spread(g.ready.nanos)/nanos
		g.CPU, g.Memory = quantile(g.ready.cpu, 0.5), quantile(g.ready.memory, 0.5)
	}
	return nil
}

func (g *grown) round(ctx context.Context) error {
	if g.ready == nil {
		g.ready = &prepared{}
	}
	j, err := g.job(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	self, err := selfCommand()
	if err != nil {
		return err
	}
	s, err := execute(ctx, self, pointEnv+"="+string(text))
	if err != nil {
		return err
	}
	g.ready.nanos = append(g.ready.nanos, float64(s.took)/float64(j.N))
	g.ready.cpu = append(g.ready.cpu, float64(s.cpu)/float64(j.N))
	g.ready.memory = append(g.ready.memory, float64(s.memory)/1024)
	return nil
}

// measurePoint is the other process. It prints as the peers in Java do.
func measurePoint(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	measure := map[string]func(job) (spent, error){"http": growHTTP, "consume": growConsume}[j.Kind]
	if measure == nil {
		return fmt.Errorf("there is no kind %q", j.Kind)
	}
	s, err := measure(j)
	fmt.Println(int64(s.took), int64(s.cpu), s.memory)
	return err
}

func (c chart) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", c.Title)
	for _, s := range c.Lines {
		for _, p := range s.Points {
			fmt.Fprintf(&b, "  %-28s %10s %s %12s %s ± %2.0f %%  %10s CPU  %8.1f MiB\n",
				s.Name, number(p.X), c.X, number(p.Rate), c.Rate, 100*p.Spread, duration(p.CPU), p.Memory)
		}
	}
	return b.String()
}

// draw writes the chart as a picture of throughput and memory.
func (c chart) draw() error {
	if err := os.MkdirAll(plotsFolder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(plotsFolder, c.Name+".svg"), []byte(c.plot().svg()), 0o644)
}

func (c chart) plot() plot {
	p := plot{title: c.Title, x: axis{c.X, c.LogX}}
	for _, figure := range []struct {
		label string
		of    func(grown) float64
	}{
		{c.Rate, func(g grown) float64 { return g.Rate }},
		{c.Memory, func(g grown) float64 { return g.Memory }},
	} {
		var curves []curve
		least, most := 0.0, 0.0
		for _, s := range c.Lines {
			line := curve{name: s.Name}
			for _, g := range s.Points {
				y := figure.of(g)
				line.points = append(line.points, point{g.X, y})
				if least == 0 || y < least {
					least = y
				}
				most = max(most, y)
			}
			curves = append(curves, line)
		}
		p.panels = append(p.panels, panel{axis{figure.label, most > 20*least}, curves})
	}
	return p
}
