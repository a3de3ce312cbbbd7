package kafka

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Record is one Kafka record, to publish or as a [Handler] receives it.
//
// To publish, set Topic and what the record carries: Key, Value, Headers and,
// where the time of the event is not now, Timestamp. Partition, Offset and
// LeaderEpoch are answers of the broker and are ignored on publishing: the key
// decides the partition.
//
// A handler may keep a Record and the bytes in it after it returned, and may
// replace its fields for handlers that it calls: each attempt gets the record as
// it was written. It must not change the bytes: retries and the dead letter use
// them.
type Record struct {
	// Topic is the topic the record is published to or was read from.
	Topic string
	// Partition is where the record is. Ignored on publishing.
	Partition int32
	// Offset is the record's place in its partition. Ignored on publishing.
	Offset int64
	// LeaderEpoch is the epoch of the partition's leader that wrote the record,
	// -1 where it is not known (KIP-320). Ignored on publishing.
	LeaderEpoch int32
	attempt     int32 // here it takes no room
	// Key decides the partition and with it the order: records with one key are
	// handled in their order. Records with a nil key have the order of
	// their partition, and are handled one at a time. Nil is not empty.
	Key []byte
	// Value is the payload. Nil is not empty: a nil value is a tombstone, which
	// deletes the key in a compacted topic.
	Value []byte
	// Headers are kept in their order and with duplicates.
	Headers []Header
	// Timestamp is when the event happened, as its producer said, with the
	// millisecond precision that Kafka keeps. Zero on publishing: now.
	Timestamp time.Time
}

// Header is one header of a record. Kafka permits a key more than once.
type Header struct {
	Key string
	// Value is any bytes. Nil is not empty.
	Value []byte
}

// ID names a record by where it was first written. It is comparable, so that
// it serves as a key of a map.
type ID struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String returns the ID as topic/partition/offset. A topic's name has no
// slash, so that the text is unambiguous, and [ParseID] reads it again.
func (id ID) String() string {
	return id.Topic + "/" + strconv.FormatInt(int64(id.Partition), 10) + "/" + strconv.FormatInt(id.Offset, 10)
}

// ParseID reads what [ID.String] wrote.
func ParseID(s string) (ID, error) {
	topic, rest, _ := strings.Cut(s, "/")
	partition, offset, ok := strings.Cut(rest, "/")
	if !ok || !validTopic(topic) {
		return ID{}, fmt.Errorf("parse record ID %.64q: want topic/partition/offset", s)
	}
	p, errPartition := strconv.ParseUint(partition, 10, 31)
	o, errOffset := strconv.ParseUint(offset, 10, 63)
	if errPartition != nil || errOffset != nil {
		return ID{}, fmt.Errorf("parse record ID %.64q: partition and offset are decimal numbers from zero", s)
	}
	return ID{Topic: topic, Partition: int32(p), Offset: int64(o)}, nil
}

// ID returns the record's origin: the topic, partition and offset at which it
// was written first. Retries, dead letters and redrives keep it, so that it is
// what to remember in order not to do something twice; see [Deduplicate].
//
// The origin comes from a header when the record was moved by this module or
// is a dead letter by KIP-1191. A header is not believed where it names another
// topic and the record is no dead letter: a record that was published with the
// headers of another one is a record of its own. Nor where it names a place in
// the record's own partition that is not before the record.
func (r *Record) ID() ID {
	own := ID{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	origin, ok := originOf(r)
	if !ok {
		return own
	}
	if origin.Topic == own.Topic && origin.Partition == own.Partition && origin.Offset >= own.Offset {
		return own
	}
	return origin
}

// Attempt says the how many-th try of the handler this is, from 1. It is 0 on
// a record that was not delivered by a [Consumer]. Attempts that were spent
// while the consumer found an outage are given back, so that the number may
// fall. It starts again at 1 when the record is delivered to another consumer
// or was redriven.
func (r *Record) Attempt() int { return int(r.attempt) }

// Redrives says how often the record was put back from the dead letters.
func (r *Record) Redrives() int {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == HeaderRedrives {
			return int(decodeNumber(r.Headers[i].Value, maxRedrives))
		}
	}
	return 0
}

// Header returns the value of the last header with the key, as Kafka's own
// lastHeader does, and whether there is one.
func (r *Record) Header(key string) ([]byte, bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value, true
		}
	}
	return nil, false
}
