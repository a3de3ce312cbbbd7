package kafka

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/backend-platform/sdk/errors"
)

// Headers that Kafka 4.4 itself writes on the dead letters of share groups
// (KIP-1191). All values are UTF-8 text; numbers are decimal. This module
// writes the same ones.
const (
	// HeaderTopic is the topic in which the record failed.
	HeaderTopic = "__dlq.errors.topic"
	// HeaderPartition is the partition in which the record failed.
	HeaderPartition = "__dlq.errors.partition"
	// HeaderOffset is the offset at which the record failed.
	HeaderOffset = "__dlq.errors.offset"
	// HeaderGroup is the consumer group whose handler failed.
	HeaderGroup = "__dlq.errors.group"
	// HeaderDeliveryCount is how often the group tried before it gave up.
	HeaderDeliveryCount = "__dlq.errors.delivery.count"
	// HeaderMessage is the text of the last error, for people.
	HeaderMessage = "__dlq.errors.message"
)

// Headers of this module's own, on dead letters. All values are UTF-8 text;
// numbers are decimal, times are decimal milliseconds since 1970 as in Kafka's
// timestamps.
const (
	// HeaderOrigin is the record's [ID]: topic/partition/offset of where it was
	// written first. Also on redriven records.
	HeaderOrigin = "__sdk.origin"
	// HeaderCode is the error's code, for example "unavailable".
	HeaderCode = "__sdk.error.code"
	// HeaderReason is the error's reason, for example "OUT_OF_STOCK".
	HeaderReason = "__sdk.error.reason"
	// HeaderStack is the error's stack, where it has one.
	HeaderStack = "__sdk.error.stack"
	// HeaderAttempts is how often the record was tried in all, over redrives.
	// Also on redriven records.
	HeaderAttempts = "__sdk.attempts"
	// HeaderTimestamp is the record's own timestamp: a dead letter is stamped
	// with the time of its failure, because retention counts from the stamp.
	// Also on redriven records.
	HeaderTimestamp = "__sdk.record.timestamp"
	// HeaderFirstFailure is when the record failed for the first time. Also on
	// redriven records.
	HeaderFirstFailure = "__sdk.first.failure"
	// HeaderTraceParent is the W3C trace context of the attempt that failed
	// last. The record's own traceparent header stays as it was.
	HeaderTraceParent = "__sdk.traceparent"
	// HeaderRedrives is how often the record was put back from the dead
	// letters. Also on redriven records.
	HeaderRedrives = "__sdk.redrives"
)

// Bounds on what is written and believed. Incoming headers are anybody's text:
// an attempt count of a billion or a due time in the year 9999 stopped Spring's
// retry topics (CVE-2026-41727, CVE-2026-59317).
const (
	maxAttempts     = 1_000_000
	maxRedrives     = 1_000_000
	maxMessageBytes = 4 << 10
	maxStackBytes   = 16 << 10
	maxReasonBytes  = 128
	maxGroupBytes   = 1 << 10
	maxTraceParent  = 64
)

// Failure is what the headers of a dead letter say about the record and why it
// is there.
type Failure struct {
	// Origin is where the record was written first; see [Record.ID].
	Origin ID
	// Source is where the record was when its handling failed. It differs from
	// Origin after a redrive.
	Source ID
	// Group is the consumer group whose handler failed.
	Group string
	// Code is the code of the last error. Unknown where no header says it.
	Code errors.Code
	// Reason is the reason of the last error, empty where it had none.
	Reason string
	// Message is the text of the last error, at most 4 KiB. It is for people
	// who may read logs, and may hold what a caller must not see.
	Message string
	// Stack is the stack of the last error, empty where it had none; at most
	// 16 KiB.
	Stack string
	// Deliveries is how often the record was tried since it was last put into
	// its topic.
	Deliveries int
	// Attempts is how often the record was tried in all, over redrives.
	Attempts int
	// Timestamp is the record's own. Zero where no header says it.
	Timestamp time.Time
	// FirstFailure is when the record failed for the first time. Zero where no
	// header says it.
	FirstFailure time.Time
	// TraceParent is the W3C trace context of the last attempt, empty where
	// tracing was off.
	TraceParent string
	// Redrives is how often the record was put back from the dead letters.
	Redrives int
	// Hops is how often the record was moved on because it failed, into a topic of
	// dead letters or of retries. It is not written: it is counted in what is read.
	Hops int
}

// failureKeys are the headers that a new failure replaces. A header that is
// not in this list is kept as it is, also one that a newer version of this
// module added.
var failureKeys = [...]string{
	HeaderTopic, HeaderPartition, HeaderOffset, HeaderGroup, HeaderDeliveryCount, HeaderMessage,
	HeaderOrigin, HeaderCode, HeaderReason, HeaderStack, HeaderAttempts, HeaderTimestamp,
	HeaderFirstFailure, HeaderTraceParent, HeaderRedrives, HeaderDue,
}

// AppendHeaders appends the failure as headers to those in h that are not
// failure headers themselves, and returns a new slice: failure headers are
// replaced and never grow. The order and duplicates of the others stay, and h
// is not changed. Texts are made valid UTF-8 and cut to their bounds, numbers
// are clamped. A member without a value has no header.
func (f *Failure) AppendHeaders(h []Header) []Header {
	out := make([]Header, 0, len(h)+len(failureKeys))
	out = appendOthers(out, h)
	values := make([]byte, 0, 128) // One allocation for most of them.
	add := func(key string, with []byte) {
		from := len(values)
		values = with
		out = append(out, Header{Key: key, Value: values[from:len(values):len(values)]})
	}
	text := func(key, value string, limit int) {
		if value != "" {
			add(key, append(values, clampText(value, limit)...))
		}
	}
	number := func(key string, value int64) {
		add(key, strconv.AppendInt(values, max(value, 0), 10))
	}
	millis := func(key string, t time.Time) {
		if !t.IsZero() {
			number(key, t.UnixMilli())
		}
	}
	text(HeaderTopic, f.Source.Topic, maxTopicName)
	number(HeaderPartition, int64(f.Source.Partition))
	number(HeaderOffset, f.Source.Offset)
	text(HeaderGroup, f.Group, maxGroupBytes)
	number(HeaderDeliveryCount, int64(min(f.Deliveries, maxAttempts)))
	text(HeaderMessage, f.Message, maxMessageBytes)
	if f.Origin.Topic != "" {
		text(HeaderOrigin, f.Origin.String(), maxTopicName+32)
	}
	if f.Code != errors.OK {
		text(HeaderCode, f.Code.String(), maxReasonBytes)
	}
	text(HeaderReason, f.Reason, maxReasonBytes)
	text(HeaderStack, f.Stack, maxStackBytes)
	number(HeaderAttempts, int64(min(f.Attempts, maxAttempts)))
	millis(HeaderTimestamp, f.Timestamp)
	millis(HeaderFirstFailure, f.FirstFailure)
	text(HeaderTraceParent, f.TraceParent, maxTraceParent)
	if f.Redrives > 0 {
		number(HeaderRedrives, int64(min(f.Redrives, maxRedrives)))
	}
	return out
}

// appendCarried appends what a record carries that was put back, instead of the
// failure headers in h: what has to survive the next failure.
func (f *Failure) appendCarried(h []Header) []Header {
	carried := Failure{
		Origin: f.Origin, Attempts: f.Attempts, Redrives: f.Redrives, Timestamp: f.Timestamp, FirstFailure: f.FirstFailure,
	}
	return slices.DeleteFunc(carried.AppendHeaders(h), func(h Header) bool {
		switch h.Key {
		case HeaderTopic, HeaderPartition, HeaderOffset, HeaderDeliveryCount:
			return true // Those of a dead letter, which it is no more.
		}
		return false
	})
}

// DecodeFailure reads failure headers as this module and Kafka's share groups
// (KIP-1191) write them, and reports whether there are any. Of a key that
// appears more than once the last counts. What cannot be read is left out,
// texts are made valid UTF-8 and cut to their bounds, numbers are clamped.
func DecodeFailure(headers []Header) (Failure, bool) {
	f := Failure{Code: errors.Unknown}
	var found, hasOrigin bool
	for i := range headers {
		h := &headers[i]
		known := true
		switch h.Key {
		case HeaderTopic:
			if t := string(h.Value); validTopic(t) {
				f.Source.Topic = t
			}
		case HeaderPartition:
			f.Source.Partition = int32(decodeNumber(h.Value, 1<<31-1))
		case HeaderOffset:
			f.Source.Offset = decodeNumber(h.Value, 1<<63-1)
		case HeaderGroup:
			f.Group = decodeText(h.Value, maxGroupBytes)
		case HeaderDeliveryCount:
			f.Deliveries = int(decodeNumber(h.Value, maxAttempts))
		case HeaderMessage:
			f.Message = decodeText(h.Value, maxMessageBytes)
		case HeaderOrigin:
			if id, ok := decodeID(h.Value); ok {
				f.Origin, hasOrigin = id, true
			}
		case HeaderCode:
			if code, err := errors.ParseCode(decodeText(h.Value, maxReasonBytes)); err == nil && code != errors.OK {
				f.Code = code
			}
		case HeaderReason:
			f.Reason = decodeText(h.Value, maxReasonBytes)
		case HeaderStack:
			f.Stack = decodeText(h.Value, maxStackBytes)
		case HeaderAttempts:
			f.Attempts = int(decodeNumber(h.Value, maxAttempts))
		case HeaderTimestamp:
			f.Timestamp = decodeMillis(h.Value)
		case HeaderFirstFailure:
			f.FirstFailure = decodeMillis(h.Value)
		case HeaderTraceParent:
			f.TraceParent = decodeText(h.Value, maxTraceParent)
		case HeaderRedrives:
			f.Redrives = int(decodeNumber(h.Value, maxRedrives))
		default:
			known = false
		}
		found = found || known
	}
	if !hasOrigin && f.Source.Topic != "" {
		f.Origin = f.Source
	}
	f.Attempts = max(f.Attempts, f.Deliveries)
	if f.Source.Topic != "" {
		f.Hops = f.Redrives + 1
	}
	return f, found
}

// StripFailureHeaders returns the headers without those of a failure, as a new
// slice, in order and with duplicates.
func StripFailureHeaders(headers []Header) []Header {
	others := 0
	for i := range headers {
		if !isFailureKey(headers[i].Key) {
			others++
		}
	}
	return appendOthers(make([]Header, 0, others), headers)
}

func appendOthers(out, headers []Header) []Header {
	for i := range headers {
		if !isFailureKey(headers[i].Key) {
			out = append(out, headers[i])
		}
	}
	return out
}

func isFailureKey(key string) bool {
	// Nearly every header is somebody else's: two bytes tell.
	return len(key) > 2 && key[0] == '_' && key[1] == '_' && slices.Contains(failureKeys[:], key)
}

// originOf reads the record's origin from its headers: ours in the topic that
// they name and on dead letters, those of KIP-1191 in dead-letter topics only. A
// handler that publishes with the headers of what it handled, and a tool that
// copies a dead letter, make records of their own: two with the ID of a third
// would be one to whoever deduplicates.
func originOf(r *Record) (ID, bool) {
	if len(r.Headers) == 0 {
		return ID{}, false
	}
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == HeaderOrigin {
			if id, ok := decodeID(r.Headers[i].Value); ok {
				return id, id.Topic == r.Topic || isDeadLetter(r)
			}
		}
	}
	if !IsDeadLetterTopic(r.Topic) {
		return ID{}, false
	}
	f, _ := DecodeFailure(r.Headers)
	return f.Source, f.Source.Topic != ""
}

// isDeadLetter says whether the record lies among dead letters, or is one in a
// topic of another name: a redriven record has no [HeaderTopic].
func isDeadLetter(r *Record) bool {
	_, failed := r.Header(HeaderTopic)
	return failed || IsDeadLetterTopic(r.Topic)
}

func decodeID(value []byte) (ID, bool) {
	if len(value) > maxTopicName+32 {
		return ID{}, false
	}
	id, err := ParseID(string(value))
	return id, err == nil
}

// decodeNumber reads a decimal number from 0 to limit. What is larger is
// clamped, what is no number is 0.
func decodeNumber(value []byte, limit int64) int64 {
	if len(value) == 0 || len(value) > 32 {
		return 0
	}
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0
		}
		d := int64(c - '0')
		if n > (limit-d)/10 {
			n = limit
			continue
		}
		n = n*10 + d
	}
	return n
}

// decodeMillis reads a time. One beyond the year 9999 is no time that anybody
// meant, and would not encode as JSON.
func decodeMillis(value []byte) time.Time {
	return millis(decodeNumber(value, 1<<63-1))
}

const year9999 = 253_402_300_799_999 // its last millisecond

func millis(ms int64) time.Time {
	if ms <= 0 || ms > year9999 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func decodeText(value []byte, limit int) string {
	return clampText(string(value[:min(len(value), limit+utf8.UTFMax)]), limit)
}

// clampText cuts s to limit bytes at a rune's boundary and makes it valid UTF-8.
func clampText(s string, limit int) string {
	if len(s) > limit {
		cut := limit
		for cut > limit-utf8.UTFMax && cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	if utf8.ValidString(s) {
		return s
	}
	out := make([]rune, 0, len(s))
	for _, r := range s {
		out = append(out, r)
	}
	valid := string(out)
	if len(valid) > limit {
		return clampText(valid, limit) // U+FFFD is longer than the byte it stands for.
	}
	return valid
}
