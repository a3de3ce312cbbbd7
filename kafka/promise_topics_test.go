package kafka_test

import (
	"fmt"
	"strconv"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

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
	c.eventually("topic "+name+" to be gone", func() bool {
		topics, err := c.admin.ListTopics(c.t.Context(), name)
		return err == nil && errors.Is(topics[name].Err, kerr.UnknownTopicOrPartition)
	})
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

// readAll returns the values of all records that a topic holds.
func (c *cluster) readAll(topic string, partitions int) []string {
	c.t.Helper()
	var values []string
	for _, r := range c.allRecords(topic, partitions) {
		values = append(values, string(r.Value))
	}
	return values
}

// allRecords returns all records that a topic holds.
func (c *cluster) allRecords(topic string, partitions int) []*kgo.Record {
	c.t.Helper()
	from := map[int32]kgo.Offset{}
	for p := range partitions {
		from[int32(p)] = kgo.NewOffset().AtStart()
	}
	opts := []kgo.Opt{kgo.SeedBrokers(c.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})}
	if c.dial != nil {
		opts = append(opts, kgo.Dialer(c.dial))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for n := int(c.held(topic)); len(records) < n; {
		fetches := client.PollFetches(c.t.Context())
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("read %s: %v", topic, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}
