package main

import (
	"os"
	"strings"
	"testing"
)

// made is a run in which each row was measured, or none.
func made(ran bool) (report, growth) {
	m := machine{Versions: map[string]string{}}
	jarVersions(m.Versions)
	var rows []result
	for _, g := range groups() {
		for _, t := range g.tasks(everything()) {
			r := t.row.notMeasuredHere("no Java")
			r.Group = g.name
			for i := range r.Lines {
				if ran {
					r.Lines[i] = entry{Name: r.Lines[i].Name, Nanos: 1234, CPU: 2345, Allocs: 17, Bytes: 4321, Memory: 88, Ratio: 0.25, CPUOf: 0.5, MemoryOf: 0.125}
				}
			}
			rows = append(rows, r)
		}
	}
	g := growth{Machine: m, Charts: charts()}
	for _, c := range g.Charts {
		for _, s := range c.Lines {
			for i := range s.Points {
				s.Points[i].Rate, s.Points[i].Memory = 1000, 64
			}
		}
	}
	return newReport(m, 0, rows), g
}

// The template names rows, contenders and points, which have to be there; what was not run says so.
func TestPageCanBeMadeOfEachRun(t *testing.T) {
	for _, ran := range []bool{true, false} {
		text, err := page(made(ran))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(text, "(not run)"); got == ran {
			t.Errorf("measured: %v, and the page says (not run): %v", ran, got)
		}
		if strings.Contains(text, "\n\n\n") || strings.Contains(text, "<no value>") {
			t.Errorf("there is something missing in\n%s", text)
		}
	}
}

func TestPageWithAFigureThatIsNotThereIsAnError(t *testing.T) {
	r, g := made(true)
	g.Charts = g.Charts[1:]
	if _, err := page(r, g); err == nil {
		t.Error("no error without a chart")
	}
	r, g = made(true)
	r.Rows = r.Rows[2:]
	if _, err := page(r, g); err == nil {
		t.Error("no error without a row")
	}
}

// docs/PERFORMANCE.md and RESULTS.md say what the last runs measured, and nothing else.
func TestPagesAreThoseOfTheLastRuns(t *testing.T) {
	r, g, err := readResults()
	if err != nil {
		t.Fatal(err)
	}
	want, err := page(r, g)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{pageFile: want, resultsPage: r.markdown()} {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the results say: bin/benchmarks -render in the folder benchmarks makes it again", file)
		}
	}
	for _, c := range g.Charts {
		got, err := os.ReadFile(plotsFolder + "/" + c.Name + ".svg")
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != c.plot().svg() {
			t.Errorf("the plot of %q is not what the results say", c.Title)
		}
		if !strings.Contains(want, "(performance/"+c.Name+".svg)") {
			t.Errorf("%s does not show the plot of %q", pageFile, c.Title)
		}
	}
}

func TestReportNamesNeitherTheMachineNorItsFolders(t *testing.T) {
	m := thisMachine(nil)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r := newReport(m, 0, nil)
	for _, secret := range []string{host, folder} {
		if strings.Contains(r.markdown(), secret) {
			t.Errorf("the report has %q", secret)
		}
	}
	if m.Cores == 0 || m.CPU == "" || m.Date == "" || m.Go == "" {
		t.Errorf("the machine is %+v", m)
	}
}
