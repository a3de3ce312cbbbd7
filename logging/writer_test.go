package logging_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/backend-platform/sdk/logging"
)

// broken fails while fault is set: with it, or by a panic if it is nil.
type broken struct {
	lines
	fail  bool
	fault error
	takes int // bytes before the failure
}

func (b *broken) Write(p []byte) (int, error) {
	if !b.fail {
		return b.lines.Write(p)
	}
	if b.fault == nil {
		panic("the output is gone")
	}
	n, _ := b.lines.Write(p[:min(b.takes, len(p))])
	return n, b.fault
}

// standardError replaces os.Stderr and returns what is written there.
func standardError(t *testing.T) func() string {
	t.Helper()
	before := os.Stderr
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = f
	t.Cleanup(func() {
		os.Stderr = before
		f.Close()
	})
	return func() string {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestLinesThatCannotBeWrittenAreCountedAndReported(t *testing.T) {
	stderr := standardError(t)
	out := &broken{fail: true, fault: errors.New("no space left on device")}
	l, err := logging.New("orders", logging.Config{Output: out})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		l.Info("hello")
	}
	out.fail, out.fault = true, nil
	l.Info("hello") // an output that panics is one that fails
	out.fail = false
	l.Info("again")
	all := out.all(t)
	if len(all) != 2 || all[0]["body"] != "again" || all[1]["body"] != "log lines were lost" || all[1]["log.lost_lines"] != 101.0 {
		t.Errorf("got %v", all)
	}
	if said := stderr(); strings.Count(said, "no space left on device") != 1 {
		t.Errorf("standard error has to say it once, and not for each line: %q", said)
	}
}

func TestRestOfALineIsNotContinuedByTheNext(t *testing.T) {
	standardError(t)
	out := &broken{fail: true, fault: io.ErrShortWrite, takes: 10}
	l, err := logging.New("orders", logging.Config{Output: out})
	if err != nil {
		t.Fatal(err)
	}
	l.Info("hello")
	out.fail = false
	l.Info("again")
	torn, rest, _ := strings.Cut(out.String(), "\n")
	if _, err := decode(strings.Split(rest, "\n")[0]); len(torn) != 10 || err != nil {
		t.Errorf("%v in %q", err, out)
	}
}

// gate lets a write through when it is opened.
type gate struct {
	lines
	open chan struct{}
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.lines.Write(p)
}

func (g *gate) Sync() error { return nil }

// unsynced takes lines, and its Sync does not come back until it is let, and then panics.
type unsynced struct {
	lines
	open chan struct{}
}

func (u *unsynced) Sync() error {
	<-u.open
	panic("the disk is gone")
}

func TestSyncThatBlocksCostsLinesAndNotTheService(t *testing.T) {
	standardError(t)
	synctest.Test(t, func(t *testing.T) {
		out := &unsynced{open: make(chan struct{})}
		l, err := logging.New("orders", logging.Config{Output: out})
		if err != nil {
			t.Fatal(err)
		}
		synced := make(chan error, 1)
		go func() { synced <- l.Sync() }()
		synctest.Wait()
		l.Info("meanwhile") // in fake time: it gives up
		begin := time.Now()
		l.Info("later")
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("a line waited %v though it is known that the output blocks", waited)
		}
		close(out.open)
		if err := <-synced; err == nil || !strings.Contains(err.Error(), "the disk is gone") {
			t.Errorf("Sync returns %v", err)
		}
		l.Info("again")
		if n := out.last(t)["log.lost_lines"]; n != 2.0 {
			t.Errorf("%v lines lost, want 2: %s", n, out)
		}
		time.Sleep(time.Minute) // the watch ends by itself
	})
}

// What the logger says about itself is no line of the service, and what it cannot say it says later.
func TestReportThatCannotBeWrittenIsMadeLater(t *testing.T) {
	standardError(t)
	synctest.Test(t, func(t *testing.T) {
		out := &broken{fault: errors.New("no space left on device")}
		core, seen := observer.New(zap.DebugLevel)
		l, err := logging.New("orders", logging.Config{Output: out, MaxRepeatsPerSecond: 1, Exports: []zapcore.Core{core}})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			l.Info("hello")
		}
		out.fail = true
		time.Sleep(time.Second)
		l.Info("lost")
		out.fail = false
		time.Sleep(time.Second)
		l.Info("again")
		reports := map[string]any{}
		for _, line := range out.all(t)[1:] {
			for _, key := range []string{"log.lost_lines", "log.dropped_lines"} {
				if n, ok := line[key]; ok {
					reports[key] = n
				}
			}
		}
		if diff := cmp.Diff(map[string]any{"log.lost_lines": 1.0, "log.dropped_lines": 2.0}, reports); diff != "" {
			t.Error(diff)
		}
		if n := seen.FilterMessage("log lines were lost").Len() + seen.FilterMessageSnippet("left out").Len(); n != 2 {
			t.Errorf("%d of two reports are exported", n)
		}
		time.Sleep(time.Minute) // the watch ends by itself
	})
}

func TestOutputThatBlocksCostsLinesAndNotTheService(t *testing.T) {
	stderr := standardError(t)
	synctest.Test(t, func(t *testing.T) {
		out := &gate{open: make(chan struct{})}
		l, err := logging.New("orders", logging.Config{Output: out})
		if err != nil {
			t.Fatal(err)
		}
		go l.Info("first")
		synctest.Wait()
		var waiting sync.WaitGroup
		for range 20 {
			waiting.Go(func() { l.Info("meanwhile") })
		}
		waiting.Wait() // in fake time: they give up
		begin := time.Now()
		l.Info("later")
		if err := l.Sync(); err == nil {
			t.Error("Sync says nothing of a write that has not ended")
		}
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("a line waited %v though it is known that the output blocks", waited)
		}
		synctest.Wait() // until it is said
		if said := stderr(); strings.Count(said, "has not ended") != 1 {
			t.Errorf("standard error says %q", said)
		}
		close(out.open)
		synctest.Wait()
		l.Info("again")
		var bodies []string
		for _, line := range out.all(t) {
			bodies = append(bodies, line["body"].(string))
		}
		if got := strings.Join(bodies, ", "); got != "first, log lines were lost, again" {
			t.Errorf("got %s", got)
		}
		if n := out.all(t)[1]["log.lost_lines"]; n != 21.0 {
			t.Errorf("%v lines lost, want 21", n)
		}
		time.Sleep(time.Minute) // the watch ends by itself
		l.Info("much later")
	})
}

// childRole makes this test binary play a service in a process of its own.
const childRole = "LOGGING_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childRole) == "" {
		os.Exit(m.Run())
	}
	l, err := logging.New("child", logging.Config{})
	if err != nil {
		panic(err)
	}
	if os.Getenv(childRole) == "quiet" {
		logging.SetDefault(l)
		logging.FromContext(spanned(context.Background())).Info("from zap")
		slog.InfoContext(spanned(context.Background()), "from slog")
		log.Print("from log")
		_ = l.Sync()
		os.Exit(0)
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until nobody reads our standard output any more
	for range 3 {
		l.Info("hello", zap.Int("n", 1))
	}
	_ = l.Sync()
	os.Exit(7)
}

func TestServiceThatSetsNothingWritesJSONAndNothingElse(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"=quiet")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() != 0 {
		t.Errorf("%v, standard error says %q", err, &stderr)
	}
	var out lines
	_, _ = out.Write([]byte(stdout.String()))
	all := out.all(t)
	if len(all) != 3 {
		t.Fatalf("got %s", &stdout)
	}
	for i, want := range []any{traceID, traceID, nil} {
		if got := all[i]["trace_id"]; got != want || all[i]["service.name"] != "child" {
			t.Errorf("trace id %v, want %v, in %v", got, want, all[i])
		}
	}
}

// The runtime ends a program that writes to a broken standard output. A log collector that restarts must
// not end services.
func TestBrokenStandardOutputDoesNotEndTheService(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"=service")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout.Close()
	if _, err := io.WriteString(stdin, "go\n"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("the service ended by %v, want its own exit code 7", cmd.ProcessState)
	}
	if strings.Count(stderr.String(), "lines lost") != 1 {
		t.Errorf("standard error says %q, want the loss once", stderr.String())
	}
}

func TestClosedStandardOutputIsAnError(t *testing.T) {
	stderr := standardError(t)
	before := os.Stdout
	defer func() { os.Stdout = before }()
	f, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = f
	l, err := logging.New("orders", logging.Config{})
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	l.Info("hello")
	if said := stderr(); !strings.Contains(said, "1 lines lost") || !strings.Contains(said, "closed") {
		t.Errorf("standard error says %q", said)
	}
}
