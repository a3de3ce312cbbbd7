package kafka_test

import (
	"context"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// A group moves to the other protocol, and back, as its members are replaced one
// after the other, under load. kfake, like a broker that is told not to, permits no
// such move: that is a clear error.
func TestPromiseAGroupMayMoveToTheOtherProtocol(t *testing.T) {
	promiseInRealTime(t, func(t *testing.T, c *cluster) {
		topic, l := c.topic("orders", 6), newLedger(t)
		handler := func(_ context.Context, r *kafka.Record) error { return l.handle(r, nil) }
		old, other := brisk(c.config()), brisk(c.config())
		if other.GroupProtocol = kafka.ConsumerProtocol; old.GroupProtocol == kafka.ConsumerProtocol {
			other.GroupProtocol = kafka.ClassicProtocol
		}
		members := []*running{c.run(topic, handler, old), c.run(topic, handler, old)}
		shared := func() bool {
			return members[0].Status().Partitions == 3 && members[1].Status().Partitions == 3
		}
		c.eventually("the partitions to be shared", shared)
		if c.fake != nil {
			wants(t, c.startFails(topic, other), errors.FailedPrecondition, c.group(), "of another type")
			return
		}
		const portion = 600
		written := 0
		more := func() {
			c.fillFrom(topic, 6, 60, written, portion)
			written += portion
		}
		for _, cfg := range []kafka.ConsumerConfig{other, old} {
			for i := range members {
				more()
				members[i].stop(t)
				more()
				members[i] = c.run(topic, handler, cfg)
				c.eventually("the partitions to be shared", shared)
			}
		}
		more()
		c.waitCaughtUp(topic)
		if l.handled() != written {
			t.Errorf("%d records handled of %d", l.handled(), written)
		}
	})
}
