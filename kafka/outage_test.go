package kafka_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/backend-platform/sdk/resilience"
)

// An outage of an hour, of each kind, on a busy topic and on one with a record a
// minute: no record becomes a dead letter, no attempt is lost, the member keeps its
// place in the group, and all are handled afterwards.
func TestOutageOfAnHourMakesNoDeadLetter(t *testing.T) {
	kinds := map[string]func() error{
		"unavailable":     func() error { return errors.Unavailable.New("") },
		"internal":        func() error { return errors.Internal.New("broken deploy") },
		"panic":           func() error { panic("broken deploy") },
		"unauthenticated": func() error { return errors.Unauthenticated.New("") },
		"circuit open":    func() error { return fmt.Errorf("call inventory: %w", resilience.ErrCircuitOpen) },
	}
	for kind, fail := range kinds {
		for pace, every := range map[string]time.Duration{"busy": 10 * time.Second, "quiet": time.Minute} {
			t.Run(kind+"/"+pace, func(t *testing.T) {
				t.Parallel()
				outageOfAnHour(t, fail, pace == "busy", every)
			})
		}
	}
}

func outageOfAnHour(t *testing.T, fail func() error, busy bool, every time.Duration) {
	virtually(t, func(t *testing.T, c *cluster) {
		var down atomic.Bool
		var handled atomic.Int64
		topic, sent := c.topic("orders", 2), 0
		member := c.run(topic, func(_ context.Context, r *kafka.Record) error {
			if down.Load() {
				return fail()
			}
			if r.Attempt() != 1 {
				t.Errorf("record %v comes as attempt %d", r.ID(), r.Attempt())
			}
			handled.Add(1)
			return nil
		}, hours(c.config()))
		produceFor := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(every) {
				n := 1
				if busy {
					n = 40
				}
				sent += n
				c.fill(topic, 2, 40, n)
			}
		}
		produceFor(3 * time.Minute)
		id, generation := member.Client().GroupMetadata()
		down.Store(true)
		produceFor(time.Hour)
		if st := member.Status(); st.Paused != kafka.PausedByOutage || st.DeadLetters != 0 {
			t.Errorf("status in the outage: %+v", st)
		}
		if now, gen := member.Client().GroupMetadata(); now != id || gen != generation {
			t.Errorf("member %s of generation %d became %s of %d: heartbeats missed", id, generation, now, gen)
		}
		if err := member.Ready(t.Context()); err != nil {
			t.Errorf("not ready in an outage: %v", err)
		}
		down.Store(false)
		over := time.Now()
		c.waitCaughtUp(topic)
		if took := time.Since(over); took > 2*time.Minute {
			t.Errorf("caught up after %v", took)
		}
		if st := member.Status(); st.Paused != kafka.NotPaused || st.DeadLetters != 0 || st.InFlight != 0 {
			t.Errorf("status afterwards: %+v", st)
		}
		if n := handled.Load(); n != int64(sent) {
			t.Errorf("handled %d records, want %d", n, sent)
		}
	})
}

// A dependency that hangs makes probes last until the handler timeout: nothing
// may spin meanwhile, and in a bubble time would stand still if it did.
func TestOutageWithProbesThatTimeOut(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		var down atomic.Bool
		down.Store(true)
		c := run(t, b, "g", []string{"orders"}, func(ctx context.Context, _ *kafka.Record) error {
			if !down.Load() {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}, hours(quiet(t, b)))
		b.Produce(t, records("orders", 10, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		time.Sleep(time.Hour)
		if st := c.Status(); st.Paused != kafka.PausedByOutage || st.DeadLetters != 0 {
			t.Errorf("status: %+v", st)
		}
		down.Store(false)
		b.WaitCaughtUp(t, "orders", "g")
		if st := c.Status(); st.Handled != 10 {
			t.Errorf("status: %+v", st)
		}
	})
}

// One tenant's dependency is down: its records end as dead letters, and the
// others never wait.
func TestOneTenantsOutageLeavesTheOthersAlone(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		var worst atomic.Int64
		c := run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			if string(r.Key[:1]) == "a" {
				return errors.Unavailable.New("")
			}
			// The first second is quiet: too few records to tell tenants apart.
			if wait := time.Since(r.Timestamp); r.Offset > 50 && wait > time.Duration(worst.Load()) {
				worst.Store(int64(wait))
			}
			return nil
		}, hours(quiet(t, b)))
		for i := range 200 {
			batch := records("orders", 10, func(k int) []byte { return fmt.Appendf(nil, "%c%d", 'a'+k, i) })
			for k := range batch {
				batch[k].Timestamp = time.Now()
			}
			b.Produce(t, batch...)
			time.Sleep(500 * time.Millisecond)
		}
		b.WaitCaughtUp(t, "orders", "g")
		st := c.Status()
		if st.DeadLetters != 200 || st.Handled != 1800 {
			t.Errorf("status: %+v", st)
		}
		if w := time.Duration(worst.Load()); w > 100*time.Millisecond {
			t.Errorf("another tenant's record waited %v", w)
		}
	})
}

// On a quiet topic the same failures look like an outage; a record of its own
// faults must not stop the others again and again.
func TestOneTenantsOutageOnAQuietTopicEnds(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		c := run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			if string(r.Key[:1]) == "a" {
				return errors.Unavailable.New("")
			}
			return nil
		}, hours(quiet(t, b)))
		b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("a1")}, kafka.Record{Topic: "orders", Key: []byte("a2")})
		for i := range 30 {
			time.Sleep(time.Minute)
			b.Produce(t, kafka.Record{Topic: "orders", Key: fmt.Appendf(nil, "b%d", i)})
		}
		time.Sleep(time.Minute)
		if st := c.Status(); st.DeadLetters != 2 || st.Handled != 30 || st.Paused != kafka.NotPaused {
			t.Errorf("status: %+v", st)
		}
	})
}

func TestFloodGuardGoesOnWithinTheProcess(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 4}}, func(t *testing.T, b *kafkatest.Broker) {
		var broken atomic.Bool
		broken.Store(true)
		b.Produce(t, records("orders", 3000, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		c := run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error {
			if broken.Load() {
				return errors.InvalidArgument.New("")
			}
			return nil
		}, hours(quiet(t, b)))
		time.Sleep(time.Hour)
		broken.Store(false)
		b.WaitCaughtUp(t, "orders", "g")
		if st := c.Status(); st.Handled+st.DeadLetters != 3000 || st.DeadLetters > 100 {
			t.Errorf("status: %+v", st)
		}
	})
}
