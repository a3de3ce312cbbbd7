package kafka_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Promise 4: members come and go under load, while records are handled, retried
// and rejected; nothing is lost and order holds.
func TestPromiseRebalancesAreClean(t *testing.T) {
	promiseInRealTime(t, func(t *testing.T, c *cluster) {
		const n, keys = 6000, 60
		topic, l := c.topic("orders", 6), newLedger(t)
		c.fill(topic, 6, keys, n)
		handler := func(ctx context.Context, r *kafka.Record) error {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			return l.handle(r, func(n, try int) error {
				switch {
				case n%500 == 7:
					return errors.InvalidArgument.New("poison")
				case n%11 == 0 && try == 1:
					return errors.Unavailable.New("not now")
				}
				return nil
			})
		}
		members := []*running{c.run(topic, handler, brisk(c.config()))}
		for _, at := range []int{n / 10, n / 5} {
			c.eventually("progress", func() bool { return l.handled() > at })
			members = append(members, c.run(topic, handler, brisk(c.config())))
		}
		c.eventually("progress", func() bool { return l.handled() > n/3 })
		members[0].stop(t)
		c.eventually("progress", func() bool { return l.handled() > n/2 })
		members[1].stop(t)
		c.waitCaughtUp(topic)
		ids := map[kafka.ID]bool{}
		for _, d := range c.deadLetters(topic) {
			ids[d.Record.ID()] = true
		}
		if l.handled() != n-n/500 || len(ids) != n/500 {
			t.Errorf("%d records handled, %d dead letters, want %d and %d", l.handled(), len(ids), n-n/500, n/500)
		}
	})
}

// Promise 4: a stop lets handlers finish, commits what they did, and leaves the
// group at once.
func TestPromiseAStopFinishesWhatIsInFlight(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		started := make(chan struct{})
		var finished atomic.Bool
		member := c.run(topic, func(ctx context.Context, _ *kafka.Record) error {
			close(started)
			select {
			case <-time.After(2 * time.Second):
				finished.Store(true)
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, c.config())
		c.produce(kafka.Record{Topic: topic})
		<-started
		member.stop(t)
		if at := c.committed(topic, 0); !finished.Load() || at != 1 {
			t.Errorf("finished: %v, committed %d", finished.Load(), at)
		}
		if left := len(c.members()); left != 0 {
			t.Errorf("%d members", left)
		}
	})
}

// Pitfall: a late mark after a revoke set the new owner back from 100 to 6, without
// an error. The old owner is still a member, so that the broker takes its commits.
func TestPromiseALateCompletionDoesNotRewindTheNewOwner(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 2)
		release := make(chan struct{})
		free := sync.OnceFunc(func() { close(release) })
		defer free()
		var stuck atomic.Int64
		cfg := c.config()
		cfg.DrainTimeout = 500 * time.Millisecond
		old := c.run(topic, func(_ context.Context, r *kafka.Record) error {
			if string(r.Key) == "k0" || string(r.Key) == "k1" {
				stuck.Add(1)
				<-release // ignores its context
			}
			return nil
		}, cfg)
		c.fill(topic, 2, 200, 200) // The first of each partition is stuck.
		c.eventually("the others to be handled", func() bool { return stuck.Load() == 2 && old.Status().Handled == 198 })
		young := c.run(topic, nothing, c.config())
		c.eventually("one partition each", func() bool { return old.Status().Partitions == 1 && young.Status().Partitions == 1 })
		moved := int32(0)
		c.eventually("the new owner to have caught up", func() bool {
			for ; moved < 2; moved++ {
				if c.committed(topic, moved) == 100 {
					return true
				}
			}
			moved = 0
			return false
		})
		c.fill(topic, 2, 200, 200)
		c.waitCommitted(topic, moved, 200)
		free()
		c.eventually("the old owner to commit what is still its own", func() bool { return c.committed(topic, 1-moved) == 200 })
		c.calm(time.Minute)
		if at := c.committed(topic, moved); at != 200 {
			t.Errorf("the new owner was set back from 200 to %d", at)
		}
	})
}

// Pitfall: a handler slower than the rebalance timeout: the member is removed, all
// is handled again, for hours. Here the partition that moves drains to its budget,
// the one that stays is left alone, and the member stays one.
func TestPromiseSlowHandlersDoNotHoldUpARebalance(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 2)
		release := make(chan struct{})
		var begun, ended, done [2]atomic.Int64
		slow := func(ctx context.Context, r *kafka.Record) error {
			begun[r.Partition].Add(1)
			select {
			case <-release:
				done[r.Partition].Add(1)
				return nil
			case <-ctx.Done():
				ended[r.Partition].Add(1)
				return ctx.Err()
			}
		}
		cfg := c.config()
		cfg.HandlerTimeout, cfg.DrainTimeout = -1, time.Second
		cfg.Connection.Options = []kgo.Opt{kgo.RebalanceTimeout(6 * time.Second)}
		first := c.run(topic, slow, cfg)
		c.fill(topic, 2, 10, 10)
		c.eventually("all to be begun", func() bool { return begun[0].Load() == 5 && begun[1].Load() == 5 })
		id, _ := first.Client().GroupMetadata()
		second := c.run(topic, slow, cfg)
		c.eventually("one partition each", func() bool { return first.Status().Partitions == 1 && second.Status().Partitions == 1 })
		c.eventually("the moved partition's records", func() bool { return begun[0].Load()+begun[1].Load() == 15 })
		c.calm(10 * time.Minute)
		if now, _ := first.Client().GroupMetadata(); now != id {
			t.Errorf("member %s was removed and is %s now", id, now)
		}
		close(release)
		c.waitCaughtUp(topic)
		for p := range 2 {
			if done[p].Load() != 5 || ended[p].Load() != 0 && ended[p].Load() != 5 {
				t.Errorf("partition %d: %d done, %d cut off", p, done[p].Load(), ended[p].Load())
			}
		}
		if ended[0].Load()+ended[1].Load() != 5 {
			t.Error("not one partition moved")
		}
	})
}

// Pitfall: a member that the group has removed is told "revoked" and not "lost". Its
// commits are refused, it comes back, and all is handled.
func TestPromiseAKickedMemberComesBack(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic, l := c.topic("orders", 2), newLedger(t)
		var slow atomic.Bool
		slow.Store(true)
		c.run(topic, func(ctx context.Context, r *kafka.Record) error {
			if slow.Load() && r.Offset >= 20 {
				select {
				case <-time.After(5 * time.Second):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return l.handle(r, nil)
		}, c.config())
		c.fill(topic, 2, 100, 100)
		c.eventually("the first ones", func() bool { return l.handled() >= 40 })
		c.kick()
		slow.Store(false)
		c.waitCaughtUp(topic)
		if l.handled() != 100 {
			t.Errorf("handled %d records, want 100", l.handled())
		}
		c.waitMembers(1)
	})
}

// Pitfall: a pause of fetching that outlived the assignment left 10 records unread
// for ever.
func TestPromiseAPauseEndsWithTheAssignment(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		var stuck atomic.Bool
		stuck.Store(true)
		cfg := quickly(c.config(), -1)
		cfg.RetryFor, cfg.MaxInFlight, cfg.MaxAhead = -1, 20, 40
		l := newLedger(t)
		member := c.run(topic, func(_ context.Context, r *kafka.Record) error {
			return l.handle(r, func(n, _ int) error {
				if n == 0 && stuck.Load() {
					return errors.Aborted.New("")
				}
				return nil
			})
		}, cfg)
		c.fill(topic, 1, 200, 200)
		c.eventually("a pause", func() bool { return paused(member, topic) })
		id, _ := member.Client().GroupMetadata()
		c.kick()
		c.eventually("another assignment", func() bool {
			now, _ := member.Client().GroupMetadata()
			return now != "" && now != id && member.Status().Partitions == 1
		})
		before := l.attempts("0")
		c.eventually("its records", func() bool { return l.attempts("0") > before+1 })
		stuck.Store(false)
		c.waitCaughtUp(topic)
	})
}

// A member that restarts under its instance's name within the session timeout moves
// no partitions. (It may cost a generation: brokers compare what it says it owns.)
func TestPromiseAStaticMemberRestartMovesNoPartitions(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic, l := c.topic("orders", 4), newLedger(t)
		var mu sync.Mutex
		owners := map[int32]map[string]bool{}
		static := func(name string) *running {
			cfg := c.config()
			cfg.InstanceID = c.prefix + name
			return c.run(topic, func(_ context.Context, r *kafka.Record) error {
				mu.Lock()
				defer mu.Unlock()
				if owners[r.Partition] == nil {
					owners[r.Partition] = map[string]bool{}
				}
				owners[r.Partition][name] = true
				return l.handle(r, nil)
			}, cfg)
		}
		a := static("a")
		c.eventually("all partitions", func() bool { return a.Status().Partitions == 4 })
		b := static("b")
		c.eventually("two partitions each", func() bool { return a.Status().Partitions == 2 && b.Status().Partitions == 2 })
		for range 3 {
			c.fill(topic, 4, 100, 400)
			c.waitCaughtUp(topic)
			a.stop(t)
			c.fill(topic, 4, 100, 400)
			a = static("a")
			c.eventually("two partitions", func() bool { return a.Status().Partitions == 2 })
			c.waitCaughtUp(topic)
		}
		mu.Lock()
		defer mu.Unlock()
		for p, names := range owners {
			if len(names) != 1 {
				t.Errorf("partition %d was handled by %v", p, names)
			}
		}
	})
}

// A member that is cut off longer than its session lasts, and goes on afterwards
// as though nothing had been: what it completes late does not count, and it joins
// again.
func TestPromiseAMemberThatWasCutOffIsFenced(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		c.shortSessions()
		release := make(chan struct{})
		free := sync.OnceFunc(func() { close(release) })
		defer free()
		f := newFreezer(c.dial)
		cfg := c.config()
		cfg.Connection.Dial = f.Dial
		cfg.DrainTimeout = -1
		cfg.Connection.Options = []kgo.Opt{kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(time.Second)}
		var begun atomic.Int64
		old := c.run(topic, func(_ context.Context, r *kafka.Record) error {
			if r.Offset == 5 {
				begun.Add(1)
				<-release
			}
			return nil
		}, cfg)
		c.fill(topic, 1, 10, 10)
		c.eventually("the slow record", func() bool { return begun.Load() == 1 && old.Status().Handled == 9 })
		c.waitCommitted(topic, 0, 5)
		f.Freeze()
		young := c.run(topic, nothing, c.config())
		c.waitCommitted(topic, 0, 10)
		c.fill(topic, 1, 10, 10)
		c.waitCommitted(topic, 0, 20)
		free()
		f.Thaw()
		c.eventually("the old member to be back", func() bool { return len(c.members()) == 2 })
		c.calm(time.Minute)
		if at := c.committed(topic, 0); at != 20 {
			t.Errorf("set back from 20 to %d", at)
		}
		young.stop(t)
		c.fill(topic, 1, 10, 10)
		c.waitCommitted(topic, 0, 30)
		if st := old.Status(); st.Partitions != 1 {
			t.Errorf("status of the old member: %+v", st)
		}
	})
}

// Static or not, what one process leaves undone another one does: a rolling restart
// of three members, one after the other, under load.
func TestPromiseARollingRestartLosesNothing(t *testing.T) {
	promiseInRealTime(t, func(t *testing.T, c *cluster) {
		const n = 6000
		topic, l := c.topic("orders", 6), newLedger(t)
		handler := func(ctx context.Context, r *kafka.Record) error {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			return l.handle(r, nil)
		}
		member := func(i int) *running {
			cfg := brisk(c.config())
			if i == 0 {
				cfg.InstanceID = c.prefix + "static"
			}
			return c.run(topic, handler, cfg)
		}
		members := []*running{member(0), member(1), member(2)}
		c.eventually("a partition for each", func() bool {
			for _, m := range members {
				if m.Status().Partitions == 0 {
					return false
				}
			}
			return true
		})
		for i := range members {
			batch := make([]kafka.Record, n/3)
			for k := range batch {
				v := i*n/3 + k
				batch[k] = kafka.Record{Topic: topic, Partition: int32(v % 60 % 6), Key: fmt.Appendf(nil, "k%d", v%60), Value: fmt.Append(nil, v)}
			}
			c.produce(batch...)
			members[i].stop(t)
			members[i] = member(i)
		}
		c.waitCaughtUp(topic)
		if l.handled() != n {
			t.Errorf("handled %d records, want %d", l.handled(), n)
		}
	})
}
