package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/backend-platform/sdk/kafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// evidence is everything that is known after a run.
type evidence struct {
	topic string
	// records are what the topic holds, by place: the truth about what was
	// written, whatever the producer believes.
	records map[place]item
	// acked are what the producer was told is written, uncertain how often it
	// published a record that may have been written before.
	acked     map[place]item
	uncertain map[item]int
	// handled are the successes of all processes.
	handled []handling
	// dead are the origins of the dead letters, one for each that is there.
	dead []deadLetter
	// committed and end are offsets by partition.
	committed, end map[int32]int64
}

type deadLetter struct {
	place
	item
	err error // why it cannot be read
}

// collect reads topic, dead letters, offsets and journals.
func collect(ctx context.Context, brokers []string, topic, group string, processes []*process, log *slog.Logger) (evidence, error) {
	ev := evidence{topic: topic, records: map[place]item{}}
	var err error
	if ev.committed, ev.end, err = progress(ctx, brokers, topic, group); err != nil {
		return ev, err
	}
	if err := ev.readTopic(ctx, brokers); err != nil {
		return ev, err
	}
	for dead, err := range kafka.Browse(ctx, brokers, topic, group, kafka.BrowseConfig{Logger: log}) {
		if err != nil {
			return ev, err
		}
		d := deadLetter{place: place{dead.Record.Partition, dead.Record.Offset}}
		d.item, d.err = parseItem(dead.Record.Key, dead.Record.Value)
		if id := dead.Record.ID(); !dead.Readable || id.Topic != topic {
			d.err = fmt.Errorf("no failure headers with its origin, but %v", id)
		}
		ev.dead = append(ev.dead, d)
	}
	for _, p := range processes {
		handled, err := readJournal(p.journal, p)
		if err != nil {
			return ev, err
		}
		ev.handled = append(ev.handled, handled...)
	}
	return ev, nil
}

// readTopic reads the whole topic with a plain client.
func (ev *evidence) readTopic(ctx context.Context, brokers []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(ev.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer client.Close()
	next := map[int32]int64{}
	for !reached(next, ev.end) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read topic %s: %w", ev.topic, err)
		}
		for r := range fetches.RecordsAll() {
			it, err := parseItem(r.Key, r.Value)
			if err != nil {
				return fmt.Errorf("read topic %s: partition %d, offset %d: %w", ev.topic, r.Partition, r.Offset, err)
			}
			ev.records[place{r.Partition, r.Offset}] = it
			next[r.Partition] = r.Offset + 1
		}
	}
	return nil
}

func reached(next, end map[int32]int64) bool {
	for partition, offset := range end {
		if next[partition] < offset {
			return false
		}
	}
	return true
}

// progress returns the committed offsets and the ends of the partitions.
func progress(ctx context.Context, brokers []string, topic, group string) (committed, end map[int32]int64, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list the end offsets of topic %s: %w", topic, err)
	}
	offsets, err := admin.FetchOffsets(ctx, group)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("fetch the offsets of group %s: %w", group, err)
	}
	committed, end = map[int32]int64{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		end[o.Partition] = o.Offset
		if at, ok := offsets.Lookup(topic, o.Partition); ok {
			committed[o.Partition] = at.At
		}
	})
	return committed, end, nil
}
