package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitLoop commits at each interval, and earlier when much is to be committed.
func (c *Consumer) commitLoop() {
	tick := time.NewTicker(c.cfg.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.sched.kick:
		case <-c.stopping:
			return
		}
		ctx, cancel := c.bounded(commitTimeout, c.drainTimeout()+endGrace+stopCommit)
		if err := c.commit(ctx, nil, false); err != nil && c.state.Load() == stateRunning {
			c.errs.note("commit", "offsets could not be committed, will be tried again", errorAttr(err))
		}
		cancel()
	}
}

// commit commits the marks of the partitions, nil: of all, and with fence ends
// their assignments in the same breath. Marks are read and sent under one lock:
// a mark that was read before a revoke and sent after it would set the next
// owner back. Where the turn does not come in time, it fences all the same.
func (c *Consumer) commit(ctx context.Context, parts []*partition, fence bool) error {
	late := c.commits.take(ctx)
	if late == nil {
		defer c.commits.leave()
	}
	s := c.sched
	s.mu.Lock()
	if parts == nil {
		parts = slices.Collect(maps.Values(s.parts))
	}
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range parts {
		if offset, epoch, ok := p.tracker.uncommitted(); ok && !p.fenced {
			if offsets[p.topic] == nil {
				offsets[p.topic] = map[int32]kgo.EpochOffset{}
			}
			offsets[p.topic][p.partition] = kgo.EpochOffset{Epoch: epoch, Offset: offset}
		}
	}
	if fence {
		s.fenceLocked(parts)
	}
	s.mu.Unlock()
	client := c.client.Load()
	if len(offsets) == 0 || client == nil {
		return nil
	}
	if late != nil {
		return fmt.Errorf("commit offsets: an earlier commit is not answered: %w", late)
	}
	refused, err := commitOffsets(ctx, client, offsets)
	if err != nil {
		return err
	}
	c.committed(parts, offsets, refused)
	return refusal(refused)
}

// commitOffsets waits for the answer until ctx ends. The client does not always come
// back by then: after brokers that fell silent 74 s were seen. What is left with it
// cannot overtake a later commit, for it sends one after the other.
func commitOffsets(ctx context.Context, client *kgo.Client, offsets map[string]map[int32]kgo.EpochOffset) (map[topicPartition]error, error) {
	type answer struct {
		refused map[topicPartition]error
		err     error
	}
	answered := make(chan answer, 1)
	go func() {
		refused, err := commitSync(ctx, client, offsets)
		answered <- answer{refused, err}
	}()
	select {
	case a := <-answered:
		return a.refused, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("commit offsets: no answer: %w", ctx.Err())
	}
}

func commitSync(ctx context.Context, client *kgo.Client, offsets map[string]map[int32]kgo.EpochOffset) (refused map[topicPartition]error, err error) {
	refused = map[topicPartition]error{}
	client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, commitErr error) {
		if commitErr != nil {
			err = fmt.Errorf("commit offsets: %w", commitErr)
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if e := kerr.ErrorForCode(p.ErrorCode); e != nil {
					refused[topicPartition{t.Topic, p.Partition}] = e
				}
			}
		}
	})
	return refused, err
}

// committed notes what the broker has. A partition whose offsets it refuses, for
// its topic was deleted perhaps, stops being fetched where that is too many, and
// the others go on.
func (c *Consumer) committed(parts []*partition, offsets map[string]map[int32]kgo.EpochOffset, refused map[topicPartition]error) {
	s := c.sched
	fetch := false
	var gated []*partition
	s.mu.Lock()
	for _, p := range parts {
		at, sent := offsets[p.topic][p.partition]
		switch {
		case !sent:
		case refused[p.topicPartition] == nil:
			fetch = s.committedLocked(p, at.Offset) || fetch
		case p.gated:
			p.refused, fetch = true, true
			gated = append(gated, p)
		}
	}
	s.mu.Unlock()
	if fetch {
		c.applyFetching() // Before the gate opens, so that nothing of them comes through.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openLocked(gated)
	if s.roomLocked() > 0 {
		token(s.room)
	}
}

func refusal(refused map[topicPartition]error) error {
	var errs []error
	for tp, err := range refused {
		errs = append(errs, fmt.Errorf("commit offset of %s/%d: %w", tp.topic, tp.partition, err))
		if len(errs) == 10 {
			break
		}
	}
	return errors.Join(errs...)
}
