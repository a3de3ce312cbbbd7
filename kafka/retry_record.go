package kafka

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// HeaderDue is when a record that waits in a retry topic is to be handled, in
// milliseconds since 1970. It has the failure headers besides.
const HeaderDue = "__sdk.retry.due"

// due returns when a record of the topic may be handled. What a header says is
// anybody's text: no record waits for longer than the topic's delay, from its
// timestamp or from when it was read.
func (t *retryTopic) due(r *kgo.Record, read time.Time) time.Time {
	latest := read.Add(t.delay)
	if stamped := r.Timestamp.Add(t.delay + time.Millisecond); stamped.Before(latest) { // Stamps are cut to it.
		latest = stamped
	}
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if h := &r.Headers[i]; h.Key == HeaderDue {
			if due := decodeMillis(h.Value); !due.IsZero() && due.Before(latest) {
				return due
			}
			break
		}
	}
	return latest
}

// original returns the record as it was read from its source: to the handler each
// attempt is at the same record. One that this package did not write stays as it is.
func (t *retryTopic) original(r Record) Record {
	f, _ := DecodeFailure(r.Headers)
	if f.Source.Topic != t.source {
		return r
	}
	r.Topic, r.Partition, r.Offset, r.LeaderEpoch = f.Source.Topic, f.Source.Partition, f.Source.Offset, -1
	if !f.Timestamp.IsZero() {
		r.Timestamp = f.Timestamp
	}
	own := StripFailureHeaders(r.Headers)
	if f.Redrives > 0 { // It had those already when it was read from its source.
		own = f.appendCarried(own)
	}
	r.Headers = own
	return r
}

// earlier returns how often the record was tried before it came into the retry topic,
// since it was put into its source.
func (it *item) earlier() int {
	if it.part.retry == nil || it.source == nil {
		return 0
	}
	for i := len(it.source.Headers) - 1; i >= 0; i-- {
		if h := &it.source.Headers[i]; h.Key == HeaderDeliveryCount {
			return int(decodeNumber(h.Value, maxAttempts))
		}
	}
	return 0
}

// ofAnotherGroup reports whether another group wrote the record into the retry topic:
// topic a.b of group c and topic a of group b.c have one name.
func (it *item) ofAnotherGroup(group string) bool {
	for i := len(it.source.Headers) - 1; i >= 0; i-- {
		if h := &it.source.Headers[i]; h.Key == HeaderGroup {
			return decodeText(h.Value, maxGroupBytes) != clampText(group, maxGroupBytes)
		}
	}
	return false
}

// firstFailed returns when the record failed for the first time.
func (it *item) firstFailed() time.Time {
	if it.source == nil {
		return it.firstFailure
	}
	f, _ := DecodeFailure(recordOf(it.source).Headers)
	return earlier(it.firstFailure, f.FirstFailure)
}

// delayed makes the record that waits in a retry topic: key, value and headers as
// they are, what has to survive, and when it is due. Its timestamp is now, because
// retention counts from it.
func (w *deadLetterWriter) delayed(it *item, now time.Time) *kgo.Record {
	t := w.target(it)
	f := failureOf(it, w.c.group)
	f.Stack = ""
	headers := f.AppendHeaders(it.record().Headers)
	headers = append(headers, Header{Key: HeaderDue, Value: strconv.AppendInt(nil, now.Add(it.to.delay+time.Millisecond-1).UnixMilli(), 10)})
	return &kgo.Record{
		Topic: t.name, Partition: it.part.partition % max(t.partitions, 1), Key: it.source.Key, Value: it.source.Value,
		Headers: clientHeaders(headers), Timestamp: now,
	}
}
