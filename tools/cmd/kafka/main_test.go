package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeNodes writes down what it is told.
type fakeNodes struct{ told []string }

func (f *fakeNodes) Nodes() []int { return []int{1, 2, 3} }

func (f *fakeNodes) Kill(ids ...int) error { return f.note("kill", ids) }

func (f *fakeNodes) Restart(_ context.Context, ids ...int) error { return f.note("start", ids) }

func (f *fakeNodes) Pause(ids ...int) error { return f.note("pause", ids) }

func (f *fakeNodes) Continue(ids ...int) error { return f.note("continue", ids) }

func (f *fakeNodes) note(order string, ids []int) error {
	f.told = append(f.told, fmt.Sprint(order, ids))
	if len(ids) == 1 && ids[0] == 4 {
		return errors.New("there is no node 4\nreally")
	}
	return nil
}

func TestOrdersAreCarriedOutAndAnsweredUntilStop(t *testing.T) {
	var cluster fakeNodes
	var out bytes.Buffer
	obey(t.Context(), &cluster, strings.NewReader("kill 2\n\nstart all\n pause 1 3\ncontinue 1 3\nkill 4\nkill\nkill x\nburn 1\nstop\nkill 1\n"), &out)
	if diff := cmp.Diff([]string{"kill[2]", "start[1 2 3]", "pause[1 3]", "continue[1 3]", "kill[4]"}, cluster.told); diff != "" {
		t.Error(diff)
	}
	want := `ok kill 2
ok start all
ok pause 1 3
ok continue 1 3
error kill 4: "there is no node 4\nreally"
error kill: "which nodes? Their numbers, or all"
error kill x: "\"x\" is no number of a node"
error burn 1: "unknown order: want kill, start, pause or continue with nodes, or stop"
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestOrdersEndWithTheirInputAndWithTheContext(t *testing.T) {
	obey(t.Context(), &fakeNodes{}, strings.NewReader("kill 1"), io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, _ := io.Pipe() // never ends
	obey(ctx, &fakeNodes{}, in, io.Discard)
}

func TestNullDeviceIsNoInput(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if in := orders(null); in != nil {
		t.Errorf("orders from %s: %v", os.DevNull, in)
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if in := orders(file); in != file {
		t.Errorf("orders from a file: %v", in)
	}
}

func TestCommandRunsWithTheClusterThatIsNamedAndItsExitCodeIsPassedOn(t *testing.T) {
	t.Setenv("KAFKA_BROKERS", "kafka:9092")
	for script, want := range map[string]int{`test "$KAFKA_BROKERS" = kafka:9092`: 0, "exit 3": 3, "kill -9 $$": 137} {
		code, err := run(t.Context(), []string{"run", "--", "sh", "-c", script}, nil, io.Discard, io.Discard)
		if code != want || err != nil {
			t.Errorf("%s: exit code %d, %v, want %d", script, code, err, want)
		}
	}
	if code, err := run(t.Context(), []string{"run", "/nowhere/command"}, nil, io.Discard, io.Discard); code != 1 || err == nil {
		t.Errorf("a command that is not there: exit code %d, %v", code, err)
	}
}

func TestWrongCommandLinesEndWithTwo(t *testing.T) {
	for _, args := range [][]string{nil, {"down"}, {"up", "3"}, {"run"}, {"up", "-node", "3"}} {
		if code, err := run(t.Context(), args, nil, io.Discard, io.Discard); code != 2 || err == nil {
			t.Errorf("%q: exit code %d, %v", args, code, err)
		}
	}
}
