package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func matching(cfg kafka.ConsumerConfig, pattern string) kafka.ConsumerConfig {
	cfg.TopicPattern = pattern
	return cfg
}

// A pattern is for what is there and for what comes later. Topics of dead letters, of
// retries and of parked records never match, whatever the pattern says.
func TestPatternFindsTopicsThatComeLater(t *testing.T) {
	topics := map[string]int{"orders.eu": 2, "orders": 1, "payments": 1, "dlq.orders.eu.other": 1, "retry.orders.eu.other.10s": 1, "parked.orders.eu.other": 1, "__orders": 1}
	bubble(t, kafkatest.Config{Topics: topics}, func(t *testing.T, b *kafkatest.Broker) {
		var got seen
		cfg := matching(unordered(quiet(t, b)), `(.*[._])?orders.*|archive`)
		cfg.StartAtEnd = true
		run(t, b, "g", nil, func(_ context.Context, r *kafka.Record) error {
			got.add(&kafka.Record{Value: fmt.Appendf(nil, "%s %s", r.Topic, r.Value)})
			if string(r.Value) == "bad" {
				return errors.InvalidArgument.New("bad")
			}
			return nil
		}, cfg)
		b.WaitMembers(t, "g", 1)
		time.Sleep(time.Second)
		for topic := range topics {
			b.Produce(t, kafka.Record{Topic: topic, Value: []byte("1")})
		}
		b.WaitCaughtUp(t, "orders.eu", "g")
		b.WaitCaughtUp(t, "orders", "g")
		b.CreateTopic(t, "orders.us", 3)
		b.CreateTopic(t, "dlq.orders.us.other", 1)
		b.CreateTopic(t, "invoices", 1)
		b.Produce(t, kafka.Record{Topic: "orders.us", Value: []byte("bad")}, kafka.Record{Topic: "invoices"}, kafka.Record{Topic: "dlq.orders.us.other"})
		letters := b.WaitDeadLetters(t, "orders.us", "g", 1)
		if letters[0].Failure.Source.Topic != "orders.us" {
			t.Errorf("dead letter %+v", letters[0].Failure)
		}
		b.WaitCaughtUp(t, "orders.us", "g")
		list := got.list()
		slices.Sort(list)
		if want := []string{"orders 1", "orders.eu 1", "orders.us bad"}; !slices.Equal(list, want) {
			t.Errorf("handled %q, want %q", list, want)
		}
		if n := len(b.Records(t, kafka.RetryTopic("orders.us", "g", time.Minute))); n != 0 {
			t.Errorf("%d records wait", n)
		}
	})
}

// Nothing may match at first.
func TestPatternMayMatchNothingAtFirst(t *testing.T) {
	bubble(t, kafkatest.Config{}, func(t *testing.T, b *kafkatest.Broker) {
		var got seen
		var log logBuffer
		cfg := matching(quiet(t, b), `orders`)
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c := run(t, b, "g", nil, func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }, cfg)
		time.Sleep(time.Minute)
		if err := c.Ready(t.Context()); err != nil || len(log.lines("no topic matches the pattern so far")) != 1 {
			t.Errorf("ready: %v; log %q", err, log.lines(""))
		}
		b.CreateTopic(t, "orders", 1)
		b.CreateTopic(t, "orders2", 1)
		b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("1")})
		b.Produce(t, kafka.Record{Topic: "orders2", Value: []byte("2")})
		time.Sleep(2 * time.Minute)
		if list := got.list(); !slices.Equal(list, []string{"1"}) {
			t.Errorf("handled %q", list)
		}
	})
}

// withoutRead is a cluster whose user of as sees the topics and may write their dead
// letters, and may read what further rules permit.
func withoutRead(topics []string, further ...kfake.ACL) kafkatest.Config {
	const onTopic = kmsg.ACLResourceTypeTopic
	acls := append(slices.Clone(further), allow(kmsg.ACLResourceTypeGroup, "g", kmsg.ACLOperationRead))
	for _, topic := range topics {
		letters := kafka.DeadLetterTopic(topic, "g")
		acls = append(acls, allow(onTopic, topic, kmsg.ACLOperationDescribe), allow(onTopic, letters, kmsg.ACLOperationCreate), allow(onTopic, letters, kmsg.ACLOperationWrite))
	}
	return secured(acls...)
}

// A topic that matches and may not be read holds up no other, neither at the start nor
// later: the log says which right is missing, and it is consumed once that is there. That
// others make such a topic keeps no service from being started.
func TestATopicOfAPatternWithoutRightsHoldsUpNoOther(t *testing.T) {
	mayRead := allow(kmsg.ACLResourceTypeTopic, "orders.eu", kmsg.ACLOperationRead)
	some := withoutRead([]string{"orders.eu", "orders.us", "orders.asia"}, mayRead)
	some.Topics = map[string]int{"orders.eu": 1, "orders.us": 1}
	bubble(t, some, func(t *testing.T, b *kafkatest.Broker) {
		var got seen
		var log logBuffer
		cfg := matching(quiet(t, b), `orders\..*`)
		cfg.Connection.Options, cfg.Logger = as("svc", "pw"), slog.New(slog.NewTextHandler(&log, nil))
		run(t, b, "g", nil, func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }, cfg)
		admin, err := kgo.NewClient(append(b.ClientOptions(), as("admin", "pw")...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		produce := func(topic string) {
			t.Helper()
			if err := admin.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(topic)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		handled := func(want ...string) {
			t.Helper()
			time.Sleep(2 * time.Minute)
			if list := got.list(); !slices.Equal(list, want) {
				t.Errorf("handled %q, want %q", list, want)
			}
		}
		produce("orders.eu")
		produce("orders.us")
		handled("orders.eu")
		if lines := log.lines("no permission Read on topic"); len(lines) != 1 || !strings.Contains(lines[0], "--operation Read --topic orders.us") {
			t.Errorf("the log says %q", lines)
		}
		if _, err := kadm.NewClient(admin).CreateTopic(t.Context(), 1, 1, nil, "orders.asia"); err != nil {
			t.Fatal(err)
		}
		produce("orders.asia")
		handled("orders.eu")
		if lines := log.lines("orders.asia"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		_, err = kadm.NewClient(admin).CreateACLs(t.Context(), kadm.NewACLs().Allow("User:svc").AllowHosts("*").
			Topics("orders.us", "orders.asia").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		list := got.list()
		slices.Sort(list)
		if want := []string{"orders.asia", "orders.eu", "orders.us"}; !slices.Equal(list, want) {
			t.Errorf("handled %q, want %q", list, want)
		}
	})
}

// When there is no other, that is an error at the start.
func TestAPatternWithoutRightsOnAnyTopicIsAnError(t *testing.T) {
	refused := withoutRead([]string{"orders.us"})
	refused.Topics = map[string]int{"orders.us": 1}
	bubble(t, refused, func(t *testing.T, b *kafkatest.Broker) {
		cfg := matching(quiet(t, b), `orders\..*`)
		cfg.Connection.Options = as("svc", "pw")
		_, err := failsToStart(t, b, nil, cfg)
		wants(t, err, errors.PermissionDenied, `no permission Read on topic "orders.us"`, "kafka-acls.sh")
	})
}

func TestPatternThatIsNoneIsAFault(t *testing.T) {
	_, err := kafka.NewConsumer([]string{"b:1"}, "g", nil, nothing, kafka.ConsumerConfig{TopicPattern: "orders("})
	wants(t, err, errors.InvalidArgument, "TopicPattern", "orders(")
	_, err = kafka.NewConsumer([]string{"b:1"}, "g", nil, nothing, kafka.ConsumerConfig{})
	wants(t, err, errors.InvalidArgument, "topics: none given")
}
