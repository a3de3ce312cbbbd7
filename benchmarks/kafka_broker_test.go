package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

func TestClusterOfOthersIsLeftAsItWas(t *testing.T) {
	broker, err := kafkatest.New(kafkatest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	t.Setenv(brokersEnv, strings.Join(broker.Addrs(), ","))
	admin := newAdmin(t, broker)
	if _, err := admin.CreateTopic(t.Context(), 1, -1, nil, "benchmark-of-others"); err != nil {
		t.Fatal(err)
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "benchmark-of-others", At: 1})
	if err := admin.CommitAllOffsets(t.Context(), "benchmark-others", offsets); err != nil {
		t.Fatal(err)
	}

	c, err := startCluster()
	if err != nil {
		t.Fatal(err)
	}
	topic, err := c.shared("left", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.fill(topic, inTurn(1), 10); err != nil {
		t.Fatal(err)
	}
	one := &consumption{cluster: c, topic: topic, n: 10, handle: nothing, done: make(chan struct{})}
	if err := sdkConsume(kafka.ConsumerConfig{})(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	before, err := newAdmin(t, broker).ListTopics(t.Context())
	if err != nil || len(before.Names()) < 3 { // that of others, its own, its dead letters
		t.Fatalf("topics are %v, %v", before.Names(), err)
	}
	c.close()

	topics, err := newAdmin(t, broker).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := topics.Names(); !slices.Equal(got, []string{"benchmark-of-others"}) {
		t.Errorf("topics are %v", got)
	}
	groups, err := admin.ListGroups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := groups.Groups(); !slices.Equal(got, []string{"benchmark-others"}) {
		t.Errorf("groups are %v", got)
	}
}

// newAdmin is a client that remembers no topics.
func newAdmin(t *testing.T, broker *kafkatest.Broker) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}
