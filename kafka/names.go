package kafka

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	// deadLetterPrefix is what Kafka 4.4 demands of the dead-letter topics of
	// share groups (errors.deadletterqueue.topic.name.prefix, KIP-1191), so that
	// one pattern finds all dead letters of a cluster.
	deadLetterPrefix = "dlq."
	// maxTopicName is Kafka's limit (org.apache.kafka.common.internals.Topic).
	maxTopicName = 249
)

// DeadLetterTopic returns the name of the topic for the dead letters of a
// topic and a consumer group: dlq.<topic>.<group>.
//
// A group's name may hold any text, a topic's may not. A character that topics
// do not permit becomes "_", what exceeds 249 characters is cut, and in both
// cases a hash of the whole is appended, so that two groups never share a
// topic by accident.
func DeadLetterTopic(topic, group string) string {
	return topicName(deadLetterPrefix, topic, group, "")
}

// topicName makes the name of a topic that belongs to a topic and a group; what ends
// it is kept whole.
func topicName(prefix, topic, group, end string) string {
	name := prefix + topic + "." + group
	if validTopic(name + end) {
		return name + end
	}
	sum := sha256.Sum256([]byte(topic + "\x00" + group))
	suffix := "-" + hex.EncodeToString(sum[:4]) + end
	clean := strings.Map(func(r rune) rune {
		if r < 128 && topicByte(byte(r)) {
			return r
		}
		return '_'
	}, name)
	return clean[:min(len(clean), maxTopicName-len(suffix))] + suffix
}

// IsDeadLetterTopic says whether a topic's name is one of a dead-letter topic:
// it starts with "dlq.".
func IsDeadLetterTopic(topic string) bool {
	return strings.HasPrefix(topic, deadLetterPrefix)
}

// validTopic says whether Kafka takes the name for a topic.
func validTopic(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > maxTopicName {
		return false
	}
	for i := range len(name) {
		if !topicByte(name[i]) {
			return false
		}
	}
	return true
}

func topicByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}
