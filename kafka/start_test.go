package kafka_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

func nothing(context.Context, *kafka.Record) error { return nil }

// failsToStart runs a consumer and returns Run's error and how long it took.
func failsToStart(t *testing.T, b *kafkatest.Broker, topics []string, cfg kafka.ConsumerConfig) (took time.Duration, err error) {
	t.Helper()
	c, err := kafka.NewConsumer(b.Addrs(), "g", topics, nothing, cfg)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	err = c.Run(t.Context())
	if err == nil {
		t.Fatal("Run returned nil")
	}
	if ready := c.Ready(t.Context()); ready == nil {
		t.Error("ready after a failed start")
	}
	return time.Since(start), err
}

func wants(t *testing.T, err error, code errors.Code, texts ...string) {
	t.Helper()
	if errors.CodeOf(err) != code {
		t.Errorf("code is %v, want %v", errors.CodeOf(err), code)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
}

func TestStartNamesTopicsThatAreMissing(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		took, err := failsToStart(t, b, []string{"orders", "order", "odrers"}, quiet(t, b))
		wants(t, err, errors.FailedPrecondition, `group "g"`, "do not exist: odrers, order")
		if took > 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestStartNamesBrokersThatDoNotAnswer(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		b.Down()
		took, err := failsToStart(t, b, []string{"orders"}, quiet(t, b))
		wants(t, err, errors.Unavailable, b.Addrs()[0], "did not answer within 10s", "no listener")
		if took != 10*time.Second {
			t.Errorf("took %v, want 10s", took)
		}
	})
}

func TestStartThatIsToldToStopReturnsNil(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		b.Down()
		c, err := kafka.NewConsumer(b.Addrs(), "g", []string{"orders"}, nothing, quiet(t, b))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := c.Run(ctx); !errors.Is(err, kafka.ErrRunTwice) {
			t.Errorf("second Run: %v", err)
		}
	})
}

// secured is a cluster with users and ACLs. The user "svc" has what is given.
func secured(acls ...kfake.ACL) kafkatest.Config {
	return kafkatest.Config{Topics: map[string]int{"orders": 1}, Options: []kfake.Opt{
		kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "pw"), kfake.User("PLAIN", "svc", "pw", acls...),
	}}
}

func allow(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
	return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
}

func as(user, password string) []kgo.Opt {
	return []kgo.Opt{kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism())}
}

func TestStartWithARefusedCredential(t *testing.T) {
	bubble(t, secured(), func(t *testing.T, b *kafkatest.Broker) {
		b.Fault(kafkatest.Fault{Request: kmsg.SASLAuthenticate, Err: kerr.SaslAuthenticationFailed, Times: -1}) // kfake itself hangs up
		cfg := quiet(t, b)
		cfg.Connection.Options = as("svc", "wrong")
		took, err := failsToStart(t, b, []string{"orders"}, cfg)
		wants(t, err, errors.Unauthenticated, "SASL_AUTHENTICATION_FAILED")
		if took > 10*time.Second || strings.Contains(err.Error(), "wrong") {
			t.Errorf("took %v: %v", took, err)
		}
	})
}

func TestStartWithoutACredentialSaysThatOneIsWanted(t *testing.T) {
	bubble(t, secured(), func(t *testing.T, b *kafkatest.Broker) {
		_, err := failsToStart(t, b, []string{"orders"}, quiet(t, b))
		wants(t, err, errors.Unavailable, "SASL")
	})
}

// Compaction deletes dead letters: two of one key are one, and one without a key
// is refused.
func TestStartRefusesACompactedDeadLetterTopic(t *testing.T) {
	for _, policy := range []string{"compact", "compact,delete"} {
		t.Run(policy, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.orders.g": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				setConfig(t, b, "dlq.orders.g", "cleanup.policy", policy)
				_, err := failsToStart(t, b, []string{"orders"}, quiet(t, b))
				wants(t, err, errors.FailedPrecondition, `dead-letter topic "dlq.orders.g" has cleanup.policy=`+policy,
					"kafka-configs.sh --bootstrap-server localhost:9092 --alter --entity-type topics --entity-name dlq.orders.g --add-config cleanup.policy=delete")
			})
		})
	}
}

// The dead-letter topic of a compacted source is not one, and a tombstone is a
// dead letter with its nil value.
func TestDeadLettersOfACompactedTopic(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		setConfig(t, b, "orders", "cleanup.policy", "compact")
		run(t, b, "g", []string{"orders"}, rejectAll, quiet(t, b))
		b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("k"), Value: []byte("v")}, kafka.Record{Topic: "orders", Key: []byte("k")})
		b.WaitDeadLetters(t, "orders", "g", 2)
		b.Cluster().Compact()
		if dead := b.DeadLetters(t, "orders", "g"); len(dead) != 2 || dead[0].Record.Value == nil || dead[1].Record.Value != nil {
			t.Errorf("dead letters: %+v", dead)
		}
	})
}

func TestStartNamesBrokersOfDifferentClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := func(port int) kafkatest.Config {
			return kafkatest.Config{Topics: map[string]int{"orders": 1}, Virtual: true, Port: port, Options: []kfake.Opt{kfake.ClusterID(fmt.Sprint("cluster-", port))}}
		}
		one, two := kafkatest.Start(t, config(9092)), kafkatest.Start(t, config(9192))
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasSuffix(address, ":9192") {
				return two.Dial(ctx, network, address)
			}
			return one.Dial(ctx, network, address)
		}
		for _, topics := range [][]string{{"orders"}, {"payments"}} {
			cfg := quiet(t, one)
			cfg.Connection.Dial = dial
			c, err := kafka.NewConsumer(append(one.Addrs(), two.Addrs()...), "g", topics, nothing, cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = c.Run(t.Context())
			if err == nil {
				t.Fatal("it started")
			}
			wants(t, err, errors.FailedPrecondition, "the brokers belong to different clusters", "cluster-9092:[localhost:9092]", "cluster-9192:[localhost:9192]")
		}
		one.Down() // One that does not answer says nothing.
		cfg := quiet(t, one)
		cfg.Connection.Dial = dial
		c, err := kafka.NewConsumer(append(one.Addrs(), two.Addrs()...), "g", []string{"orders"}, nothing, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		two.WaitMembers(t, "g", 1)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// A group ID that another kind of group has: Kafka Connect's workers, a share
// group. Members that work are not disturbed.
func TestGroupOfAnotherProtocolIsAClearError(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		other, err := kgo.NewClient(append(b.ClientOptions(), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"), kgo.Balancers(kgo.RangeBalancer()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		b.WaitMembers(t, "g", 1)
		took, failed := failsToStart(t, b, []string{"orders"}, quiet(t, b))
		wants(t, failed, errors.FailedPrecondition, `group "g"`, "another protocol")
		if took > 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestDeadLetterTopicsAreCreatedLikeTheirSources(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 5, "payments": 2}, Brokers: 3}, func(t *testing.T, b *kafkatest.Broker) {
		run(t, b, "g", []string{"orders", "payments"}, nothing, quiet(t, b))
		b.WaitMembers(t, "g", 1)
		cl, err := kgo.NewClient(b.ClientOptions()...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		admin := kadm.NewClient(cl)
		topics, err := admin.ListTopics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for source, n := range map[string]int{"orders": 5, "payments": 2} {
			dead := topics[kafka.DeadLetterTopic(source, "g")]
			if len(dead.Partitions) != n || dead.Partitions.NumReplicas() != topics[source].Partitions.NumReplicas() {
				t.Errorf("%s: %d partitions, %d replicas", dead.Topic, len(dead.Partitions), dead.Partitions.NumReplicas())
			}
		}
		configs, err := admin.DescribeTopicConfigs(t.Context(), "dlq.orders.g")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range configs[0].Configs {
			got[c.Key] = c.MaybeValue()
		}
		if got["retention.ms"] != "2592000000" || got["max.message.bytes"] != "1114124" || got["cleanup.policy"] != "delete" {
			t.Errorf("retention.ms %s, max.message.bytes %s, cleanup.policy %s", got["retention.ms"], got["max.message.bytes"], got["cleanup.policy"])
		}
	})
}

func TestNewConsumerNamesEveryFault(t *testing.T) {
	_, err := kafka.NewConsumer([]string{" "}, "", []string{"a/b"}, nil, kafka.ConsumerConfig{
		Workers: -1, MaxInFlight: 100, MaxAhead: 150, DrainTimeout: time.Hour, OutageRatio: 2, DeadLetterTopic: "no such",
	})
	if err == nil {
		t.Fatal("no error")
	}
	wants(t, err, errors.InvalidArgument, `" " is no address`, "group: no name", "handler: none", `"a/b" is no name`,
		"Workers is -1", "MaxAhead is 150", "DrainTimeout is 1h0m0s", "OutageRatio is 2", `DeadLetterTopic is "no such"`)
}

func TestDeadLetterTopicNames(t *testing.T) {
	long := strings.Repeat("x", 240)
	names := []string{
		kafka.DeadLetterTopic("orders", "billing"),
		kafka.DeadLetterTopic("orders", "billing eu"),
		kafka.DeadLetterTopic("orders", "billing/eu"),
		kafka.DeadLetterTopic("orders", long),
		kafka.DeadLetterTopic("orders", long+"y"),
	}
	if names[0] != "dlq.orders.billing" {
		t.Errorf("name is %s", names[0])
	}
	if len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Errorf("names are not different: %q", names)
	}
	for _, n := range names {
		if len(n) > 249 || strings.ContainsAny(n, " /") || !kafka.IsDeadLetterTopic(n) {
			t.Errorf("Kafka does not permit %q", n)
		}
	}
}

// A dead letter in a topic that the consumer reads would come back for ever.
func TestDeadLettersDoNotGoIntoATopicThatIsConsumed(t *testing.T) {
	_, err := kafka.NewConsumer([]string{"b:1"}, "g", []string{"orders", "returns"}, nothing, kafka.ConsumerConfig{DeadLetterTopic: "returns"})
	if err == nil {
		t.Fatal("no error")
	}
	wants(t, err, errors.InvalidArgument, `DeadLetterTopic is "returns"`)
}

type hangsUp struct{ net.Conn }

func (hangsUp) Read([]byte) (int, error) { return 0, io.EOF }

// Brokers that close every connection are unavailable, and the error says what that
// often means.
func TestStartSaysThatBrokersHangUp(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		dial := cfg.Connection.Dial
		cfg.Connection.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return hangsUp{conn}, err
		}
		_, err := failsToStart(t, b, []string{"orders"}, cfg)
		wants(t, err, errors.Unavailable, "did not answer within 10s", "list topics: unavailable", "is TLS missing?")
	})
}
