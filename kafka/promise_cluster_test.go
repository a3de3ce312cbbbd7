package kafka_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokersVariable names the brokers of a real Kafka for the promise suite.
const brokersVariable = "KAFKA_BROKERS"

// protocolVariable chooses the protocol of the suite's groups; empty: the default.
const protocolVariable = "KAFKA_GROUP_PROTOCOL"

// TestMain runs a member of a group where a test started this binary as one. On a
// real Kafka the suite mostly waits, so that its tests run side by side whatever
// the number of processors is.
func TestMain(m *testing.M) {
	if os.Getenv(memberVariable) != "" {
		os.Exit(runMember())
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

// group is the test's consumer group.
func (c *cluster) group() string { return c.prefix + "group" }

// topic makes a topic and returns its name. Configs are pairs of name and value.
func (c *cluster) topic(name string, partitions int, configs ...string) string {
	c.t.Helper()
	name = c.prefix + name
	c.create(name, partitions, configs...)
	return name
}

// create makes a topic and waits until the brokers know it.
func (c *cluster) create(name string, partitions int, configs ...string) {
	c.t.Helper()
	set := map[string]*string{}
	for i := 0; i < len(configs); i += 2 {
		set[configs[i]] = &configs[i+1]
	}
	created, err := c.admin.CreateTopic(c.t.Context(), int32(partitions), -1, set, name)
	if err != nil || created.Err != nil {
		c.t.Fatalf("create topic %s: %v, %v", name, err, created.Err)
	}
	c.eventually("topic "+name+" to be known", func() bool {
		topics, err := c.admin.ListTopics(c.t.Context(), name)
		return err == nil && topics[name].Err == nil && len(topics[name].Partitions) == partitions
	})
}

func (c *cluster) deleteTopic(name string) {
	c.t.Helper()
	if _, err := c.admin.DeleteTopic(c.t.Context(), name); err != nil {
		c.t.Fatalf("delete topic %s: %v", name, err)
	}
}

func (c *cluster) configure(topic, config, value string) {
	c.t.Helper()
	_, err := c.admin.AlterTopicConfigs(c.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: config, Value: &value}}, topic)
	if err != nil {
		c.t.Fatalf("set %s of %s: %v", config, topic, err)
	}
}

// watchAcks fails the test when a record is written without all in-sync replicas.
func (c *cluster) watchAcks() {
	c.fake.Cluster().ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if acks := r.(*kmsg.ProduceRequest).Acks; acks != -1 {
			c.t.Errorf("a record is written with acks %d", acks)
		}
		return nil, nil, false
	})
}

// produce writes records into the partitions that they name.
func (c *cluster) produce(records ...kafka.Record) []kafka.Record {
	c.t.Helper()
	out := make([]*kgo.Record, len(records))
	for i, r := range records {
		out[i] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
		for _, h := range r.Headers {
			out[i].Headers = append(out[i].Headers, kgo.RecordHeader(h))
		}
	}
	if err := c.client.ProduceSync(c.t.Context(), out...).FirstErr(); err != nil {
		c.t.Fatalf("produce %d records: %v", len(records), err)
	}
	written := append([]kafka.Record(nil), records...)
	for i, r := range out {
		written[i].Offset, written[i].Timestamp = r.Offset, r.Timestamp
	}
	return written
}

// fill writes n records with the values from "0" on, in turn of so many keys, which
// are dealt to the partitions.
func (c *cluster) fill(topic string, partitions, keys, n int) {
	c.t.Helper()
	c.fillFrom(topic, partitions, keys, 0, n)
}

// fillFrom is fill with the values from first on.
func (c *cluster) fillFrom(topic string, partitions, keys, first, n int) {
	c.t.Helper()
	records := make([]kafka.Record, n)
	for j := range records {
		i := first + j
		key := i % keys
		records[j] = kafka.Record{Topic: topic, Partition: int32(key % partitions), Key: fmt.Appendf(nil, "k%d", key), Value: strconv.AppendInt(nil, int64(i), 10)}
	}
	c.produce(records...)
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

// calm lets time pass in which nothing is to happen: the time that would show it
// on kfake, where it costs nothing, and a moment on a real cluster.
func (c *cluster) calm(virtual time.Duration) {
	if c.fake == nil {
		virtual = min(virtual, 2*time.Second)
	}
	c.pass(virtual)
}

// committed returns the committed offset of a partition, -1 without one.
func (c *cluster) committed(topic string, partition int32) int64 {
	c.t.Helper()
	offsets, err := c.admin.FetchOffsets(c.t.Context(), c.group())
	if err != nil {
		c.t.Fatalf("fetch offsets: %v", err)
	}
	if o, ok := offsets.Lookup(topic, partition); ok && o.Err == nil {
		return o.At
	}
	return -1
}

func (c *cluster) waitCommitted(topic string, partition int32, offset int64) {
	c.t.Helper()
	at := int64(-1)
	c.eventually(fmt.Sprintf("offset %d to be committed", offset), func() bool {
		at = c.committed(topic, partition)
		return at >= offset
	})
	if at != offset {
		c.t.Errorf("committed %d, want %d", at, offset)
	}
}

// waitCaughtUp waits until everything that is in the topic is committed.
func (c *cluster) waitCaughtUp(topic string) {
	c.t.Helper()
	lag := int64(-1)
	defer func() {
		if c.t.Failed() {
			c.t.Logf("lag %d of %v", lag, c.members())
		}
	}()
	c.eventually("lag 0 in "+topic, func() bool { lag = c.lag(topic); return lag == 0 })
}

func (c *cluster) lag(topic string) int64 {
	c.t.Helper()
	ends, err := c.admin.ListEndOffsets(c.t.Context(), topic)
	if err != nil {
		return -1
	}
	offsets, err := c.admin.FetchOffsets(c.t.Context(), c.group())
	if err != nil {
		return -1
	}
	lag := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		at := int64(0)
		if o, ok := offsets.Lookup(end.Topic, end.Partition); ok {
			at = max(o.At, 0)
		}
		lag += end.Offset - at
	})
	return lag
}

func (c *cluster) dlq(topic string) string { return kafka.DeadLetterTopic(topic, c.group()) }

// deadLetters returns the dead letters of the test's group that there are.
func (c *cluster) deadLetters(topic string) []kafka.DeadLetter {
	c.t.Helper()
	var dead []kafka.DeadLetter
	for d, err := range kafka.Browse(c.t.Context(), c.addrs, topic, c.group(), kafka.BrowseConfig{Connection: kafka.Connection{Dial: c.dial}}) {
		if err != nil {
			c.t.Fatalf("browse: %v", err)
		}
		dead = append(dead, *d)
	}
	return dead
}

func (c *cluster) waitDeadLetters(topic string, n int) []kafka.DeadLetter {
	c.t.Helper()
	c.waitHeld(c.dlq(topic), int64(n))
	return c.deadLetters(topic)
}

// waitHeld waits until a topic, which need not exist yet, holds n records.
func (c *cluster) waitHeld(topic string, n int64) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%d records in %s", n, topic), func() bool { return c.held(topic) >= n })
}

func (c *cluster) held(topic string) int64 {
	ends, err := c.admin.ListEndOffsets(c.t.Context(), topic)
	if err != nil {
		return -1
	}
	held := int64(0)
	ends.Each(func(o kadm.ListedOffset) { held += max(o.Offset, 0) })
	return held
}

// members returns the IDs of the group's members when it is stable.
func (c *cluster) members() []string {
	var ids []string
	if c.config().GroupProtocol == kafka.ConsumerProtocol {
		groups, err := c.admin.DescribeConsumerGroups(c.t.Context(), c.group())
		if err == nil && groups[c.group()].State == "Stable" {
			for _, m := range groups[c.group()].Members {
				ids = append(ids, m.MemberID)
			}
		}
		return ids
	}
	groups, err := c.admin.DescribeGroups(c.t.Context(), c.group())
	if err == nil && groups[c.group()].State == "Stable" {
		for _, m := range groups[c.group()].Members {
			ids = append(ids, m.MemberID)
		}
	}
	return ids
}

func (c *cluster) waitMembers(n int) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%d members", n), func() bool { return len(c.members()) == n })
}

// paused reports whether the member does not fetch all partitions of the topic.
func paused(member *running, topic string) bool {
	client := member.Client()
	return client != nil && len(client.PauseFetchPartitions(nil)[topic]) > 0
}

// shortSessions makes the brokers forget a silent member after 6 s. In the classic
// protocol that is for the member to say.
func (c *cluster) shortSessions() {
	c.t.Helper()
	if c.config().GroupProtocol != kafka.ConsumerProtocol {
		return
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, c.group()
	for name, value := range map[string]string{"consumer.session.timeout.ms": "6000", "consumer.heartbeat.interval.ms": "1000"} {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = name, &value
		resource.Configs = append(resource.Configs, config)
	}
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(c.t.Context(), c.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Resources[0].ErrorCode)
	}
	if err != nil {
		c.t.Fatalf("configure the group: %v", err)
	}
}

// kick removes all members from the group, which they do not know.
func (c *cluster) kick() {
	c.t.Helper()
	members := c.members()
	if len(members) == 0 {
		c.t.Fatal("there are no members to remove")
	}
	for _, id := range members {
		if err := c.leave(id); err != nil {
			c.t.Fatalf("remove member %s: %v", id, err)
		}
	}
}

// leave says what a member would say that leaves.
func (c *cluster) leave(id string) error {
	if c.config().GroupProtocol == kafka.ConsumerProtocol {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch = c.group(), id, -1
		resp, err := req.RequestWith(c.t.Context(), c.client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		return err
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = c.group()
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = id
	req.Members = append(req.Members, member)
	resp, err := req.RequestWith(c.t.Context(), c.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	return err
}

func deleteRecords(c *cluster, topic string, before int64) {
	c.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, before, -1)
	deleted, err := c.admin.DeleteRecords(c.t.Context(), offsets)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		c.t.Fatalf("delete records: %v", err)
	}
}

// read returns the first n records of partition 0 as they lie there.
func (c *cluster) read(topic string, n int) []*kgo.Record {
	c.t.Helper()
	opts := []kgo.Opt{kgo.SeedBrokers(c.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})}
	if c.dial != nil {
		opts = append(opts, kgo.Dialer(c.dial))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(c.t.Context())
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("read %s: %v", topic, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}
