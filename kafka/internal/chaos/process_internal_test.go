package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The other processes of these tests are this test program in another role.
const roleVariable = "CHAOS_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "cluster":
		fmt.Println(brokersVariable + "=one:1,two:2")
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if lines.Text() == "kill 9" {
				fmt.Println("error kill 9: there is no such node")
				continue
			}
			fmt.Println("ok", lines.Text())
		}
		os.Exit(0)
	case "consumer":
		fmt.Println("consumes")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "failing":
		fmt.Println("cannot start")
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func TestClusterIsToldWhatToDo(t *testing.T) {
	t.Setenv(roleVariable, "cluster")
	c, err := startCluster(t.Context(), os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.brokers, []string{"one:1", "two:2"}) {
		t.Errorf("brokers: %q", c.brokers)
	}
	if err := c.order("kill 2"); err != nil {
		t.Error(err)
	}
	if err := c.order("kill 9"); err == nil || !strings.Contains(err.Error(), "no such node") {
		t.Errorf("an order that cannot be carried out: %v", err)
	}
	if err := c.stop(); err != nil {
		t.Error(err)
	}
}

func TestClusterThatDoesNotStartIsAnError(t *testing.T) {
	t.Setenv(roleVariable, "failing")
	if _, err := startCluster(t.Context(), os.Args[0]); err == nil {
		t.Error("a command that prints something else was taken for a cluster")
	}
}

// newFleet returns a fleet of two whose every rest between two lives is told to
// the channel.
func newFleet(t *testing.T, role string) (*fleet, chan struct{}) {
	t.Helper()
	t.Setenv(roleVariable, role)
	f := &fleet{program: []string{os.Args[0], os.Args[0]}, dir: t.TempDir(), slots: 2, say: t.Logf}
	ended := make(chan struct{}, 100)
	f.start(t.Context(), func() time.Duration {
		ended <- struct{}{}
		return 0
	})
	return f, ended
}

func TestConsumerThatWasKilledIsStartedAgainAndNoneFailed(t *testing.T) {
	f, ended := newFleet(t, "consumer")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 3 {
		for !f.kill(1) {
			<-tick.C // It is on its way.
		}
		<-ended
	}
	f.stop()
	lives := map[int]int{}
	for _, p := range f.all {
		lives[p.slot]++
		if p.failed != "" {
			t.Errorf("%v failed: %s", p, p.failed)
		}
		if p.killed != (p.slot == 1 && p.life <= 3) {
			t.Errorf("%v was killed: %v", p, p.killed)
		}
	}
	if lives[0] > 1 || lives[1] < 3 || lives[1] > 4 {
		t.Errorf("lives: %v", lives)
	}
	if f.kill(0) {
		t.Error("killed after the end")
	}
}

func TestConsumerThatWasToldToStopIsStartedAgainAndDidNotFail(t *testing.T) {
	f, ended := newFleet(t, "consumer")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f.stopOne(0) {
		<-tick.C // It is on its way.
	}
	if f.stopOne(0) {
		t.Error("stopped twice")
	}
	<-ended
	f.stop()
	if p := f.all[0]; p.failed != "" || p.killed || !p.told {
		t.Errorf("%v: killed %v, told %v, failed %q", p, p.killed, p.told, p.failed)
	}
}

func TestConsumerThatEndsByItselfHasFailed(t *testing.T) {
	f, ended := newFleet(t, "failing")
	<-ended
	f.stop()
	p := f.all[0]
	if p.killed || !strings.Contains(p.failed, "exit status 3: cannot start") {
		t.Errorf("%v: killed %v, failed %q", p, p.killed, p.failed)
	}
	if logs, err := filepath.Glob(filepath.Join(f.dir, "consumer-*.log")); err != nil || len(logs) < 1 {
		t.Errorf("logs: %q, %v", logs, err)
	}
}
