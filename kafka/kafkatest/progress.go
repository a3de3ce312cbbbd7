package kafkatest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Progress is how far a group is in a topic.
type Progress struct {
	Topic, Group string
	// State is the group's: Stable, PreparingRebalance, CompletingRebalance,
	// Empty, Dead; or no group, where nobody has joined or committed.
	State string
	// Members is the number of consumers in the group.
	Members int
	// Partitions are the topic's, in order.
	Partitions []Partition
}

// Partition is how far a group is in one partition.
type Partition struct {
	Partition int32
	// Start is the offset of the first record that still is in the partition,
	// End the one after the last.
	Start, End int64
	// Committed is the offset after the last record that the group is done
	// with, -1 where it has not committed.
	Committed int64
}

// Lag is the number of offsets from what is committed to the end.
func (p Partition) Lag() int64 { return p.End - max(p.Committed, p.Start) }

// Lag is the sum of the partitions' lags.
func (p Progress) Lag() int64 {
	var lag int64
	for _, part := range p.Partitions {
		lag += part.Lag()
	}
	return lag
}

// String says in one line how far the group is, with the partitions that lag.
func (p Progress) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "group %q (%s, %d members) lags %d in topic %q", p.Group, p.State, p.Members, p.Lag(), p.Topic)
	shown, more := 0, 0
	for _, part := range p.Partitions {
		if part.Lag() == 0 {
			continue
		}
		if shown == 8 {
			more++
			continue
		}
		shown++
		committed := "nothing committed"
		if part.Committed >= 0 {
			committed = fmt.Sprintf("committed %d", part.Committed)
		}
		fmt.Fprintf(&s, "; partition %d: %s, end %d", part.Partition, committed, part.End)
	}
	if more > 0 {
		fmt.Fprintf(&s, "; and %d more partitions", more)
	}
	return s.String()
}

// Progress says how far a group is in a topic. It does not disturb the group.
// The only errors are a topic that does not exist and a closed broker.
func (b *Broker) Progress(topic, group string) (Progress, error) {
	p := Progress{Topic: topic, Group: group, State: "no group"}
	parts, err := b.partitions(topic)
	if err != nil {
		return p, err
	}
	p.Partitions = parts
	err = b.ask(func() error {
		info := b.cluster.GroupInfo(group)
		if info == nil {
			return nil
		}
		p.State, p.Members = info.State, len(info.Members)
		for i := range p.Partitions {
			if commit, ok := info.Commits[topic][p.Partitions[i].Partition]; ok {
				p.Partitions[i].Committed = commit.Offset
			}
		}
		return nil
	})
	return p, err
}

// WaitCaughtUp waits until the group has committed everything that is in the
// topic: lag 0 in every partition.
func (b *Broker) WaitCaughtUp(t TB, topic, group string) {
	t.Helper()
	b.waitProgress(t, topic, group, "catch up", func(p Progress) bool { return p.Lag() == 0 })
}

// WaitCommitted waits until the group has committed at least the offset in the
// partition: offset n means that the records before n are done.
func (b *Broker) WaitCommitted(t TB, topic, group string, partition int32, offset int64) {
	t.Helper()
	what := fmt.Sprintf("commit offset %d of partition %d", offset, partition)
	b.waitProgress(t, topic, group, what, func(p Progress) bool {
		return int(partition) < len(p.Partitions) && p.Partitions[partition].Committed >= offset
	})
}

func (b *Broker) waitProgress(t TB, topic, group, what string, done func(Progress) bool) {
	t.Helper()
	ctx, cancel := b.context(t)
	defer cancel()
	var p Progress
	err := b.poll(ctx, func() (bool, error) {
		var err error
		p, err = b.Progress(topic, group)
		if err != nil {
			return false, fmt.Errorf("%w (it has to exist before its progress can be waited for)", err)
		}
		return done(p), nil
	})
	if err != nil {
		t.Fatalf("kafkatest: wait for group %q to %s: %s%s: %v", group, what, p, b.downNote(), err)
	}
}

// WaitMembers waits until the group has n members and no rebalance is going on.
func (b *Broker) WaitMembers(t TB, group string, n int) {
	t.Helper()
	ctx, cancel := b.context(t)
	defer cancel()
	state, members := "no group", 0
	err := b.poll(ctx, func() (bool, error) {
		var info *kfake.GroupInfo
		if err := b.ask(func() error { info = b.cluster.GroupInfo(group); return nil }); err != nil {
			return false, err
		}
		state, members = "no group", 0
		if info != nil {
			state, members = info.State, len(info.Members)
		}
		return members == n && (state == "Stable" || n == 0), nil
	})
	if err != nil {
		t.Fatalf("kafkatest: wait for %d members in group %q: it has %d (%s)%s: %v", n, group, members, state, b.downNote(), err)
	}
}

// partitions returns the topic's partitions without a group's commits.
func (b *Broker) partitions(topic string) ([]Partition, error) {
	var parts []Partition
	err := b.ask(func() error {
		infos := b.cluster.PartitionInfos(topic)
		if len(infos) == 0 {
			return fmt.Errorf("topic %q does not exist", topic)
		}
		for _, i := range infos {
			parts = append(parts, Partition{Partition: i.Partition, Start: i.LogStartOffset, End: i.HighWatermark, Committed: -1})
		}
		return nil
	})
	return parts, err
}

// poll asks until the answer is yes. The longer it has waited, the longer it
// waits: a test of milliseconds learns it within one, hours in a bubble do not
// ask a hundred thousand times.
func (b *Broker) poll(ctx context.Context, done func() (bool, error)) error {
	start := time.Now()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-b.closed:
			return errClosed
		case <-time.After(min(max(time.Since(start)/50, time.Millisecond), time.Second)):
		}
	}
}

func (b *Broker) downNote() string {
	if b.net.downNow() {
		return " (the broker is down)"
	}
	return ""
}

func (b *Broker) missingNote(topic string) string {
	if _, err := b.partitions(topic); err != nil {
		return " (" + err.Error() + ")"
	}
	return ""
}
