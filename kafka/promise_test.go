package kafka_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/resilience"
	"github.com/twmb/franz-go/pkg/kgo"
)

// quickly is a backoff for records that have to run out of attempts while a test
// on a real cluster waits.
func quickly(cfg kafka.ConsumerConfig, attempts int) kafka.ConsumerConfig {
	cfg.Attempts = attempts
	cfg.Backoff = resilience.Backoff{Base: 10 * time.Millisecond, Max: 50 * time.Millisecond}
	return cfg
}

// Promise 1: at the end every record was handled or is a dead letter, and all are
// committed; also where a member was stopped in between.
func TestPromiseNothingIsLost(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		const n = 3000
		topic, l := c.topic("orders", 4), newLedger(t)
		c.fill(topic, 4, 97, n)
		handler := func(_ context.Context, r *kafka.Record) error {
			return l.handle(r, func(n, try int) error {
				switch {
				case n%300 == 7:
					return errors.FailedPrecondition.New("poison")
				case n%10 == 3 && try < 3:
					return errors.Unavailable.New("not now")
				}
				return nil
			})
		}
		first := c.run(topic, handler, quickly(c.config(), 8))
		c.eventually("some records to be handled", func() bool { return l.handled() > 100 })
		first.stop(t)
		c.run(topic, handler, quickly(c.config(), 8))
		c.waitCaughtUp(topic)
		if l.handled() != n-n/300 {
			t.Errorf("handled %d records, want %d", l.handled(), n-n/300)
		}
		dead := map[string]bool{}
		for _, d := range c.deadLetters(topic) {
			dead[string(d.Record.Value)] = true
		}
		if len(dead) != n/300 || !dead["7"] || !dead["307"] {
			t.Errorf("dead letters of %v", dead)
		}
	})
}

// Promise 2: order holds for each key, with 64 workers, also while a record of the
// key is tried again; the ledger checks it. A key goes on after a dead letter.
func TestPromiseOrderHoldsPerKey(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		const n, keys = 2000, 20
		topic, l := c.topic("orders", 3), newLedger(t)
		c.fill(topic, 3, keys, n)
		c.run(topic, func(ctx context.Context, r *kafka.Record) error {
			select { // Workers are busy for different times.
			case <-time.After(time.Duration(r.Offset%3) * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			return l.handle(r, func(n, try int) error {
				switch {
				case n%7 == 0 && try < 3:
					return errors.Unavailable.New("not now")
				case n%100 == 50:
					return errors.InvalidArgument.New("poison")
				}
				return nil
			})
		}, quickly(c.config(), 8))
		c.waitCaughtUp(topic)
		if l.handled() != n-n/100 {
			t.Errorf("handled %d records, want %d", l.handled(), n-n/100)
		}
	})
}

// Promise 3: a record that is tried again and again holds up its key, and nobody
// else.
func TestPromiseOneBadRecordHoldsUpItsKeyOnly(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		var got seen
		var failing atomic.Bool
		failing.Store(true)
		c.fill(topic, 1, 2, 10)
		cfg := c.hours(quickly(c.config(), -1))
		cfg.RetryFor = -1
		c.run(topic, func(_ context.Context, r *kafka.Record) error {
			if string(r.Value) == "0" && failing.Load() {
				return errors.Aborted.New("")
			}
			got.add(r)
			return nil
		}, cfg)
		c.eventually("the other key's records", func() bool { return len(got.list()) >= 5 })
		c.calm(time.Minute)
		if s := strings.Join(got.list(), " "); s != "1 3 5 7 9" {
			t.Errorf("handled %s while the key k0 waits", s)
		}
		failing.Store(false)
		c.waitCaughtUp(topic)
		if s := strings.Join(got.list(), " "); s != "1 3 5 7 9 0 2 4 6 8" {
			t.Errorf("handled %s", s)
		}
	})
}

// Promise 3: as many records as MaxAhead says are handled ahead of one that is not
// done; then the partition waits, and no other one.
func TestPromiseAStuckPartitionWaitsAlone(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 2)
		var stuck atomic.Bool
		var n [2]atomic.Int64
		stuck.Store(true)
		cfg := quickly(c.config(), -1)
		cfg.RetryFor, cfg.MaxInFlight, cfg.MaxAhead = -1, 20, 40
		member := c.run(topic, func(_ context.Context, r *kafka.Record) error {
			if r.Partition == 0 && r.Offset == 0 && stuck.Load() {
				return errors.Aborted.New("")
			}
			n[r.Partition].Add(1)
			return nil
		}, cfg)
		c.fill(topic, 2, 40, 400)
		c.eventually("the other partition to be done", func() bool { return n[1].Load() == 200 })
		c.eventually("the partition to be paused", func() bool { return paused(member, topic) })
		c.calm(time.Minute)
		if got := n[0].Load(); got > 40 {
			t.Errorf("%d records were handled ahead of the stuck one, want at most 40", got)
		}
		c.waitCommitted(topic, 1, 200)
		if at := c.committed(topic, 0); at > 0 {
			t.Errorf("committed %d while the record 0 is not done", at)
		}
		stuck.Store(false)
		c.waitCaughtUp(topic)
		if got := n[0].Load(); got != 200 {
			t.Errorf("handled %d records, want 200", got)
		}
	})
}

// Promise 3: a dependency that is down makes no dead letters; the consumer waits,
// keeps its place in the group, spends no attempts, and goes on by itself.
func TestPromiseAnOutageMakesNoDeadLetter(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 2)
		var down atomic.Bool
		var handled atomic.Int64
		down.Store(true)
		member := c.run(topic, func(_ context.Context, r *kafka.Record) error {
			if down.Load() {
				return errors.Unavailable.New("")
			}
			if r.Attempt() != 1 {
				t.Errorf("record %v comes as attempt %d: the outage's were not given back", r.ID(), r.Attempt())
			}
			handled.Add(1)
			return nil
		}, c.hours(quickly(c.config(), 3)))
		c.fill(topic, 2, 50, 200)
		c.eventually("a pause", func() bool { return member.Status().Paused == kafka.PausedByOutage })
		id, generation := member.Client().GroupMetadata()
		c.calm(time.Hour)
		if err := member.Ready(t.Context()); err != nil {
			t.Errorf("not ready in an outage: %v", err)
		}
		if now, gen := member.Client().GroupMetadata(); now != id || gen != generation {
			t.Errorf("member %s of generation %d has become %s of %d", id, generation, now, gen)
		}
		down.Store(false)
		c.waitCaughtUp(topic)
		if st := member.Status(); st.Paused != kafka.NotPaused || st.DeadLetters != 0 || handled.Load() != 200 {
			t.Errorf("handled %d, status: %+v", handled.Load(), st)
		}
	})
}

// Promise 3: a version that rejects everything stops after the flood guard's window
// of records, and its successor goes on, also with what became a dead letter: as
// nothing is lost, it can be put back.
func TestPromiseAVersionThatRejectsEverythingStops(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		const n = 2000
		topic, l := c.topic("orders", 4), newLedger(t)
		c.fill(topic, 4, n, n)
		bad := c.run(topic, rejectAll, c.hours(c.config()))
		c.eventually("a pause", func() bool { return bad.Status().Paused == kafka.PausedByFlood })
		c.calm(time.Hour)
		c.eventually("the dead letters to be written", func() bool { return bad.Status().Unwritten == 0 })
		if st := bad.Status(); st.DeadLetters < 50 || st.DeadLetters > 100 {
			t.Errorf("%d dead letters", st.DeadLetters)
		}
		bad.stop(t)
		c.run(topic, func(_ context.Context, r *kafka.Record) error { return l.handle(r, nil) }, c.config())
		c.waitCaughtUp(topic)
		if _, err := kafka.Redrive(t.Context(), c.addrs, topic, c.group(), kafka.RedriveConfig{Connection: kafka.Connection{Dial: c.dial}, Logger: discard}); err != nil {
			t.Fatal(err)
		}
		c.waitCaughtUp(topic)
		if l.handled() != n {
			t.Errorf("handled %d records, want %d", l.handled(), n)
		}
	})
}

// Promise 5: a record's ID is where it was written first, through retries, the
// dead letters and back; with Deduplicate its effect happens once.
func TestPromiseARecordIsRecognisable(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 2)
		var mu sync.Mutex
		ids, effects := map[kafka.ID]int{}, 0
		broken := true
		effect := kafka.Deduplicate(kafka.NewMemoryDedupStore(0), func(context.Context, *kafka.Record) error {
			effects++
			return nil
		})
		member := c.run(topic, func(ctx context.Context, r *kafka.Record) error {
			mu.Lock()
			defer mu.Unlock()
			ids[r.ID()]++
			if r.Attempt() == 1 || broken {
				return errors.Aborted.New("")
			}
			return effect(ctx, r)
		}, quickly(c.config(), 2))
		source := c.produce(kafka.Record{Topic: topic, Partition: 1, Key: []byte("k"), Value: []byte("v")})[0]
		want := kafka.ID{Topic: topic, Partition: 1, Offset: source.Offset}
		if dead := c.waitDeadLetters(topic, 1)[0]; dead.Record.ID() != want {
			t.Errorf("the dead letter is of %v, want %v", dead.Record.ID(), want)
		}
		c.waitCommitted(topic, 1, 1)
		mu.Lock()
		broken = false
		mu.Unlock()
		for range 2 { // The second one stands for a redrive that was interrupted.
			_, err := kafka.Redrive(t.Context(), c.addrs, topic, c.group(), kafka.RedriveConfig{Connection: kafka.Connection{Dial: c.dial}, Again: true, Logger: discard})
			if err != nil {
				t.Fatal(err)
			}
			c.waitCaughtUp(topic)
		}
		member.stop(t)
		mu.Lock()
		defer mu.Unlock()
		if len(ids) != 1 || ids[want] != 6 || effects != 1 {
			t.Errorf("IDs %v, %d effects", ids, effects)
		}
	})
}

// Pitfall: marks that are max-wins committed 10 where only offset 9 was done.
func TestPromiseOnlyWhatIsDoneIsCommitted(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		release := make(chan struct{})
		var done atomic.Int64
		member := c.run(topic, func(ctx context.Context, r *kafka.Record) error {
			if r.Offset < 9 {
				select {
				case <-release:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			done.Add(1)
			return nil
		}, c.config())
		c.fill(topic, 1, 10, 10)
		c.eventually("offset 9 to be done", func() bool { return done.Load() == 1 })
		c.calm(20 * time.Second)
		if at := c.committed(topic, 0); at > 0 {
			t.Errorf("committed %d, and only offset 9 is done", at)
		}
		close(release)
		c.waitCommitted(topic, 0, 10)
		member.stop(t)
		if done.Load() != 10 {
			t.Errorf("%d records were handled", done.Load())
		}
	})
}

// Pitfall: with a commit at the poll 200 records were polled, none was handled, and
// 100 were committed. Here the next member gets all of them.
func TestPromiseWhatIsFetchedIsNotCommitted(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic, l := c.topic("orders", 1), newLedger(t)
		var begun atomic.Int64
		cfg := c.config()
		cfg.DrainTimeout = -1
		first := c.run(topic, func(ctx context.Context, _ *kafka.Record) error {
			begun.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}, cfg)
		c.fill(topic, 1, 200, 200)
		c.eventually("all workers to be busy", func() bool { return begun.Load() == 64 && first.Status().InFlight == 200 })
		c.calm(20 * time.Second)
		first.stop(t)
		if at := c.committed(topic, 0); at > 0 {
			t.Errorf("committed %d, and nothing was handled", at)
		}
		c.run(topic, func(_ context.Context, r *kafka.Record) error { return l.handle(r, nil) }, c.config())
		c.waitCaughtUp(topic)
		if l.handled() != 200 {
			t.Errorf("handled %d records, want 200", l.handled())
		}
	})
}

// Gaps between offsets are passed over: those of transactions, committed and
// aborted, and those of records that were deleted.
func TestPromiseGapsAreNotWaitedFor(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic, l := c.topic("orders", 1), newLedger(t)
		opts := []kgo.Opt{kgo.SeedBrokers(c.addrs...), kgo.TransactionalID(c.prefix + "tx"), kgo.RecordPartitioner(kgo.ManualPartitioner())}
		if c.dial != nil {
			opts = append(opts, kgo.Dialer(c.dial))
		}
		tx, err := kgo.NewClient(opts...)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Close()
		for i := range 10 {
			if err := tx.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			value := fmt.Appendf(nil, "%d", i)
			if err := tx.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: value, Value: value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := tx.EndTransaction(t.Context(), kgo.TransactionEndTry(i%3 != 2)); err != nil {
				t.Fatal(err)
			}
		}
		deleteRecords(c, topic, 2) // The first transaction with its marker.
		c.run(topic, func(_ context.Context, r *kafka.Record) error { return l.handle(r, nil) }, c.config())
		c.eventually("six records", func() bool { return l.handled() == 6 })
		// The last record is at offset 18, its marker at 19: what is committed is
		// beyond the last record, and the next member is not given it again.
		c.eventually("the last record to be committed", func() bool { return c.committed(topic, 0) >= 19 })
		if l.attempts("0") != 0 || l.attempts("2") != 0 {
			t.Error("a record that was deleted, or of a transaction that was aborted, was handled")
		}
	})
}

// Pitfall: a client library that is newer than its consumer expects sends
// heartbeats, handles nothing and says nothing (parallel-consumer with
// kafka-clients 4.4.0). The library's own failure is no member without records.
func TestPromiseAMemberHandlesRecords(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic, l := c.topic("orders", 8), newLedger(t)
		member := c.run(topic, func(_ context.Context, r *kafka.Record) error { return l.handle(r, nil) }, c.config())
		c.waitMembers(1)
		c.eventually("all partitions", func() bool { return member.Status().Partitions == 8 })
		c.fill(topic, 8, 100, 5000)
		c.waitCaughtUp(topic)
		if l.handled() != 5000 || member.Status().Handled != 5000 {
			t.Errorf("handled %d records, status %+v", l.handled(), member.Status())
		}
	})
}
