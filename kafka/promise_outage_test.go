package kafka_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// Promise 3: that most records fail shows an outage although some succeed between
// them. Without that the others would run out of attempts while it begins.
func TestPromiseAnOutageIsSeenWhileSomeRecordsSucceed(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		const n = 400
		topic, l := c.topic("orders", 2), newLedger(t)
		var down, over atomic.Bool
		c.fill(topic, 2, n, n)
		member := c.run(topic, func(_ context.Context, r *kafka.Record) error {
			lucky := !down.Load() && r.Offset%4 == 0 // The last instance of what fails is still up.
			return l.handle(r, func(int, int) error {
				if over.Load() || lucky {
					return nil
				}
				return errors.Unavailable.New("")
			})
		}, quickly(c.config(), 4))
		c.eventually("a pause", func() bool { return member.Status().Paused == kafka.PausedByOutage })
		down.Store(true)
		if l.handled() == 0 {
			t.Error("no record succeeded: this is the outage of another test")
		}
		if st := member.Status(); st.DeadLetters != 0 {
			t.Errorf("%d dead letters", st.DeadLetters)
		}
		over.Store(true)
		c.waitCaughtUp(topic)
		if st := member.Status(); st.DeadLetters != 0 || l.handled() != n {
			t.Errorf("handled %d, %d dead letters", l.handled(), st.DeadLetters)
		}
	})
}

// Promise 3: on a quiet topic two records that fail in turn show an outage, long
// before their attempts or their time are spent: here neither ever is.
func TestPromiseAnOutageIsSeenOnAQuietTopic(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		var over atomic.Bool
		cfg := quickly(c.config(), -1)
		cfg.RetryFor = -1
		c.fill(topic, 1, 2, 2)
		member := c.run(topic, func(context.Context, *kafka.Record) error {
			if over.Load() {
				return nil
			}
			return errors.Unavailable.New("")
		}, cfg)
		c.eventually("a pause", func() bool { return member.Status().Paused == kafka.PausedByOutage })
		over.Store(true)
		c.waitCaughtUp(topic)
		c.eventually("the end of the pause", func() bool { return member.Status().Paused == kafka.NotPaused })
	})
}
