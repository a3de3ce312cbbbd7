package kafka

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
)

// DeadLetter is a record that could not be handled, as it lies in a
// dead-letter topic: the record itself, and why it is there.
type DeadLetter struct {
	// Record is the record as its producer wrote it, byte for byte: key and
	// value, where nil is not empty, and the headers in their order and with
	// duplicates, without those of the failure. Its Topic, Partition and Offset
	// are its origin and its Timestamp is its own, so that [Record.ID] is the
	// ID that the handler saw.
	Record Record
	// Failure is what the failure headers say.
	Failure Failure
	// Writer is who wrote it. Empty where the headers do not tell.
	Writer Writer
	// Lost says that key, value and headers are not there: a share group wrote
	// where the record was and no copy of it (errors.deadletterqueue.copy.record.enable
	// is off), and the record has been deleted since, or the headers name another
	// topic than the one that was asked for. Where it is still there, [Browse] and
	// [Redrive] read it, also where there is a copy: that has no headers. [Redrive]
	// leaves what is lost alone.
	Lost bool
	// Readable is false where there are no failure headers, or none that says
	// where the record came from: the record is then as it lies here, and
	// [Redrive] leaves it alone.
	Readable bool
	// Topic, Partition and Offset are where the dead letter itself lies.
	Topic     string
	Partition int32
	Offset    int64
	// Time is when the dead letter was written: the time of the failure, to
	// the millisecond.
	Time time.Time
}

// TraceID returns the trace in which the record failed last, 32 hexadecimal
// digits. It is empty where tracing was off or the header is no W3C trace
// context.
func (d *DeadLetter) TraceID() string {
	version, rest, _ := strings.Cut(d.Failure.TraceParent, "-")
	id, _, ok := strings.Cut(rest, "-")
	if !ok || len(version) != 2 || len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// isOf says whether it is a dead letter of the topic and the group. Some writers
// do not name the group.
func (d *DeadLetter) isOf(topic, group string) bool {
	f := &d.Failure
	return d.Readable && (f.Source.Topic == topic || f.Origin.Topic == topic) &&
		(f.Group == "" || f.Group == clampText(group, maxGroupBytes))
}

// newDeadLetter decodes a record of a dead-letter topic.
func newDeadLetter(r *kgo.Record) *DeadLetter {
	headers := make([]Header, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = Header{Key: h.Key, Value: h.Value}
	}
	d := &DeadLetter{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp,
		Record: Record{
			Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
			Key: r.Key, Value: r.Value, Headers: headers, Timestamp: r.Timestamp,
		},
	}
	var other *foreign
	d.Writer, other = writerOf(headers)
	own := StripFailureHeaders(headers)
	if other == nil {
		d.Failure, d.Readable = DecodeFailure(headers)
		if d.Writer == WriterSDK && wroteSpring(headers, d.Failure.Source) {
			own = slices.DeleteFunc(own, func(h Header) bool { return isSpringKey(h.Key) })
		}
	} else {
		d.Failure, d.Readable = other.decodeForeign(headers, r.Timestamp)
		own = other.strip(headers)
	}
	if d.Failure.Source.Topic == "" {
		d.Readable = false
	}
	if !d.Readable {
		return d
	}
	d.Record = Record{
		Topic: d.Failure.Origin.Topic, Partition: d.Failure.Origin.Partition, Offset: d.Failure.Origin.Offset, LeaderEpoch: -1,
		Key: r.Key, Value: r.Value, Headers: own, Timestamp: d.Failure.Timestamp,
	}
	return d
}

// DeadLetterFilter selects dead letters. All of its members must match; the
// zero value selects every one.
type DeadLetterFilter struct {
	// Codes selects those that failed with one of these codes.
	Codes []errors.Code
	// Reasons selects those that failed with one of these reasons.
	Reasons []string
	// Keys selects those of records with one of these keys, byte for byte. A
	// record without a key matches none.
	Keys []string
	// Partitions selects those that lie in one of these partitions of the
	// dead-letter topic.
	Partitions []int32
	// Since selects those that failed at this time or later, Until those that
	// failed before, both to the millisecond. Zero: no bound.
	Since, Until time.Time
}

func (f *DeadLetterFilter) validate() error {
	var faults []error
	for _, code := range f.Codes {
		if code == errors.OK || !slices.Contains(errors.Codes(), code) {
			faults = append(faults, fmt.Errorf("Filter.Codes has %d, which is no code of an error", uint32(code)))
		}
	}
	for _, reason := range f.Reasons {
		if reason == "" || !utf8.ValidString(reason) {
			faults = append(faults, fmt.Errorf("Filter.Reasons has %q, want text", reason))
		}
	}
	for _, p := range f.Partitions {
		if p < 0 {
			faults = append(faults, fmt.Errorf("Filter.Partitions has %d, want 0 or more", p))
		}
	}
	for i, at := range []time.Time{f.Since, f.Until} {
		if !at.IsZero() && at.UnixMilli() <= 0 { // Zero is no bound where filters are remembered.
			faults = append(faults, fmt.Errorf("Filter.%s is %s, want a time after 1970", []string{"Since", "Until"}[i], at.Format(time.RFC3339Nano)))
		}
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		faults = append(faults, fmt.Errorf("Filter.Since %s is not before Filter.Until %s",
			f.Since.Format(time.RFC3339Nano), f.Until.Format(time.RFC3339Nano)))
	}
	return errors.Join(faults...)
}

func (f *DeadLetterFilter) matches(d *DeadLetter) bool {
	return (len(f.Codes) == 0 || slices.Contains(f.Codes, d.Failure.Code)) &&
		(len(f.Reasons) == 0 || slices.Contains(f.Reasons, d.Failure.Reason)) &&
		(len(f.Keys) == 0 || d.Record.Key != nil && slices.Contains(f.Keys, string(d.Record.Key))) &&
		f.hasPartition(d.Partition) &&
		(f.Since.IsZero() || d.Time.UnixMilli() >= f.Since.UnixMilli()) &&
		(f.Until.IsZero() || d.Time.UnixMilli() < f.Until.UnixMilli())
}

func (f *DeadLetterFilter) hasPartition(p int32) bool {
	return len(f.Partitions) == 0 || slices.Contains(f.Partitions, p)
}
