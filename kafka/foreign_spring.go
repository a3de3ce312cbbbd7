package kafka

import (
	"encoding/binary"
	"strings"

	"github.com/backend-platform/sdk/errors"
)

// Spring's headers come in two families, with numbers in binary, big-endian
// (org.springframework.kafka.support.KafkaHeaders). A record that fails again
// gets another set of the original-* ones: the first is where it comes from, the
// last where it failed last. Of the others the last counts.
const (
	springBlocking    = "kafka_dlt-"
	springRetry       = "kafka_"
	springRetryTopic  = "retry_topic-"
	springAttempt     = "kafka_deliveryAttempt"
	springMaxAttempts = 1<<15 - 1 // what Spring believes
)

func isSpringKey(key string) bool {
	rest, ok := strings.CutPrefix(key, springBlocking)
	if !ok {
		rest, ok = strings.CutPrefix(key, springRetry)
	}
	return ok && (strings.HasPrefix(rest, "original-") || strings.HasPrefix(rest, "exception-") || strings.HasPrefix(rest, "key-exception-")) ||
		strings.HasPrefix(key, springRetryTopic) || key == springAttempt || strings.HasPrefix(key, "springDeserializerException")
}

// springPlace gathers one member of the sets of original-* headers.
type springPlace struct {
	topics     []string
	partitions []int32
	offsets    []int64
}

func (p *springPlace) at(i int) ID {
	var id ID
	if i < len(p.topics) {
		id.Topic = p.topics[i]
	}
	if i < len(p.partitions) {
		id.Partition = p.partitions[i]
	}
	if i < len(p.offsets) {
		id.Offset = p.offsets[i]
	}
	return id
}

func decodeSpring(headers []Header, f *Failure) {
	var place springPlace
	var class, cause, keyMessage string
	hops := 0
	for i := range headers {
		key, value := headers[i].Key, headers[i].Value
		switch key {
		case springAttempt:
			f.Deliveries = springNumber(value)
			continue
		case springRetryTopic + "attempts": // The number of the next attempt.
			f.Deliveries = max(springNumber(value)-1, 0)
			hops++
			continue
		}
		name, ok := strings.CutPrefix(key, springBlocking)
		if !ok {
			if name, ok = strings.CutPrefix(key, springRetry); !ok {
				continue
			}
		}
		switch name {
		case "original-topic":
			place.topics = append(place.topics, decodeTopic(value))
		case "original-partition":
			place.partitions = append(place.partitions, max(int32(bigEndian(value, 4)), 0))
		case "original-offset":
			place.offsets = append(place.offsets, max(bigEndian(value, 8), 0))
		case "original-timestamp":
			if len(place.topics) <= 1 {
				f.Timestamp = millis(bigEndian(value, 8))
			}
		case "original-consumer-group":
			f.Group = decodeText(value, maxGroupBytes)
		case "exception-fqcn":
			class = decodeText(value, maxReasonBytes)
		case "exception-cause-fqcn":
			cause = decodeText(value, maxReasonBytes)
		case "exception-message":
			f.Message = decodeText(value, maxMessageBytes)
		case "key-exception-message":
			keyMessage = decodeText(value, maxMessageBytes)
		case "exception-stacktrace", "key-exception-stacktrace":
			f.Stack = decodeText(value, maxStackBytes)
		}
	}
	if f.Reason = cause; cause == "" {
		f.Reason = class
	}
	if f.Message == "" {
		f.Message = keyMessage
	}
	f.Origin, f.Source = place.at(0), place.at(max(len(place.topics)-1, 0))
	f.Hops = max(hops, len(place.topics))
}

// bigEndian reads a number of that many bytes, 0 where there are others.
func bigEndian(value []byte, size int) int64 {
	switch {
	case len(value) != size:
		return 0
	case size == 4:
		return int64(int32(binary.BigEndian.Uint32(value)))
	}
	return int64(binary.BigEndian.Uint64(value))
}

// springNumber reads a count of attempts, of one byte or four.
func springNumber(value []byte) int {
	n := bigEndian(value, 4)
	if len(value) == 1 {
		n = int64(int8(value[0]))
	}
	if n < 1 || n > springMaxAttempts {
		return 0
	}
	return int(n)
}

// springWrapper is the class that Spring names whatever a listener threw.
const springWrapper = "org.springframework.kafka.listener.ListenerExecutionFailedException"

// appendSpring appends the failure as Spring's DeadLetterPublishingRecoverer
// writes it: a set of original-* headers for the origin where that is another
// place, and one for where the record failed. Those of earlier failures go.
func (f *Failure) appendSpring(headers []Header, timestampType string) []Header {
	out := make([]Header, 0, len(headers)+16)
	for i := range headers {
		if !isSpringKey(headers[i].Key) {
			out = append(out, headers[i])
		}
	}
	text := func(name, value string) {
		out = append(out, Header{Key: springBlocking + name, Value: []byte(value)})
	}
	place := func(id ID) {
		text("original-topic", id.Topic)
		out = append(out,
			Header{Key: springBlocking + "original-partition", Value: binary.BigEndian.AppendUint32(nil, uint32(id.Partition))},
			Header{Key: springBlocking + "original-offset", Value: binary.BigEndian.AppendUint64(nil, uint64(id.Offset))},
			Header{Key: springBlocking + "original-timestamp", Value: binary.BigEndian.AppendUint64(nil, uint64(f.Timestamp.UnixMilli()))})
		text("original-timestamp-type", timestampType)
		text("original-consumer-group", clampText(f.Group, maxGroupBytes))
	}
	if f.Origin.Topic != "" && f.Origin != f.Source {
		place(f.Origin)
	}
	cause := f.Reason
	if cause == "" && f.Code != errors.OK {
		cause = f.Code.String()
	}
	text("exception-fqcn", springWrapper)
	text("exception-cause-fqcn", clampText(cause, maxReasonBytes))
	text("exception-message", clampText(f.Message, maxMessageBytes))
	text("exception-stacktrace", clampText(f.Stack, maxStackBytes))
	place(f.Source)
	return out
}

// wroteSpring says whether Spring's headers are those that this module wrote for the failure
// at that place (SpringHeaders), and not some with which the record came.
func wroteSpring(headers []Header, source ID) bool {
	var f Failure
	decodeSpring(headers, &f)
	return source.Topic != "" && f.Source == source
}

// timestampType names the type of the record's timestamp as Kafka does.
func timestampType(it *item) string {
	if it.source != nil && it.source.Attrs.TimestampType() == 1 {
		return "LogAppendTime"
	}
	return "CreateTime"
}
