package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fakeGroupEnv makes this test binary the process of a group: "ends" measures its rows, "dies" the first of them, "hangs"
// none.
const fakeGroupEnv = "BENCHMARKS_TEST_GROUP"

func fakeGroup() group {
	return group{name: "a group", rows: func() []row {
		var rounds int
		rows := []row{{name: "one"}, {name: "two"}}
		for i := range rows {
			rows[i].contenders, rows[i].n, rows[i].bars = []contender{taking("sdk", 1, &rounds)}, 1, []bar{perSecond(1)}
		}
		if os.Getenv(fakeGroupEnv) == "dies" && os.Getenv(groupEnv) != "" {
			rows[1].contenders[0].prepare = func() (work, func(), error) { os.Exit(3); return nil, nil, nil }
		}
		return rows
	}}
}

func TestMain(m *testing.M) {
	if os.Getenv(groupEnv) == "" {
		os.Exit(m.Run())
	}
	if os.Getenv(fakeGroupEnv) == "hangs" {
		<-time.After(time.Hour) // nobody waits for it: the process is killed
	}
	if err := measureGroup(fakeGroup(), asked()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// inFolder works as in the folder benchmarks, but leaves nothing in it.
func inFolder(t *testing.T) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "benchmarks")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(folder)
}

// asked is a run that may be resumed.
func asked() options { return options{quick: true, resume: true, choice: everything()} }

func TestGroupHasAProcessOfItsOwn(t *testing.T) {
	inFolder(t)
	t.Setenv(fakeGroupEnv, "ends")
	p, err := inProcess(t.Context(), fakeGroup(), asked(), "", time.Minute)
	if err != nil || len(p.Rows) != 2 || !p.Done || p.Rows[1].Group != "a group" || p.Rows[1].Bars[0].Verdict != met {
		t.Fatalf("%+v, %v", p, err)
	}
	again, err := (&session{options: asked()}).part(t.Context(), fakeGroup())
	if err != nil || len(again.Rows) != 2 {
		t.Fatalf("resumed: %+v, %v", again, err)
	}
}

func TestPartOfAnotherPaceOrChoiceIsNotResumed(t *testing.T) {
	inFolder(t)
	t.Setenv(fakeGroupEnv, "ends")
	if _, err := inProcess(t.Context(), fakeGroup(), asked(), "", time.Minute); err != nil {
		t.Fatal(err)
	}
	t.Setenv(fakeGroupEnv, "dies") // and so its second row fails if it runs again
	o := asked()
	if p, err := (&session{options: o}).part(t.Context(), fakeGroup()); err != nil || p.Rows[1].Failed != "" {
		t.Errorf("the same pace was not resumed: %+v, %v", p.Rows[1], err)
	}
	another, chosen := o, o
	another.quick = false
	chosen.choice.peers = regexp.MustCompile("kgo")
	for _, o := range []options{another, chosen} {
		if p, err := (&session{options: o}).part(t.Context(), fakeGroup()); err != nil || p.Rows[1].Failed == "" {
			t.Errorf("the part of another pace or choice was resumed: %+v, %v", p.Rows[1], err)
		}
	}
}

func TestRowsThatAProcessDidNotReachAreFailed(t *testing.T) {
	for _, test := range []struct {
		how, why string
		rows     int // that were measured
		limit    time.Duration
	}{
		{"dies", "exit status 3", 1, time.Minute},
		{"hangs", "longer than 1s", 0, time.Second},
	} {
		t.Run(test.how, func(t *testing.T) {
			inFolder(t)
			t.Setenv(fakeGroupEnv, test.how)
			p, err := inProcess(t.Context(), fakeGroup(), asked(), "", test.limit)
			if err != nil || len(p.Rows) != 2 || p.Done {
				t.Fatalf("%+v, %v", p, err)
			}
			for i, r := range p.Rows {
				if (r.Failed == "") != (i < test.rows) {
					t.Errorf("row %d failed: %q", i, r.Failed)
				}
			}
			if last := p.Rows[1]; !strings.Contains(last.Failed, test.why) || last.Bars[0].Verdict != notMeasured {
				t.Errorf("%+v", last)
			}
		})
	}
}

func TestRunThatIsInterruptedEnds(t *testing.T) {
	inFolder(t)
	t.Setenv(fakeGroupEnv, "hangs")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := inProcess(ctx, fakeGroup(), asked(), "", time.Minute); err == nil {
		t.Error("no error")
	}
}

func TestGroupWithoutItsBrokerIsMarked(t *testing.T) {
	p, err := (&session{options: asked(), kafka: &realKafka{missing: "no Java"}}).part(t.Context(), group{name: "real", rows: fakeGroup().rows, real: true})
	if err != nil || len(p.Rows) != 2 || p.Rows[0].Lines[0].NotRun != "no Java" || p.Rows[0].Failed != "" {
		t.Errorf("%+v, %v", p, err)
	}
}
