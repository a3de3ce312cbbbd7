package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// startOptions say where consuming begins. Where retention has overtaken a
// group it goes on with what is left, whatever a new group begins with.
func (c *Consumer) startOptions() []kgo.Opt {
	opts := []kgo.Opt{kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AdjustFetchOffsetsFn(c.begin)}
	if c.cfg.StartAtEnd {
		opts = append(opts, kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd()))
	}
	return opts
}

// begin takes the offsets at which partitions begin.
func (c *Consumer) begin(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	if c.cfg.StartAtEnd {
		var err error
		if offsets, err = c.beginAtEnd(ctx, offsets); err != nil {
			return nil, err
		}
	}
	s := c.sched
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, partitions := range offsets {
		for p, o := range partitions {
			if part := s.parts[topicPartition{topic, p}]; part != nil {
				part.next = o.EpochOffset().Offset
			}
		}
	}
	return offsets, nil
}

// beginAtEnd commits the end of the partitions in which the group has not
// committed anything. Without that a group that has handled nothing yet begins
// at the end again after the next rebalance or restart, and what was written
// meanwhile is skipped. A partition that was added since this consumer started
// begins at its first record: it may have had records before anybody knew of it.
func (c *Consumer) beginAtEnd(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	atEnd := kgo.NewOffset().AtEnd().EpochOffset().Offset
	fresh := map[string]map[int32]kgo.EpochOffset{}
	for topic, partitions := range offsets {
		for p, o := range partitions {
			if o.EpochOffset().Offset != atEnd {
				continue
			}
			if fresh[topic] == nil {
				fresh[topic] = map[int32]kgo.EpochOffset{}
			}
			fresh[topic][p] = kgo.EpochOffset{}
		}
	}
	if len(fresh) == 0 {
		return offsets, nil
	}
	select {
	case <-c.member: // The client may join before we hold it.
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	client := c.client.Load()
	if client == nil {
		return nil, kgo.ErrClientClosed
	}
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, slices.Collect(maps.Keys(fresh))...)
	if err != nil {
		return nil, fmt.Errorf("list end offsets: %w", err)
	}
	for topic, partitions := range fresh {
		for p := range partitions {
			if p >= c.partitions[topic] {
				partitions[p] = kgo.EpochOffset{Epoch: -1}
				offsets[topic][p] = kgo.NewOffset().At(0)
				continue
			}
			end, ok := ends.Lookup(topic, p)
			if !ok {
				return nil, fmt.Errorf("list end offset of %s/%d: no answer", topic, p)
			}
			if end.Err != nil {
				return nil, fmt.Errorf("list end offset of %s/%d: %w", topic, p, end.Err)
			}
			partitions[p] = kgo.EpochOffset{Epoch: -1, Offset: end.Offset}
			offsets[topic][p] = kgo.NewOffset().At(end.Offset)
		}
	}
	if err := c.commits.take(ctx); err != nil {
		return nil, err
	}
	defer c.commits.leave()
	refused, err := commitOffsets(ctx, client, fresh)
	if err != nil {
		return nil, err
	}
	return offsets, refusal(refused)
}
