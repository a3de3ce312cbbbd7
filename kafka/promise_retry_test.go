package kafka_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// Promises 1, 3 and 5 for handlers that need no order: records wait in retry topics
// while members come and go; each is handled or a dead letter, none before it is due,
// and a group with another name sees none of it.
func TestPromiseRetryTopicsLoseNothing(t *testing.T) {
	promiseInRealTime(t, func(t *testing.T, c *cluster) {
		const n = 2000
		topic, l := c.topic("orders", 6), newLedger(t)
		cfg := quickly(brisk(c.config()), 4)
		cfg.Unordered, cfg.RetryDelays = true, []time.Duration{time.Second, 2 * time.Second}
		handler := func(_ context.Context, r *kafka.Record) error {
			i, _ := strconv.Atoi(string(r.Value))
			if r.Topic != topic || r.Attempt() < 1 {
				t.Errorf("attempt %d is at a record of %s", r.Attempt(), r.Topic)
			}
			switch {
			case i%200 == 7:
				return errors.InvalidArgument.New("poison")
			case i%200 == 8, i%10 == 3 && r.Attempt() < 4:
				return errors.Aborted.New("not yet")
			}
			return l.handleUnordered(r)
		}
		members := []*running{c.run(topic, handler, cfg)}
		c.waitMembers(1)
		c.fill(topic, 6, 60, n)
		for range 2 {
			members = append(members, c.run(topic, handler, cfg))
		}
		c.eventually("progress", func() bool { return l.handled() > n/2 })
		members[0].stop(t)
		c.waitCaughtUp(topic)
		for _, d := range cfg.RetryDelays {
			c.waitCaughtUp(kafka.RetryTopic(topic, c.group(), d))
		}
		c.waitCaughtUp(topic)
		ids := map[kafka.ID]bool{}
		for _, d := range c.deadLetters(topic) {
			ids[d.Record.ID()] = true
		}
		if l.handled() != n-2*n/200 || len(ids) != 2*n/200 {
			t.Errorf("%d records handled, %d dead letters, want %d and %d", l.handled(), len(ids), n-2*n/200, 2*n/200)
		}
	})
}

// A record of a retry topic is handled when it is due and at most a second later.
func TestPromiseRetryDelaysAreKept(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 2)
		cfg := c.config()
		cfg.Unordered, cfg.RetryDelays, cfg.Attempts = true, []time.Duration{2 * time.Second, 3 * time.Second}, 3
		tries := make(chan time.Time, 10)
		c.run(topic, func(_ context.Context, r *kafka.Record) error {
			tries <- time.Now()
			if r.Attempt() < 3 {
				return errors.Aborted.New("not yet")
			}
			return nil
		}, cfg)
		c.produce(kafka.Record{Topic: topic, Partition: 1, Value: []byte("v")})
		last := <-tries
		for _, want := range cfg.RetryDelays {
			at := <-tries
			if took := at.Sub(last); took < want || took > want+time.Second {
				t.Errorf("the next attempt came after %v, want %v and at most 1s more", took, want)
			}
			last = at
		}
		for _, d := range cfg.RetryDelays {
			c.waitCaughtUp(kafka.RetryTopic(topic, c.group(), d))
		}
	})
}
