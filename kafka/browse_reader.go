package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/backend-platform/sdk/errors"
)

// A topic is read with fetch requests of our own. A kgo consumer reports
// records only, and cannot say that it has passed the end when nothing comes
// after: compaction and transactions leave offsets that hold no record.

const (
	fetchBytes    = 4 << 20
	fetchWait     = 500 * time.Millisecond
	fetchTries    = 10 // With the waits below about 12 s: longer than a leader's election.
	fetchTryFirst = 50 * time.Millisecond
	fetchTryLast  = 2 * time.Second
)

// offsetRange is what there is to read of a partition, from offset start to end.
type offsetRange struct {
	partition  int32
	start, end int64
}

// listRanges returns what is committed in the topic now, by partition.
func listRanges(ctx context.Context, admin *kadm.Client, topic string) ([]offsetRange, error) {
	detail, err := describeTopic(ctx, admin, topic)
	if err != nil {
		return nil, err
	}
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list start offsets of topic %q: %w", topic, coded(err))
	}
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list end offsets of topic %q: %w", topic, coded(err))
	}
	var ranges []offsetRange
	for _, p := range detail.Partitions.Sorted() {
		start, okStart := starts.Lookup(topic, p.Partition)
		end, okEnd := ends.Lookup(topic, p.Partition)
		if !okStart || !okEnd {
			return nil, fmt.Errorf("list offsets of topic %q: no answer for partition %d", topic, p.Partition)
		}
		ranges = append(ranges, offsetRange{p.Partition, start.Offset, end.Offset})
	}
	return ranges, nil
}

// partitionReader reads one partition of a topic from next to end, in order. It is not
// safe for concurrent use.
type partitionReader struct {
	client *kgo.Client
	admin  *kadm.Client
	topic  string
	span   offsetRange

	next     int64 // Everything below it was taken, or holds no record.
	fetched  int64 // Offset after the last one that was fetched.
	buffered []*kgo.Record
	id       kadm.TopicID
	leader   int32
	known    bool // id and leader are.
	decomp   kgo.Decompressor
}

func newPartitionReader(client *kgo.Client, topic string, s offsetRange) *partitionReader {
	return &partitionReader{
		client: client, admin: kadm.NewClient(client), topic: topic, span: s,
		next: s.start, fetched: s.start, decomp: kgo.DefaultDecompressor(),
	}
}

// peek returns up to n records without moving on, none at the end.
func (r *partitionReader) peek(ctx context.Context, n int) ([]*kgo.Record, error) {
	for len(r.buffered) == 0 && r.fetched < r.span.end {
		if err := r.fetch(ctx); err != nil {
			return nil, fmt.Errorf("read topic %q, partition %d, from offset %d: %w", r.topic, r.span.partition, r.fetched, coded(err))
		}
	}
	r.settle()
	return r.buffered[:min(n, len(r.buffered))], nil
}

// advance moves on by n of the records that peek returned.
func (r *partitionReader) advance(n int) {
	if n == 0 {
		return
	}
	r.next = r.buffered[n-1].Offset + 1
	r.buffered = r.buffered[n:]
	r.settle()
}

// settle moves next over what holds no record.
func (r *partitionReader) settle() {
	if len(r.buffered) == 0 {
		r.next = max(r.next, min(r.fetched, r.span.end))
	}
}

// fetch fills the buffer, or moves on past offsets without records.
func (r *partitionReader) fetch(ctx context.Context) error {
	var last error
	wait := fetchTryFirst
	for range fetchTries {
		moved, err := r.fetchOnce(ctx)
		if moved {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !mayPass(err) {
			return err
		}
		last = err
		r.known = false
		if err := sleepContext(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, fetchTryLast)
	}
	if last == nil {
		return errors.Unavailable.Newf("The broker answered %d times without a record or an error.", fetchTries)
	}
	last = fmt.Errorf("after %d tries: %w", fetchTries, last)
	if isKafkaError(last) {
		return last
	}
	return errors.Unavailable.Wrap(last, "") // No connection, or none that holds.
}

// mayPass says whether another try may end better. A partition that moved is
// unknown to the broker that had it, for a while.
func mayPass(err error) bool {
	if kerr.IsRetriable(err) {
		return true
	}
	code := errors.CodeOf(coded(err))
	return code == errors.Unknown || code == errors.Unavailable
}

func isKafkaError(err error) bool {
	_, ok := errors.AsType[*kerr.Error](err)
	return ok
}

func (r *partitionReader) fetchOnce(ctx context.Context) (moved bool, err error) {
	if err := r.locate(ctx); err != nil {
		return false, err
	}
	resp, err := r.client.Broker(int(r.leader)).RetriableRequest(ctx, r.request())
	if err != nil {
		return false, err
	}
	fetch := resp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(fetch.ErrorCode); err != nil {
		return false, err
	}
	if len(fetch.Topics) != 1 || len(fetch.Topics[0].Partitions) != 1 {
		return false, nil
	}
	before := r.fetched
	part, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: r.fetched, IsolationLevel: kgo.ReadCommitted(), Topic: r.topic, Partition: r.span.partition,
	}, &fetch.Topics[0].Partitions[0], r.decomp, nil)
	if errors.Is(part.Err, kerr.OffsetOutOfRange) {
		return r.skipDeleted(ctx)
	}
	if part.Err != nil { // What is readable before the fault is read first.
		next = r.fetched
		if n := len(part.Records); n > 0 {
			next = part.Records[n-1].Offset + 1
		}
	}
	r.fetched = next
	for _, record := range part.Records {
		if record.Offset >= r.span.start && record.Offset < r.span.end {
			r.buffered = append(r.buffered, record)
		}
	}
	err = part.Err
	if err != nil && !isKafkaError(err) {
		err = errors.DataLoss.Wrap(err, "")
	}
	return next > before, err
}

// skipDeleted goes on where the partition now starts: retention may delete
// records while they are being read.
func (r *partitionReader) skipDeleted(ctx context.Context) (moved bool, err error) {
	starts, err := r.admin.ListStartOffsets(ctx, r.topic)
	if err != nil {
		return false, err
	}
	start, _ := starts.Lookup(r.topic, r.span.partition)
	if start.Err != nil {
		return false, start.Err
	}
	if start.Offset <= r.fetched {
		return false, kerr.OffsetOutOfRange
	}
	r.fetched = start.Offset
	return true, nil
}

// locate finds the partition's leader.
func (r *partitionReader) locate(ctx context.Context) error {
	if r.known {
		return nil
	}
	detail, err := describeTopic(ctx, r.admin, r.topic)
	if err != nil {
		return err
	}
	p, ok := detail.Partitions[r.span.partition]
	if !ok {
		return kerr.UnknownTopicOrPartition
	}
	if p.Err != nil {
		return p.Err
	}
	r.id, r.leader, r.known = detail.ID, p.Leader, true
	return nil
}

func (r *partitionReader) request() *kmsg.FetchRequest {
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition = r.span.partition
	part.FetchOffset = r.fetched
	part.PartitionMaxBytes = fetchBytes
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = r.topic
	topic.TopicID = r.id
	topic.Partitions = append(topic.Partitions, part)
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(fetchWait / time.Millisecond)
	req.MinBytes = 1
	req.MaxBytes = fetchBytes
	req.IsolationLevel = 1 // read_committed
	req.SessionEpoch = -1  // Without a session.
	req.Topics = append(req.Topics, topic)
	return req
}

// sleepContext waits, or returns the cause for which the context ended.
func sleepContext(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
