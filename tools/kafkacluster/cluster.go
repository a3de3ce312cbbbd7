package kafkacluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Config says what to start. The zero value is one node.
type Config struct {
	// Nodes is how many: 1 or 3. With three, topics have 3 replicas, of which 2 have to be in sync. Zero: 1.
	Nodes int
	// Log gets a line for what takes long, and the output of a node that ends by itself. Nil: they are dropped.
	Log io.Writer
}

// patience is how long a node may take until it answers. It takes 5 s where nobody else wants the processor, and two
// minutes where many do; one that ends is noticed at once.
const patience = 5 * time.Minute

// A Cluster is a Kafka cluster that runs on this machine. Its methods are safe for concurrent use.
type Cluster struct {
	dir   string
	jars  string
	java  string
	nodes []*node
	watch *watchdog
	log   io.Writer

	mu      sync.Mutex // of the nodes' processes
	stopped bool
}

// Start starts a cluster and returns when every node answers. The caller has to stop it. ctx bounds only the start.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if cfg.Nodes == 0 {
		cfg.Nodes = 1
	}
	if cfg.Nodes != 1 && cfg.Nodes != 3 {
		return nil, fmt.Errorf("start Apache Kafka: Nodes is %d, want 1 or 3", cfg.Nodes)
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	jars, err := fetchJars(ctx, cfg.Log)
	if err != nil {
		return nil, err
	}
	c := &Cluster{jars: jars, java: java, log: &lockedWriter{w: cfg.Log}}
	if err := c.start(ctx, cfg.Nodes); err != nil {
		return nil, errors.Join(fmt.Errorf("start Apache Kafka: %w", err), c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, nodes int) error {
	var err error
	if c.dir, err = os.MkdirTemp("", "kafka-cluster-"); err != nil {
		return err
	}
	if c.watch, err = watch(c.dir); err != nil {
		return err
	}
	ports, err := freePorts(3 * nodes)
	if err != nil {
		return err
	}
	if err := errors.Join(writeCertificate(c.dir), writeTokenKey(c.dir)); err != nil {
		return err
	}
	for i := range nodes {
		c.nodes = append(c.nodes, &node{
			id: i + 1, dir: filepath.Join(c.dir, strconv.Itoa(i+1)), java: c.java, jars: c.jars, log: c.log,
			broker: loopback(ports[3*i]), controller: loopback(ports[3*i+1]), secure: loopback(ports[3*i+2]),
		})
	}
	id := clusterID()
	if err := each(c.nodes, func(n *node) error { return n.format(ctx, id, c.nodes) }); err != nil {
		return err
	}
	return c.Restart(ctx, c.Nodes()...)
}

// Brokers returns the addresses of all nodes, as host:port.
func (c *Cluster) Brokers() []string {
	addrs := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addrs[i] = n.broker
	}
	return addrs
}

// Nodes returns the nodes' ids: 1, or 1, 2 and 3. Broker i of [Cluster.Brokers] is node i+1.
func (c *Cluster) Nodes() []int {
	ids := make([]int, len(c.nodes))
	for i, n := range c.nodes {
		ids[i] = n.id
	}
	return ids
}

// Kill ends the nodes with SIGKILL, all at once, and returns when their processes are gone. A node that does not run
// stays as it is.
func (c *Cluster) Kill(ids ...int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	nodes, err := c.named(ids)
	if err != nil {
		return err
	}
	c.kill(nodes)
	return nil
}

func (c *Cluster) kill(nodes []*node) {
	for _, n := range nodes {
		n.signal(syscall.SIGKILL)
	}
	for _, n := range nodes {
		n.awaitEnd()
	}
}

// Restart starts nodes that do not run, with the data and at the addresses that they had, and returns when all of them
// answer, which for a cluster of three needs two that run. A node that runs already is only waited for. A node that does
// not answer in five minutes or ends by itself is an error, with the end of what it has printed.
func (c *Cluster) Restart(ctx context.Context, ids ...int) error {
	c.mu.Lock()
	launched, err := c.launch(ids)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %v", patience))
	defer cancel()
	return each(launched, func(p *process) error { return p.awaitAnswer(ctx) })
}

// launch starts what does not run of the nodes, and returns the processes of all of them.
func (c *Cluster) launch(ids []int) ([]*process, error) {
	nodes, err := c.named(ids)
	if err != nil {
		return nil, err
	}
	if c.stopped {
		return nil, errors.New("the cluster was stopped")
	}
	var launched []*process
	for _, n := range nodes {
		if err := n.launch(); err != nil {
			return nil, err
		}
		launched = append(launched, n.process)
	}
	return launched, nil
}

// Pause stops the nodes' processes where they are (SIGSTOP): their connections stay open, and nobody answers.
func (c *Cluster) Pause(ids ...int) error { return c.signal(sigStop, ids) }

// Continue lets nodes go on that were paused.
func (c *Cluster) Continue(ids ...int) error { return c.signal(sigContinue, ids) }

func (c *Cluster) signal(s syscall.Signal, ids []int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	nodes, err := c.named(ids)
	for _, n := range nodes {
		n.signal(s)
	}
	return err
}

// Stop kills all nodes and removes what they have written. It may be called more than once.
func (c *Cluster) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.dir == "" {
		return nil
	}
	c.stopped = true
	c.kill(c.nodes)
	err := os.RemoveAll(c.dir)
	if c.watch != nil {
		c.watch.end()
	}
	if err != nil {
		return fmt.Errorf("stop Apache Kafka: %w", err)
	}
	return nil
}

func (c *Cluster) named(ids []int) ([]*node, error) {
	var nodes []*node
	for _, id := range ids {
		i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.id == id })
		if i < 0 {
			return nil, fmt.Errorf("there is no node %d, only %d", id, c.Nodes())
		}
		nodes = append(nodes, c.nodes[i])
	}
	return nodes, nil
}

// each calls f for all at the same time.
func each[T any](all []T, f func(T) error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, one := range all {
		wg.Go(func() { errs[i] = f(one) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// lockedWriter keeps lines of different nodes apart.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
