package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

const partitions = 8

// cluster is the Kafka that the demonstration runs on.
type cluster struct {
	brokers  []string
	embedded bool
	topics   event.Topics
	group    string
	close    func(context.Context) error
}

// openCluster starts an embedded broker, or uses the one that brokers names ("host:port,host:port").
// On a cluster that others use, topics and group get a suffix of their own and are removed at the end.
func openCluster(ctx context.Context, brokers string) (*cluster, error) {
	if brokers == "" {
		return embeddedCluster()
	}
	suffix := "." + strings.ToLower(rand.Text()[:8])
	c := &cluster{
		brokers: strings.Split(brokers, ","),
		topics:  event.NewTopics(suffix),
		group:   "fulfilment" + suffix,
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...))
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka at %s: %w", brokers, err)
	}
	admin := kadm.NewClient(client)
	if err := create(ctx, admin, c.topics.Placed, c.topics.Shipped); err != nil {
		client.Close()
		return nil, fmt.Errorf("create topics on Kafka at %s: %w", brokers, err)
	}
	c.close = func(ctx context.Context) error {
		defer client.Close()
		return remove(ctx, admin, suffix)
	}
	return c, nil
}

// remove deletes the topics and groups of this run, which are those with its suffix in their names.
func remove(ctx context.Context, admin *kadm.Client, suffix string) error {
	others := func(name string) bool { return !strings.Contains(name, suffix) }
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	deleted, err := admin.DeleteTopics(ctx, slices.DeleteFunc(topics.Names(), others)...)
	groups, listErr := admin.ListGroups(ctx)
	left, groupErr := admin.DeleteGroups(ctx, slices.DeleteFunc(groups.Groups(), others)...)
	return errors.Join(err, deleted.Error(), listErr, groupErr, left.Error())
}

func embeddedCluster() (*cluster, error) {
	c := &cluster{
		embedded: true,
		topics:   event.NewTopics(""),
		group:    "fulfilment",
	}
	broker, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{c.topics.Placed: partitions, c.topics.Shipped: partitions}})
	if err != nil {
		return nil, fmt.Errorf("start the embedded Kafka: %w", err)
	}
	c.brokers = broker.Addrs()
	c.close = func(context.Context) error {
		broker.Close()
		return nil
	}
	return c, nil
}

// create gives up after ten seconds: a broker that accepts connections and never answers is as good
// as none.
func create(ctx context.Context, admin *kadm.Client, topics ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	created, err := admin.CreateTopics(ctx, partitions, -1, nil, topics...)
	return errors.Join(err, created.Error())
}

func (c *cluster) watchGroup() string { return "watch-" + c.group }

func (c *cluster) String() string {
	kind := "your cluster"
	if c.embedded {
		kind = "embedded in this process"
	}
	return strings.Join(c.brokers, ",") + " (" + kind + ")"
}
