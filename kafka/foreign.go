package kafka

import (
	"strings"
	"time"
)

// Writer is who wrote a dead letter, told by its headers.
type Writer string

// The writers whose dead letters are read.
const (
	// WriterSDK is a [Consumer].
	WriterSDK Writer = "sdk"
	// WriterShareGroup is a broker, for a share group (KIP-1191). It says that the
	// application refused the record or tried it too often, and not why.
	WriterShareGroup Writer = "share group"
	// WriterSpring is Spring for Apache Kafka: its DeadLetterPublishingRecoverer
	// or its retry topics.
	WriterSpring Writer = "spring"
	// WriterStreams is Kafka Streams (KIP-1034).
	WriterStreams Writer = "streams"
	// WriterConnect is Kafka Connect, with errors.deadletterqueue.context.headers.enable.
	WriterConnect Writer = "connect"
)

// foreign describes the headers of a writer. Measured on spring-kafka 4.1.2, on
// Kafka Streams and Connect 4.3.1.
type foreign struct {
	writer Writer
	topic  []string // the headers that name the topic in which the record failed
	ours   func(key string) bool
	decode func(headers []Header, f *Failure)
}

var foreigns = []foreign{
	{WriterSpring, []string{springBlocking + "original-topic", springRetry + "original-topic"}, isSpringKey, decodeSpring},
	{WriterStreams, []string{streamsPrefix + "topic"}, hasPrefix(streamsPrefix), decodeStreams},
	{WriterConnect, []string{connectPrefix + "topic"}, hasPrefix(connectPrefix), decodeConnect},
}

const (
	streamsPrefix = "__streams.errors."
	connectPrefix = "__connect.errors."
)

func hasPrefix(prefix string) func(string) bool {
	return func(key string) bool { return strings.HasPrefix(key, prefix) }
}

// writerOf tells who wrote a dead letter. Headers of earlier failures may still be
// there: who wrote last is the writer, and what this module and brokers write
// replaces, so that it is always of the last failure.
func writerOf(headers []Header) (Writer, *foreign) {
	var last *foreign
	share := false
	for i := range headers {
		switch key := headers[i].Key; key {
		case HeaderCode:
			return WriterSDK, nil
		case HeaderTopic:
			share = true
		default:
			for j := range foreigns {
				for _, topic := range foreigns[j].topic {
					if key == topic {
						last = &foreigns[j]
					}
				}
			}
		}
	}
	switch {
	case share:
		return WriterShareGroup, nil
	case last != nil:
		return last.writer, last
	}
	return "", nil
}

// decodeForeign reads what another writer says, beside what an earlier redrive of
// this module left: the origin and how often the record was put back.
func (w *foreign) decodeForeign(headers []Header, timestamp time.Time) (Failure, bool) {
	f, _ := DecodeFailure(headers)
	origin := f.Origin
	f.Source, f.Timestamp = ID{}, timestamp
	w.decode(headers, &f)
	switch {
	case origin.Topic != "":
		f.Origin = origin
	case f.Origin.Topic == "":
		f.Origin = f.Source
	}
	f.Attempts = max(f.Attempts, f.Deliveries)
	return f, f.Source.Topic != ""
}

// strip returns the headers without those of the writer and of this module, in
// order and with duplicates.
func (w *foreign) strip(headers []Header) []Header {
	out := make([]Header, 0, len(headers))
	for i := range headers {
		if !isFailureKey(headers[i].Key) && !w.ours(headers[i].Key) {
			out = append(out, headers[i])
		}
	}
	return out
}

// decodePlace reads where the record failed, and how often, from headers whose
// numbers are text.
func decodePlace(headers []Header, prefix string, f *Failure) {
	for i := range headers {
		value := headers[i].Value
		switch headers[i].Key {
		case prefix + "topic":
			f.Source.Topic = decodeTopic(value)
			f.Hops++
		case prefix + "partition":
			f.Source.Partition = int32(decodeNumber(value, 1<<31-1))
		case prefix + "offset":
			f.Source.Offset = decodeNumber(value, 1<<63-1)
		}
	}
	f.Origin = f.Source
}

func decodeStreams(headers []Header, f *Failure) {
	decodePlace(headers, streamsPrefix, f)
	for i := range headers {
		value := headers[i].Value
		switch headers[i].Key {
		case streamsPrefix + "exception":
			f.Reason = decodeText(value, maxReasonBytes)
		case streamsPrefix + "message":
			f.Message = decodeText(value, maxMessageBytes)
		case streamsPrefix + "stacktrace":
			f.Stack = decodeText(value, maxStackBytes)
		}
	}
}

func decodeConnect(headers []Header, f *Failure) {
	decodePlace(headers, connectPrefix, f)
	var connector, stage string
	for i := range headers {
		value := headers[i].Value
		switch headers[i].Key {
		case connectPrefix + "connector.name":
			connector = decodeText(value, maxGroupBytes-len(connectGroup))
		case connectPrefix + "stage":
			stage = decodeText(value, maxReasonBytes)
		case connectPrefix + "exception.class.name":
			f.Reason = decodeText(value, maxReasonBytes)
		case connectPrefix + "exception.message":
			f.Message = decodeText(value, maxMessageBytes)
		case connectPrefix + "exception.stacktrace":
			f.Stack = decodeText(value, maxStackBytes)
		}
	}
	if connector != "" {
		f.Group = connectGroup + connector
	}
	if stage != "" {
		f.Message = clampText(stage+": "+f.Message, maxMessageBytes)
	}
}

// connectGroup is what Connect puts before a sink connector's name to name its
// consumer group.
const connectGroup = "connect-"

func decodeTopic(value []byte) string {
	if len(value) <= maxTopicName && validTopic(string(value)) {
		return string(value)
	}
	return ""
}
