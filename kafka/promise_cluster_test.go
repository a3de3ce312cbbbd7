package kafka_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// brokersVariable names the brokers of a real Kafka for the promise suite.
const brokersVariable = "KAFKA_BROKERS"

// protocolVariable chooses the protocol of the suite's groups; empty: the default.
const protocolVariable = "KAFKA_GROUP_PROTOCOL"

// TestMain runs a member of a group, or a redrive, where a test started this binary as one. On a
// real Kafka the suite mostly waits, so that its tests run side by side whatever
// the number of processors is.
func TestMain(m *testing.M) {
	if os.Getenv(memberVariable) != "" {
		os.Exit(runMember())
	}
	if os.Getenv(redriverVariable) != "" {
		os.Exit(runRedriver())
	}
	flag.Parse()
	if os.Getenv(brokersVariable) != "" {
		_ = flag.Set("test.parallel", "16")
	}
	os.Exit(m.Run())
}

// cluster is what the promises are tested on: kfake in virtual time, or the real
// Kafka that KAFKA_BROKERS names, in real time. Topics and groups have names of
// their own, so that a cluster may be in use.
type cluster struct {
	t      *testing.T
	addrs  []string
	dial   dialFunc // nil: TCP
	login  []kgo.Opt
	fake   *kafkatest.Broker
	client *kgo.Client
	admin  *kadm.Client
	prefix string
	limit  time.Duration
}

// promise runs a test of a promise, beside others.
func promise(t *testing.T, test func(t *testing.T, c *cluster)) {
	t.Helper()
	t.Parallel()
	if brokers := os.Getenv(brokersVariable); brokers != "" {
		test(t, newCluster(t, &cluster{addrs: strings.Split(brokers, ","), limit: time.Minute}))
		return
	}
	virtually(t, test)
}

// virtually runs a test on kfake in virtual time, also where there is a real Kafka.
func virtually(t *testing.T, test func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Virtual: true})
		test(t, newCluster(t, &cluster{addrs: b.Addrs(), dial: b.Dial, fake: b, limit: 15 * time.Minute}))
	})
}

// promiseInRealTime is promise for processes, and for three and more members. When one of them waits
// for the others to join, a commit of it waits for a mutex of kgo's, and virtual time
// stands still (unless built with its tag synctests).
func promiseInRealTime(t *testing.T, test func(t *testing.T, c *cluster)) {
	t.Helper()
	if os.Getenv(brokersVariable) != "" {
		promise(t, test)
		return
	}
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Config{})
	test(t, newCluster(t, &cluster{addrs: b.Addrs(), dial: b.Dial, fake: b, limit: time.Minute}))
}

func newCluster(t *testing.T, c *cluster) *cluster {
	t.Helper()
	c.t, c.prefix = t, fmt.Sprintf("promise-%08x-", rand.Uint32())
	opts := []kgo.Opt{kgo.SeedBrokers(c.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(100 * time.Millisecond)}
	opts = append(opts, c.login...)
	if c.dial != nil {
		opts = append(opts, kgo.Dialer(c.dial))
	}
	var err error
	if c.client, err = kgo.NewClient(opts...); err != nil {
		t.Fatal(err)
	}
	c.admin = kadm.NewClient(c.client)
	t.Cleanup(func() {
		c.cleanUp()
		c.client.Close()
	})
	return c
}

// cleanUp deletes what the test made.
func (c *cluster) cleanUp() {
	if c.fake != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	topics, err := c.admin.ListTopics(ctx)
	if err != nil {
		c.t.Logf("clean up: %v", err)
	}
	var mine []string
	for _, name := range topics.Names() {
		if strings.Contains(name, c.prefix) {
			mine = append(mine, name)
		}
	}
	if len(mine) > 0 {
		if _, err := c.admin.DeleteTopics(ctx, mine...); err != nil {
			c.t.Logf("clean up: %v", err)
		}
	}
	if _, err := c.admin.DeleteGroups(ctx, c.group()); err != nil {
		c.t.Logf("clean up: %v", err)
	}
}

// config is the configuration of the suite's consumers: the defaults, but for how
// to reach the brokers and where to log.
func (c *cluster) config() kafka.ConsumerConfig {
	return kafka.ConsumerConfig{
		Connection:    kafka.Connection{Dial: c.dial},
		GroupProtocol: kafka.GroupProtocol(os.Getenv(protocolVariable)),
		Logger:        slog.New(slog.NewTextHandler(logWriter{c.t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// brisk makes members notice a rebalance soon.
func brisk(cfg kafka.ConsumerConfig) kafka.ConsumerConfig {
	cfg.Connection.Options = append(cfg.Connection.Options, kgo.HeartbeatInterval(300*time.Millisecond))
	return cfg
}

func (c *cluster) run(topic string, h kafka.Handler, cfg kafka.ConsumerConfig) *running {
	c.t.Helper()
	return runOn(c.t, c.addrs, c.group(), []string{topic}, h, cfg)
}

// eventually waits until done reports true.
func (c *cluster) eventually(what string, done func() bool) {
	c.t.Helper()
	begun := time.Now()
	for !done() {
		if waited := time.Since(begun); waited > c.limit {
			c.t.Fatalf("waited %v for %s", waited.Round(time.Second), what)
		}
		c.pass(min(max(time.Since(begun)/20, 10*time.Millisecond), time.Second))
	}
}

func (c *cluster) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.t.Context().Done():
	}
}

// hours is hours on kfake. On a real cluster no test is that long, and a partition whose
// fetching is resumed would wait a minute for the fetch of the others that is under way.
func (c *cluster) hours(cfg kafka.ConsumerConfig) kafka.ConsumerConfig {
	if c.fake == nil {
		return cfg
	}
	return hours(cfg)
}

// calm lets time pass in which nothing is to happen: the time that would show it
// on kfake, where it costs nothing, and a moment on a real cluster.
func (c *cluster) calm(virtual time.Duration) {
	if c.fake == nil {
		virtual = min(virtual, 2*time.Second)
	}
	c.pass(virtual)
}
