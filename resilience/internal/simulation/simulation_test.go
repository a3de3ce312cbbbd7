package simulation_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/resilience/internal/simulation"
)

var update = flag.Bool("update", false, "write the figures into ../../SIMULATION.md and ../../simulation.svg")

const (
	page = "../../SIMULATION.md"
	plot = "../../simulation.svg"
)

// TestSimulation runs every scenario once: what it promises, and that the figures in the docs are what
// comes of it. A bubble fails the test where a goroutine is left when the clients have ended.
func TestSimulation(t *testing.T) {
	var all []*simulation.Figures
	for _, s := range simulation.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, err := simulation.Run(s)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, f)
				checkPromises(t, f)
			})
		})
	}
	compare(t, page, "scenarios", simulation.Table(all))
	compareFile(t, plot, simulation.Plot(all))
}

func checkPromises(t *testing.T, f *simulation.Figures) {
	// A tenth more than what is offered, and one retry a second in each process.
	most := 0.01 * simulation.Clients * simulation.Rate // a call and its retry may not be in the same ten seconds
	if f.Scenario.Hangs {
		most = simulation.Clients // its retry comes ten seconds later
	}
	if got := f.WorstExcess(); got > most {
		t.Errorf("in some ten seconds the load was 1.1 times what was offered and %.0f/s more", got)
	}
	const window, openPeriod, probes = 10 * time.Second, 6 * time.Second, time.Second
	s := f.Scenario
	if f.EarlyOpened > 0 || f.StillOpen > 0 {
		t.Errorf("%d breakers opened without trouble, %d are not closed at the end", f.EarlyOpened, f.StillOpen)
	}
	if s.Failures <= 0.1 && !s.Hangs && f.Opened > 0 {
		t.Errorf("%d breakers opened", f.Opened)
	}
	if s.Failures >= 0.9 && (f.Opened != simulation.Clients || f.LastOpened > window) {
		t.Errorf("%d breakers opened, the last after %v", f.Opened, f.LastOpened)
	}
	recovery := openPeriod + probes
	if s.Hangs {
		recovery += 10 * time.Second // a probe that hangs says so when its attempt's time is up
	}
	if f.Recovered > recovery {
		t.Errorf("a call failed %v after the dependency was well", f.Recovered)
	}
	if rest := simulation.Calm + simulation.Trouble + 17*time.Second; f.Succeeded.Between(rest, simulation.Length) != f.Offered.Between(rest, simulation.Length) {
		t.Error("calls fail at the end")
	}
	if s.Failures == 0 && !s.Hangs && f.Load != f.Offered {
		t.Error("there were retries without a failure")
	}
}

func TestRetriesInLayersDoNotMultiply(t *testing.T) {
	bounds := map[string][2]float64{
		"neither":                  {27, 27},
		"the exhausted mark alone": {3, 3},
		"budgets alone":            {1.2, 1.34},
		"mark and budgets":         {1, 1.34},
	}
	var names []string
	var factors []float64
	for _, d := range simulation.Defences() {
		synctest.Test(t, func(t *testing.T) {
			got, err := simulation.Amplify(d)
			if err != nil {
				t.Fatal(err)
			}
			names, factors = append(names, d.Name), append(factors, got)
			want, ok := bounds[d.Name]
			if !ok {
				want = [2]float64{0, 0.1} // breakers keep most of it away
			}
			if got < want[0] || got > want[1] {
				t.Errorf("%s: the deepest sees %v attempts a call, want %v", d.Name, got, want)
			}
		})
	}
	compare(t, page, "layers", simulation.LayersTable(names, factors))
}

// compare holds what is between two comments of a page against what it should be.
func compare(t *testing.T, file, block, want string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), "<!-- figures: "+block+" -->\n\n")
	_, after, ends := strings.Cut(rest, "\n<!-- end of figures -->")
	if !begins || !ends {
		t.Fatalf("%s has no place for the figures %q", file, block)
	}
	compareFile(t, file, before+"<!-- figures: "+block+" -->\n\n"+want+"\n<!-- end of figures -->"+after)
}

func compareFile(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is not what the simulation gives; make simulate writes it:\n%s", file, diff)
	}
}
