package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// renewals are under way for topics that were deleted and made anew. The client
// asks for a topic by its ID, and for the old one for ever (franz-go#908), until
// it is told to forget the topic.
type renewals struct {
	mu     sync.Mutex
	topics map[string]bool
}

// once runs renew, unless that is under way for the topic.
func (r *renewals) once(topic string, renew func()) {
	r.mu.Lock()
	busy := r.topics[topic]
	if r.topics == nil {
		r.topics = map[string]bool{}
	}
	r.topics[topic] = true
	r.mu.Unlock()
	if busy {
		return
	}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.topics, topic)
	}()
	renew()
}

const renewalTimeout = 10 * time.Second

// renew consumes a topic that was made anew from its first record. Not from the
// goroutine that polls: the client gives up the partitions of the old one
// meanwhile.
func (c *Consumer) renew(topic string) {
	client := c.client.Load()
	if client == nil {
		return
	}
	c.renewals.once(topic, func() {
		ctx, cancel := context.WithTimeout(context.Background(), renewalTimeout)
		defer cancel()
		details, err := kadm.NewClient(client).ListTopics(ctx, topic)
		if err != nil || details[topic].Err != nil || c.state.Load() != stateRunning {
			return // It is not there, or we are not. It is asked for again.
		}
		c.log.Warn("the topic was deleted and made anew; the new one is consumed", slog.String(attrTopic, topic))
		client.PurgeTopicsFromConsuming(topic)
		client.AddConsumeTopics(topic)
	})
}

// forgetTopic lets a client that writes look at a topic anew where that is why a
// record failed: it exists again, and the next record is written.
func (r *renewals) forgetTopic(client *kgo.Client, topic string, err error) {
	if errors.Is(err, kerr.UnknownTopicID) {
		go r.once(topic, func() { client.PurgeTopicsFromProducing(topic) })
	}
}
