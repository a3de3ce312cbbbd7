package kafka

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kerr"
)

// remedy says what a person has to do so that a dead letter can be written: what
// to look at, and the command of Apache Kafka's distribution that mends it.
func (w *deadLetterWriter) remedy(t deadLetterTopic, need int64, err error) string {
	is := func(targets ...*kerr.Error) bool {
		return slices.ContainsFunc(targets, func(target *kerr.Error) bool { return errors.Is(err, target) })
	}
	_, creating := errors.AsType[*createError](err)
	create := w.command("kafka-topics.sh --create --topic %s --partitions %d --config cleanup.policy=delete", t.name, max(t.partitions, 1))
	switch {
	case creating && is(kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed):
		return "the topic is gone and may not be created: " + create + ", or permit that: " + w.permit("Create", t.name)
	case creating:
		return "the topic is gone and cannot be created: " + create
	case is(kerr.UnknownTopicOrPartition, kerr.UnknownTopicID):
		return "the topic is gone: " + create
	case is(kerr.TopicAuthorizationFailed):
		return "the permission to write is missing: " + w.permit("Write", t.name)
	case is(kerr.ClusterAuthorizationFailed):
		return "the permission for idempotent writes is missing: " + w.command("kafka-acls.sh --add --allow-principal User:<name> --operation IdempotentWrite --cluster")
	case is(kerr.SaslAuthenticationFailed):
		return "the brokers refuse the credential"
	case tooLarge(err):
		return "the topic's limit is too low: " + w.command("kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s=%d", t.name, configMaxMessage, need)
	case is(kerr.InvalidRecord):
		return "the topic refuses the record, as one that is compacted refuses a record without a key: " +
			w.command("kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s=delete", t.name, configCleanup)
	case is(kerr.InvalidTimestamp):
		return "the topic refuses the time of this machine: check its clock, and message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic"
	case is(kerr.PolicyViolation):
		return "a policy of the cluster refuses it: ask those who run the brokers"
	case is(kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend):
		return "too few replicas are in sync: start the brokers that hold them: " + w.command("kafka-topics.sh --describe --topic %s", t.name)
	case is(kerr.KafkaStorageError):
		return "a broker cannot write to its disk: check whether it is full"
	}
	return "no broker takes it: check that the brokers run and that the topic has leaders: " + w.command("kafka-topics.sh --describe --topic %s", t.name)
}

// permit is the command that gives a permission on a topic.
func (w *deadLetterWriter) permit(operation, topic string) string {
	return w.c.commands().permit(topic, operation)
}

func (w *deadLetterWriter) command(format string, args ...any) string {
	return w.c.commands().command(format, args...)
}

func (c *Consumer) commands() commands { return commands{c.brokers, c.cfg.Connection.private} }

// commands writes commands of Apache Kafka's distribution.
type commands struct {
	brokers []string
	private bool // The brokers want TLS or a login, which stand in a file.
}

// permit is the command that gives permissions on a topic.
func (c commands) permit(topic string, operations ...string) string {
	return c.command("kafka-acls.sh --add --allow-principal User:<name> --operation %s --topic %s", strings.Join(operations, " --operation "), topic)
}

func (c commands) command(format string, args ...any) string {
	name, rest, _ := strings.Cut(fmt.Sprintf(format, args...), " ")
	name += " --bootstrap-server " + strings.Join(c.brokers, ",")
	if c.private {
		name += " --command-config <client.properties>"
	}
	return name + " " + rest
}
