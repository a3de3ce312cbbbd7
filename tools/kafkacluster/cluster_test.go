package kafkacluster_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backend-platform/sdk/tools/kafkacluster"
)

func start(t *testing.T, cfg kafkacluster.Config) *kafkacluster.Cluster {
	t.Helper()
	cluster, err := kafkacluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

// listening reports for each address whether a connection is accepted.
func listening(addrs []string) []bool {
	up := make([]bool, len(addrs))
	for i, addr := range addrs {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			up[i] = true
		}
	}
	return up
}

func TestClusterOfThreeIsKilledAndRestartedNodeByNodeAndAllAtOnce(t *testing.T) {
	m := newMachine(t)
	cluster := start(t, kafkacluster.Config{Nodes: 3})
	expect := func(when string, want ...bool) {
		t.Helper()
		if got := listening(cluster.Brokers()); !slices.Equal(got, want) {
			t.Fatalf("%s the nodes listen: %v, want %v", when, got, want)
		}
	}
	expect("after the start", true, true, true)
	if err := cluster.Kill(2); err != nil {
		t.Fatal(err)
	}
	expect("after node 2 was killed", true, false, true)
	if err := cluster.Kill(2, 1, 3); err != nil {
		t.Fatal(err)
	}
	expect("after all were killed", false, false, false)
	if err := cluster.Restart(t.Context(), cluster.Nodes()...); err != nil {
		t.Fatal(err)
	}
	expect("after the restart", true, true, true)
	if err := cluster.Restart(t.Context(), 1); err != nil {
		t.Errorf("restart of a node that runs: %v", err)
	}
	if err := cluster.Kill(4); err == nil || !strings.Contains(err.Error(), "no node 4") {
		t.Errorf("kill of a fourth node: %v", err)
	}
	if err := cluster.Stop(); err != nil {
		t.Error(err)
	}
	expect("after the stop", false, false, false)
	if left := m.left(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := cluster.Restart(t.Context(), 1); err == nil {
		t.Error("a stopped cluster was restarted")
	}
}

func TestPausedNodeHoldsItsConnectionsAndAnswersWhenItGoesOn(t *testing.T) {
	newMachine(t)
	cluster := start(t, kafkacluster.Config{})
	if err := cluster.Pause(1); err != nil {
		t.Fatal(err)
	}
	// The system accepts connections for it all the same.
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() { answered <- cluster.Restart(ctx, 1) }()
	conn, err := net.Dial("tcp", cluster.Brokers()[0])
	if err != nil {
		t.Fatalf("a paused node refuses connections: %v", err)
	}
	conn.Close()
	cancel()
	if err := <-answered; err == nil {
		t.Error("a paused node answered")
	}
	if err := cluster.Continue(1); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Restart(t.Context(), 1); err != nil {
		t.Errorf("it does not answer again: %v", err)
	}
}

func TestNodeThatDoesNotStartShowsItsOutputAndLeavesNothing(t *testing.T) {
	m := newMachine(t)
	java, err := os.ReadFile(filepath.Join(m.bin, "java"))
	if err != nil {
		t.Fatal(err)
	}
	m.install(t, "java", "touch broken 2>/dev/null\n"+string(java))
	var log bytes.Buffer
	_, err = kafkacluster.Start(t.Context(), kafkacluster.Config{Nodes: 3, Log: &log})
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"node 1 has ended (exit status 1)", "node 3 has ended", "FATAL the node is broken"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if left := m.left(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCanceledStartLeavesNothing(t *testing.T) {
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	// It is canceled when the node has been formatted and hangs at its start.
	java, err := os.ReadFile(filepath.Join(m.bin, "java"))
	if err != nil {
		t.Fatal(err)
	}
	hold := filepath.Join(m.home, "held")
	m.install(t, "java", `case "$*" in *kafka.Kafka*) echo >`+hold+"; exec cat /dev/zero >/dev/null;; esac\n"+string(java))
	ended := make(chan error, 1)
	go func() {
		_, err := kafkacluster.Start(ctx, kafkacluster.Config{})
		ended <- err
	}()
	eventually(t, "a node to be started", func() bool { _, err := os.Stat(hold); return err == nil })
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("error %v, want one that says it was canceled", err)
	}
	if left := m.left(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNodeThatEndsByItselfIsReported(t *testing.T) {
	m := newMachine(t)
	var log lockedBuffer
	cluster := start(t, kafkacluster.Config{Log: &log})
	pids, err := filepath.Glob(filepath.Join(m.left(t)[0], "1", "pid"))
	if err != nil || len(pids) != 1 {
		t.Fatalf("pid files: %v, %v", pids, err)
	}
	pid, err := os.ReadFile(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("kill", "-9", strings.TrimSpace(string(pid))).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "the report", func() bool { return strings.Contains(log.String(), "node 1 ended by itself (signal: killed)") })
	if err := cluster.Restart(t.Context(), 1); err != nil {
		t.Errorf("restart: %v", err)
	}
}

// owner is another program that has a cluster; it tells where, and then waits to be killed.
func owner() int {
	cluster, err := kafkacluster.Start(context.Background(), kafkacluster.Config{Nodes: 3})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(strings.Join(cluster.Brokers(), " "))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func TestKilledOwnerLeavesNeitherProcessesNorFolder(t *testing.T) {
	m := newMachine(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), roleVariable+"=owner")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	brokers := strings.Fields(line)
	if up := listening(brokers); !slices.Equal(up, []bool{true, true, true}) {
		t.Fatalf("%s listen: %v", line, up)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "the nodes and their folder to go", func() bool {
		return len(m.left(t)) == 0 && !slices.Contains(listening(brokers), true)
	})
}

func TestConfigWithTwoNodesIsRefused(t *testing.T) {
	newMachine(t)
	if _, err := kafkacluster.Start(t.Context(), kafkacluster.Config{Nodes: 2}); err == nil || !strings.Contains(err.Error(), "want 1 or 3") {
		t.Errorf("error %v", err)
	}
}

// eventually waits for something that another process does, and that nothing but looking can tell.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-t.Context().Done():
			t.Fatalf("waiting for %s", what)
		case <-tick.C:
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
