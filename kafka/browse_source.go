package kafka

import (
	"bytes"
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
)

// sourceReader reads records that a dead letter names and does not hold, from
// where they failed. Dead letters of a partition come nearly in the order of their
// records, so that one fetch serves many.
type sourceReader struct {
	client  *kgo.Client
	topic   string        // the one whose records are read: headers may name any
	ranges  []offsetRange // nil where the topic is not there
	known   bool          // ranges are
	readers map[int32]*partitionReader
}

func newSourceReader(client *kgo.Client, topic string) *sourceReader {
	return &sourceReader{client: client, topic: topic, readers: map[int32]*partitionReader{}}
}

// complete fills in what a share group's dead letter lacks: all of the record where
// the broker wrote no copy, its headers where it did, and with them how often it was
// put back.
func (s *sourceReader) complete(ctx context.Context, d *DeadLetter) error {
	r := &d.Record
	if d.Writer != WriterShareGroup || !d.Readable || len(r.Headers) > 0 {
		return nil
	}
	var found *kgo.Record
	if d.Failure.Source.Topic == s.topic {
		var err error
		if found, err = s.read(ctx, d.Failure.Source); err != nil {
			return fmt.Errorf("read the record %v of dead letter %d/%d: %w", d.Failure.Source, d.Partition, d.Offset, err)
		}
	}
	copied := r.Key != nil || r.Value != nil
	switch {
	case found == nil:
		d.Lost = !copied
	case !copied || bytes.Equal(r.Key, found.Key) && bytes.Equal(r.Value, found.Value): // Otherwise the topic was made anew.
		d.adopt(recordOf(found))
	}
	return nil
}

// adopt takes a record from where it failed, and what it carries when it had been put
// back before.
func (d *DeadLetter) adopt(own Record) {
	carried, _ := DecodeFailure(own.Headers)
	f := &d.Failure
	f.Origin, f.Redrives, f.Hops = own.ID(), carried.Redrives, carried.Redrives+1
	f.Attempts = min(carried.Attempts+f.Deliveries, maxAttempts)
	f.FirstFailure, f.Timestamp = carried.FirstFailure, carried.Timestamp
	if f.Timestamp.IsZero() {
		f.Timestamp = own.Timestamp
	}
	d.Record = Record{
		Topic: f.Origin.Topic, Partition: f.Origin.Partition, Offset: f.Origin.Offset, LeaderEpoch: -1,
		Key: own.Key, Value: own.Value, Headers: StripFailureHeaders(own.Headers), Timestamp: f.Timestamp,
	}
}

// read returns the record at a place, nil where there is none any more.
func (s *sourceReader) read(ctx context.Context, at ID) (*kgo.Record, error) {
	span, ok, err := s.span(ctx, at)
	if !ok || err != nil {
		return nil, err
	}
	in := s.readers[at.Partition]
	if in == nil || in.next > at.Offset || len(in.buffered) == 0 || in.buffered[len(in.buffered)-1].Offset < at.Offset {
		in = newPartitionReader(s.client, at.Topic, offsetRange{at.Partition, at.Offset, span.end})
		s.readers[at.Partition] = in
	}
	records, err := in.peek(ctx, fetchBytes) // All of one fetch.
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		if r.Offset >= at.Offset {
			in.advance(i)
			if r.Offset == at.Offset {
				return r, nil
			}
			break
		}
	}
	return nil, nil
}

// span is what the partition holds.
func (s *sourceReader) span(ctx context.Context, at ID) (offsetRange, bool, error) {
	if !s.known {
		ranges, err := listRanges(ctx, kadm.NewClient(s.client), s.topic)
		if err != nil && errors.CodeOf(err) != errors.FailedPrecondition {
			return offsetRange{}, false, err
		}
		s.ranges, s.known = ranges, true
	}
	for _, r := range s.ranges {
		if r.partition == at.Partition {
			return r, at.Offset >= r.start && at.Offset < r.end, nil
		}
	}
	return offsetRange{}, false, nil
}
