package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/kafka/kafkatest"
)

const (
	// brokersEnv names the brokers of a real cluster to run the Kafka rows on.
	brokersEnv = "KAFKA_BROKERS"
	// serveEnv makes this program the embedded broker of another process of it.
	serveEnv = "BENCHMARKS_SERVE_BROKER"

	groupPrefix = "benchmark-"
	recordBytes = 256
	recordKeys  = 1000
)

// cluster is what the Kafka rows run on: a real cluster, or an embedded broker in a process of its
// own, so that its work is in nobody's figures.
type cluster struct {
	addrs []string
	real  bool
	admin *kgo.Client

	mu    sync.Mutex
	named map[string]string // topics by what they are for
	held  map[string]int    // records by topic
	stop  func()
}

func onRealKafka() bool { return os.Getenv(brokersEnv) != "" }

// theCluster is shared by the rows and ends with the program.
var (
	theCluster = sync.OnceValues(startCluster)
	started    atomic.Pointer[cluster]
)

func closeCluster() {
	if c := started.Load(); c != nil {
		c.close()
	}
}

func startCluster() (*cluster, error) {
	c := &cluster{named: map[string]string{}, held: map[string]int{}, stop: func() {}}
	if env := os.Getenv(brokersEnv); env != "" {
		c.addrs, c.real = strings.Split(env, ","), true
	} else if err := c.spawn(); err != nil {
		return nil, fmt.Errorf("start an embedded broker: %w", err)
	}
	var err error
	c.admin, err = kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000))
	started.Store(c)
	return c, err
}

// spawn starts the embedded broker. It ends when its standard input does, and so with this process.
func (c *cluster) spawn() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serveEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	c.addrs = strings.Split(strings.TrimSpace(line), ",")
	return err
}

// serveBroker is the other process.
func serveBroker() error {
	broker, err := kafkatest.New(kafkatest.Config{})
	if err != nil {
		return err
	}
	defer broker.Close()
	fmt.Println(strings.Join(broker.Addrs(), ","))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// shared is a topic that rows have in common.
func (c *cluster) shared(name string, partitions int) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.named[name] != "" {
		return c.named[name], nil
	}
	topic, err := c.topic(name, partitions)
	if err == nil {
		c.named[name] = topic
	}
	return topic, err
}

// topic makes a topic that ends with the program.
func (c *cluster) topic(name string, partitions int) (string, error) {
	name = "benchmark-" + name
	if c.real {
		name += "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	admin := kadm.NewClient(c.admin)
	if _, err := admin.CreateTopic(context.Background(), int32(partitions), -1, nil, name); err != nil {
		return "", fmt.Errorf("create topic %q: %w", name, err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		topics, err := admin.ListTopics(context.Background(), name)
		if err == nil && topics[name].Err == nil && len(topics[name].Partitions) == partitions && topics[name].Partitions[0].Leader >= 0 {
			return name, nil
		}
	}
	return "", fmt.Errorf("topic %q is not known 10 s after it was created", name)
}

// fill writes records with keys until the topic holds n. Their values cannot be compressed: what is read is what is stored.
func (c *cluster) fill(topic string, key func(i int) []byte, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	source := rand.NewChaCha8([32]byte{})
	held := c.held[topic]
	c.held[topic] = max(held, n)
	return c.write(topic, n-held, func(i int) *kgo.Record {
		value := make([]byte, recordBytes)
		_, _ = source.Read(value)
		return &kgo.Record{Topic: topic, Key: key(i), Value: value}
	})
}

// plenty is what a topic holds where n records of it are read. At its end a client that is closed would wait for a fetch
// for which there is nothing, some of them for seconds, and that is not what is measured.
func plenty(n int) int { return n + n/2 }

// inTurn are so many keys, one after the other; with none, records have no key.
func inTurn(keys int) func(i int) []byte {
	return func(i int) []byte {
		if keys == 0 {
			return nil
		}
		return strconv.AppendInt(nil, int64(i%keys), 10)
	}
}

// write writes n records.
func (c *cluster) write(topic string, n int, record func(i int) *kgo.Record) error {
	var first error
	var once sync.Once
	for i := range n {
		c.admin.Produce(context.Background(), record(i), func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { first = fmt.Errorf("write to %q: %w", topic, err) })
			}
		})
	}
	if err := c.admin.Flush(context.Background()); err != nil {
		return err
	}
	return first
}

// group is a name that no other group has.
func (c *cluster) group() string {
	return groupPrefix + strconv.FormatInt(time.Now().UnixNano(), 36)
}

func (c *cluster) close() {
	if c.real {
		c.cleanUp(kadm.NewClient(c.admin))
	}
	c.admin.Close()
	c.stop()
}

// cleanUp leaves a cluster that others use as it was: without the topics of this run, those that its consumers made of
// their names, and its groups. What cannot be removed stays.
func (c *cluster) cleanUp(admin *kadm.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	all, err := admin.ListTopics(ctx)
	if err != nil {
		return
	}
	topics := slices.DeleteFunc(all.Names(), func(topic string) bool { return !c.owns(topic) })
	if listed, err := admin.ListGroups(ctx); err == nil {
		groups := slices.DeleteFunc(listed.Groups(), func(group string) bool { return !strings.Contains(group, groupPrefix) })
		for group, offsets := range admin.FetchManyOffsets(ctx, groups...) {
			if slices.ContainsFunc(topics, func(topic string) bool { return len(offsets.Fetched[topic]) > 0 }) {
				_, _ = admin.DeleteGroup(ctx, group)
			}
		}
	}
	_, _ = admin.DeleteTopics(ctx, topics...)
}

// owns reports whether a topic is of this run: one that it made, or that has the name of one within its own, as
// dlq.<topic>.<group> has.
func (c *cluster) owns(topic string) bool {
	for _, made := range c.named {
		if topic == made || strings.Contains(topic, "."+made+".") {
			return true
		}
	}
	return false
}
