package kafka

import (
	"context"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kgo"
)

var errRevoked = errors.New("kafka: the partition is given up")

// commitTimeout bounds a commit; with the longest drain it stays below the
// rebalance timeout.
const commitTimeout = 10 * time.Second

func (c *Consumer) onAssigned(_ context.Context, client *kgo.Client, assigned map[string][]int32) {
	tps := flatten(assigned)
	c.joined.Store(true)
	if len(tps) > 0 {
		c.polls.settle() // What the client says is lost it still hands out meanwhile.
	}
	c.pauseMu.Lock()
	defer c.pauseMu.Unlock()
	for _, tp := range tps {
		c.sched.assign(tp, describePartition(c.group, c.cfg.Connection.clientID(), tp))
		delete(c.fetching, tp)
	}
	if len(assigned) > 0 {
		client.ResumeFetchPartitions(assigned) // A pause outlives an assignment (franz-go#1272).
	}
}

func (c *Consumer) onRevoked(_ context.Context, _ *kgo.Client, revoked map[string][]int32) {
	c.giveUp(flatten(revoked), true)
}

// onLost is called when the group has removed the consumer: the partitions have
// other owners, who began where the last commit was.
func (c *Consumer) onLost(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	c.giveUp(flatten(lost), false)
}

// giveUp gives partitions up: nothing more of them is handed out, handlers may
// finish within the drain timeout, then their contexts end, what is done is
// committed, and from then on nothing counts. Without ours there is neither
// draining nor a commit.
func (c *Consumer) giveUp(tps []topicPartition, ours bool) {
	if len(tps) == 0 {
		return
	}
	_ = c.revokes.take(context.Background()) // Whoever has it is bounded.
	// The poll may wait for the turn, to read what it has cut off.
	defer c.polls.cut()
	defer c.revokes.leave()
	c.polls.settle()
	s, drain := c.sched, c.drainTimeout()
	s.mu.Lock()
	lost := s.revokeLocked(tps)
	s.mu.Unlock()
	c.polls.cut() // What yielded to them in the intake goes on.
	if len(lost) == 0 {
		return
	}
	if !ours || !c.drain(lost) {
		s.mu.Lock()
		c.endLocked(lost)
		s.mu.Unlock()
		grace, cancel := c.bounded(endGrace, drain+endGrace)
		awaitIdle(grace, s, lost)
		cancel()
	}
	if ours {
		// A member that was removed without knowing it is told "revoked" as well
		// (franz-go#518). Then the commit is refused, and that is all.
		ctx, cancel := c.bounded(commitTimeout, drain+endGrace+stopCommit)
		if err := c.commit(ctx, lost, true); err != nil {
			c.log.Warn("offsets could not be committed when partitions were revoked; what was done since the last commit is handled again", errorAttr(err))
		}
		cancel()
		return
	}
	s.mu.Lock()
	s.fenceLocked(lost)
	s.mu.Unlock()
}

// drain waits for the handlers at work, within the drain timeout.
func (c *Consumer) drain(lost []*partition) bool {
	ctx, cancel := c.bounded(c.drainTimeout(), c.drainTimeout())
	defer cancel()
	return awaitIdle(ctx, c.sched, lost)
}

func (c *Consumer) drainTimeout() time.Duration { return max(c.cfg.DrainTimeout, 0) }

// assigned returns the partitions that the consumer has.
func (c *Consumer) assigned() []topicPartition {
	c.sched.mu.Lock()
	defer c.sched.mu.Unlock()
	tps := make([]topicPartition, 0, len(c.sched.parts))
	for tp := range c.sched.parts {
		tps = append(tps, tp)
	}
	return tps
}

// applyFetching pauses and resumes the fetching of partitions as the scheduler
// wants it.
func (c *Consumer) applyFetching() {
	client := c.client.Load()
	if client == nil {
		return
	}
	c.pauseMu.Lock()
	defer c.pauseMu.Unlock()
	pause, resume := map[string][]int32{}, map[string][]int32{}
	c.sched.mu.Lock()
	for tp, p := range c.sched.parts {
		stop := p.fetchPaused()
		if stop == c.fetching[tp] {
			continue
		}
		c.fetching[tp] = stop
		if stop {
			pause[tp.topic] = append(pause[tp.topic], tp.partition)
		} else {
			resume[tp.topic] = append(resume[tp.topic], tp.partition)
		}
	}
	c.sched.mu.Unlock()
	if len(pause) > 0 {
		client.PauseFetchPartitions(pause)
	}
	if len(resume) > 0 {
		client.ResumeFetchPartitions(resume)
	}
	// Records of partitions that go on may be in the intake, also of those that
	// were stopped for less time than it took to come here.
	c.polls.cut()
}

func flatten(m map[string][]int32) []topicPartition {
	var tps []topicPartition
	for topic, partitions := range m {
		for _, p := range partitions {
			tps = append(tps, topicPartition{topic, p})
		}
	}
	return tps
}
