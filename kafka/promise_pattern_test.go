package kafka_test

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// A pattern consumes topics that come later, whose dead-letter topics are there before
// their first record fails; one that is deleted stops nobody, and is consumed when it
// is made again. In real time: kfake answers a fetch of a deleted topic at once, and
// virtual time stands still.
func TestPromiseAPatternOutlivesATopic(t *testing.T) {
	promiseInRealTime(t, func(t *testing.T, c *cluster) {
		eu, us := c.topic("orders.eu", 1), c.topic("orders.us", 1)
		var got seen
		cfg := c.config()
		cfg.TopicPattern = regexp.QuoteMeta(c.prefix) + `orders\..*`
		cfg.Logger = slog.New(slog.DiscardHandler)
		member := runOn(t, c.addrs, c.group(), nil, func(_ context.Context, r *kafka.Record) error {
			got.add(r)
			if string(r.Value) == "bad" {
				return errors.InvalidArgument.New("bad")
			}
			return nil
		}, cfg)
		c.produce(kafka.Record{Topic: eu, Value: []byte("1")}, kafka.Record{Topic: us, Value: []byte("2")})
		c.waitCaughtUp(eu)
		c.waitCaughtUp(us)
		c.deleteTopic(us)
		c.eventually("the topic to be given up", func() bool { return member.Status().Partitions == 1 })
		c.produce(kafka.Record{Topic: eu, Value: []byte("3")})
		c.waitCaughtUp(eu)
		c.client.PurgeTopicsFromProducing(us)
		c.create(us, 1)
		asia := c.topic("orders.asia", 1)
		c.produce(kafka.Record{Topic: us, Value: []byte("4")}, kafka.Record{Topic: asia, Value: []byte("bad")})
		c.eventually("the new topics' records", func() bool { return len(got.list()) == 5 })
		c.eventually("the dead letter", func() bool { return len(c.deadLetters(asia)) == 1 })
		list := got.list()
		slices.Sort(list)
		if want := []string{"1", "2", "3", "4", "bad"}; !slices.Equal(list, want) {
			t.Errorf("handled %q, want %q", list, want)
		}
	})
}
