package kafkacluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// A node is one process of Kafka, while it runs, and its folder. The Cluster's mutex guards process.
type node struct {
	id                 int
	dir                string
	java, jars         string
	broker, controller string
	secure             string
	log                io.Writer

	process *process
}

// A process runs in the folder of a node, or has ended.
type process struct {
	node   *node
	cmd    *exec.Cmd
	killed atomic.Bool
	ended  chan struct{}
	err    error // why it ended; set before ended is closed
}

// broker is the class of a node's program.
const broker = "kafka.Kafka"

// The files in a node's folder; Kafka's own are below data.
const (
	propertiesFile = "server.properties"
	loggingFile    = "log4j2.properties"
	outputFile     = "output"
	// pidFile is there while a process of the node runs: it tells the watchdog whom to kill.
	pidFile = "pid"
)

// format writes the node's configuration and prepares its data folder.
func (n *node) format(ctx context.Context, cluster string, all []*node) error {
	if err := os.Mkdir(n.dir, 0o777); err != nil {
		return err
	}
	for name, text := range map[string]string{propertiesFile: serverProperties(n, all), loggingFile: logging} {
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	// It runs for a second, which is not worth to compile much for.
	p, err := n.run([]string{"-XX:TieredStopAtLevel=1"}, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", propertiesFile)
	if err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.kill()
		<-p.ended
		return context.Cause(ctx)
	}
	if p.err != nil {
		return fmt.Errorf("format node %d: %w\n%s", n.id, p.err, n.output())
	}
	return nil
}

// launch starts the node unless it runs. It does not wait until it answers.
func (n *node) launch() error {
	if n.process != nil && n.process.running() {
		return nil
	}
	// Java reads keys of tokens only from where it is permitted to.
	p, err := n.run([]string{"-Xmx512m", "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=" + keySetURL(filepath.Dir(n.dir))}, broker, propertiesFile)
	if err != nil {
		return err
	}
	n.process = p
	return nil
}

// run starts a Java program in the node's folder. A shell writes down its own process id and then becomes that program,
// so that there is no moment at which the watchdog does not know it.
func (n *node) run(flags []string, class string, args ...string) (*process, error) {
	output, err := os.OpenFile(filepath.Join(n.dir, outputFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	shell := []string{"-c", `echo $$ >` + pidFile + ` && exec "$@"`, "sh", n.java}
	java := []string{"-Dlog4j2.configurationFile=" + loggingFile, "-cp", classPath(n.jars), class}
	p := &process{node: n, cmd: exec.Command("sh", slices.Concat(shell, flags, java, args)...), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = n.dir, output, output
	separate(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start node %d: %w", n.id, err)
	}
	go p.wait(class == broker)
	return p, nil
}

// wait waits for the end, and reports one that nobody asked for of a process that should run on.
func (p *process) wait(runsOn bool) {
	p.err = p.cmd.Wait()
	_ = os.Remove(filepath.Join(p.node.dir, pidFile))
	if runsOn && !p.killed.Load() {
		fmt.Fprintf(p.node.log, "node %d ended by itself (%v):\n%s\n", p.node.id, p.cmd.ProcessState, p.node.output())
	}
	close(p.ended)
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (p *process) kill() {
	p.killed.Store(true)
	_ = p.cmd.Process.Kill() // It fails when the process has ended.
}

// signal does nothing when the node does not run.
func (n *node) signal(s syscall.Signal) {
	switch {
	case n.process == nil:
	case s == syscall.SIGKILL:
		n.process.kill()
	default:
		_ = n.process.cmd.Process.Signal(s)
	}
}

func (n *node) awaitEnd() {
	if n.process != nil {
		<-n.process.ended
	}
}

// awaitAnswer returns when the node answers, or has ended, or ctx has.
func (p *process) awaitAnswer(ctx context.Context) error {
	n := p.node
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("not asked yet")
	for {
		select {
		case <-p.ended:
			return fmt.Errorf("node %d has ended (%v):\n%s", n.id, p.cmd.ProcessState, n.output())
		case <-ctx.Done():
			return fmt.Errorf("node %d at %s: %w: %w\n%s", n.id, n.broker, context.Cause(ctx), last, n.output())
		case <-tick.C:
			if last = probe(ctx, n.broker); last == nil {
				return nil
			}
		}
	}
}

// output returns the end of what the node has printed since it was made.
func (n *node) output() string {
	out, err := os.ReadFile(filepath.Join(n.dir, outputFile))
	if err != nil {
		return err.Error()
	}
	return lastLines(out)
}
