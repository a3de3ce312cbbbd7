package kafka

import (
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

// complete fills in the record of a share group's dead letter that has none.
func (s *sourceReader) complete(ctx context.Context, d *DeadLetter) error {
	r := &d.Record
	if d.Writer != WriterShareGroup || !d.Readable || r.Key != nil || r.Value != nil || len(r.Headers) > 0 {
		return nil
	}
	if d.Failure.Source.Topic != s.topic {
		d.Lost = true
		return nil
	}
	found, err := s.read(ctx, d.Failure.Source)
	if err != nil {
		return fmt.Errorf("read the record %v of dead letter %d/%d: %w", d.Failure.Source, d.Partition, d.Offset, err)
	}
	if found == nil {
		d.Lost = true
		return nil
	}
	own := recordOf(found)
	r.Key, r.Value, r.Headers, r.Timestamp = own.Key, own.Value, own.Headers, own.Timestamp
	d.Failure.Timestamp = own.Timestamp
	return nil
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
