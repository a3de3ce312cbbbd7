package kafkatest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/kafka"
)

// Produce writes the records in their order and returns them as the broker has
// them, with partition, offset and timestamp. A record with a key goes to its
// key's partition, as any Kafka client would send it; one without goes to its
// Partition, 0 unless set, so that tests repeat. It ends the test when one
// cannot be written.
func (b *Broker) Produce(t TB, records ...kafka.Record) []kafka.Record {
	t.Helper()
	ctx, cancel := b.context(t)
	defer cancel()
	written, err := b.produce(ctx, records)
	if err != nil {
		t.Fatalf("kafkatest: produce %d records: %v", len(records), err)
	}
	return written
}

func (b *Broker) produce(ctx context.Context, records []kafka.Record) ([]kafka.Record, error) {
	client, err := b.client(ctx, kgo.RecordPartitioner(keyedOrFixed()), kgo.UnknownTopicRetries(1))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	out := make([]*kgo.Record, len(records))
	for i := range records {
		out[i] = toClient(&records[i])
	}
	if err := client.ProduceSync(ctx, out...).FirstErr(); err != nil {
		return nil, fmt.Errorf("%w%s", err, b.downNote())
	}
	written := make([]kafka.Record, len(out))
	for i, r := range out {
		written[i] = fromClient(r)
	}
	return written, nil
}

// Records returns all records that are in the topic now: by partition, and in
// a partition by offset. It ends the test when the topic does not exist.
func (b *Broker) Records(t TB, topic string) []kafka.Record {
	t.Helper()
	ctx, cancel := b.context(t)
	defer cancel()
	records, err := b.records(ctx, topic)
	if err != nil {
		t.Fatalf("kafkatest: read topic %q: %v", topic, err)
	}
	return records
}

// WaitRecords waits until the topic holds at least n records and returns all
// that it then holds, as [Broker.Records] does. The topic need not exist yet.
func (b *Broker) WaitRecords(t TB, topic string, n int) []kafka.Record {
	t.Helper()
	b.waitHeld(t, topic, n)
	return b.Records(t, topic)
}

func (b *Broker) waitHeld(t TB, topic string, n int) {
	t.Helper()
	ctx, cancel := b.context(t)
	defer cancel()
	var held int64
	err := b.poll(ctx, func() (bool, error) {
		held = 0
		parts, _ := b.partitions(topic)
		for _, p := range parts {
			held += p.End - p.Start
		}
		return held >= int64(n), nil
	})
	if err != nil {
		t.Fatalf("kafkatest: wait for %d records in topic %q: it holds %d%s: %v", n, topic, held, b.missingNote(topic), err)
	}
}

func (b *Broker) records(ctx context.Context, topic string) ([]kafka.Record, error) {
	parts, err := b.partitions(topic)
	if err != nil {
		return nil, err
	}
	unread := make(map[int32]int64, len(parts))
	from := make(map[int32]kgo.Offset, len(parts))
	for _, p := range parts {
		if p.End > p.Start {
			unread[p.Partition] = p.End
			from[p.Partition] = kgo.NewOffset().At(p.Start)
		}
	}
	if len(unread) == 0 {
		return nil, nil
	}
	// Control records are kept because the last offset may be a transaction's
	// marker, and reading would otherwise wait for a record after it.
	client, err := b.client(ctx, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var records []kafka.Record
	for len(unread) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("%w%s", err, b.downNote())
		}
		for r := range fetches.RecordsAll() {
			end, ok := unread[r.Partition]
			if !ok || r.Offset >= end {
				continue
			}
			if !r.Attrs.IsControl() {
				records = append(records, fromClient(r))
			}
			if r.Offset == end-1 {
				delete(unread, r.Partition)
			}
		}
	}
	slices.SortFunc(records, func(a, b kafka.Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return records, nil
}

// DeadLetters returns the dead letters of a group in a topic that are there
// now: by partition, and in a partition in the order in which they were written.
// It ends the test when there is no dead-letter topic; a consumer of the group
// creates it when it starts.
func (b *Broker) DeadLetters(t TB, topic, group string) []kafka.DeadLetter {
	t.Helper()
	ctx, cancel := b.context(t)
	defer cancel()
	all, err := b.deadLetters(ctx, topic, group)
	if err != nil {
		t.Fatalf("kafkatest: %v%s", err, b.downNote())
	}
	return all
}

// WaitDeadLetters waits until a group has at least n dead letters in a topic and
// returns all that there then are. The dead-letter topic need not exist yet.
func (b *Broker) WaitDeadLetters(t TB, topic, group string, n int) []kafka.DeadLetter {
	t.Helper()
	b.waitHeld(t, kafka.DeadLetterTopic(topic, group), n)
	return b.DeadLetters(t, topic, group)
}

func (b *Broker) deadLetters(ctx context.Context, topic, group string) ([]kafka.DeadLetter, error) {
	if err := b.ask(func() error { return nil }); err != nil {
		return nil, err
	}
	var all []kafka.DeadLetter
	cfg := kafka.BrowseConfig{Connection: kafka.Connection{ClientID: clientID, Dial: b.Dial}}
	for d, err := range kafka.Browse(ctx, b.Addrs(), topic, group, cfg) {
		if err != nil {
			return nil, err
		}
		all = append(all, *d)
	}
	return all, nil
}

const (
	clientID = "kafkatest"
	// metadataMinAge is how soon a client tries again after a fault that may
	// have moved a partition. kgo's default is 5 s.
	metadataMinAge = 100 * time.Millisecond
)

func (b *Broker) client(ctx context.Context, opts ...kgo.Opt) (*kgo.Client, error) {
	if err := b.ask(func() error { return nil }); err != nil {
		return nil, err
	}
	opts = append(opts, kgo.WithContext(ctx), kgo.ClientID(clientID), kgo.MetadataMinAge(metadataMinAge))
	return kgo.NewClient(append(b.ClientOptions(), opts...)...)
}

func keyedOrFixed() kgo.Partitioner {
	keyed := kgo.StickyKeyPartitioner(nil)
	return kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
		byKey := keyed.ForTopic(topic)
		return func(r *kgo.Record, n int) int {
			if r.Key != nil {
				return byKey.Partition(r, n)
			}
			return int(r.Partition)
		}
	})
}

func toClient(r *kafka.Record) *kgo.Record {
	out := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return out
}

func fromClient(r *kgo.Record) kafka.Record {
	out := kafka.Record{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
		Key: r.Key, Value: r.Value, Timestamp: r.Timestamp,
	}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return out
}
