package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// A cluster is a command that runs brokers and takes orders; see the package's
// comment. It stops when its input ends, so also when this process is killed.
type cluster struct {
	brokers []string

	mu    sync.Mutex // one order at a time
	cmd   *exec.Cmd
	input io.WriteCloser
	lines *bufio.Scanner
}

// startCluster returns when the command has printed the brokers' addresses.
func startCluster(ctx context.Context, command string) (*cluster, error) {
	words := strings.Fields(command)
	c := &cluster{cmd: exec.CommandContext(ctx, words[0], words[1:]...)}
	c.cmd.Cancel = func() error { return c.input.Close() } // It has to clean up.
	c.cmd.Stderr = os.Stderr
	var err error
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the cluster: %w", err)
	}
	c.lines = bufio.NewScanner(out)
	first, err := c.line()
	if err != nil {
		return nil, err
	}
	addrs, ok := strings.CutPrefix(first, brokersVariable+"=")
	if !ok {
		return nil, fmt.Errorf("the cluster's first line is %q, want %s=…", first, brokersVariable)
	}
	c.brokers = strings.Split(addrs, ",")
	return c, nil
}

// line reads the next line that the command prints.
func (c *cluster) line() (string, error) {
	if c.lines.Scan() {
		return c.lines.Text(), nil
	}
	if err := c.lines.Err(); err != nil {
		return "", fmt.Errorf("read from the cluster: %w", err)
	}
	return "", fmt.Errorf("the cluster ended: %w", c.cmd.Wait())
}

// order has something done and returns when it is.
func (c *cluster) order(text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := fmt.Fprintln(c.input, text); err != nil {
		return fmt.Errorf("tell the cluster %q: %w", text, err)
	}
	answer, err := c.line()
	if err != nil {
		return err
	}
	if answer != "ok "+text {
		return fmt.Errorf("told %q, the cluster says: %s", text, answer)
	}
	return nil
}

// stop ends the cluster and waits until nothing is left of it.
func (c *cluster) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.input.Close()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("stop the cluster: %w", err)
	}
	return nil
}
