package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// discoverEvery is how often topics are looked for that match a pattern. The client's
// own patterns would consume a topic before its dead-letter topic is there.
const discoverEvery = 15 * time.Second

// pattern compiles the pattern; nil: there is none.
func (c ConsumerConfig) pattern() (*regexp.Regexp, error) {
	if c.TopicPattern == "" {
		return nil, nil
	}
	if _, err := regexp.Compile(c.TopicPattern); err != nil { // By itself, for its text in the error.
		return nil, fmt.Errorf("TopicPattern: %w", err)
	}
	pattern, err := regexp.Compile(`^(?:` + c.TopicPattern + `)$`)
	if err != nil { // It was as large as one may be.
		return nil, fmt.Errorf("TopicPattern: %w", err)
	}
	return pattern, nil
}

// matching are the topics that match the pattern and are not named already.
func (c *Consumer) matching(all kadm.TopicDetails) kadm.TopicDetails {
	matched := kadm.TopicDetails{}
	for name, d := range all {
		if c.pattern == nil || d.Err != nil || d.IsInternal || ownTopic(name) || name == c.cfg.DeadLetterTopic || slices.Contains(c.topics, name) {
			continue
		}
		if c.pattern.MatchString(name) {
			matched[name] = d
		}
	}
	return matched
}

// ownTopic reports whether a topic is one of those that this package or Kafka makes.
func ownTopic(name string) bool {
	return IsDeadLetterTopic(name) || IsRetryTopic(name) || strings.HasPrefix(name, parkingPrefix) || strings.HasPrefix(name, "__")
}

// knownTopics are the topics that are consumed, by name.
type knownTopics map[string]*knownTopic

type knownTopic struct {
	matched bool // it is consumed because it matches
	absent  bool // the last look did not find it
}

// gone takes out the topics that matched and were not found by this look nor by the
// one before: a broker that lags behind does not know yet what another one told.
func (k knownTopics) gone(all kadm.TopicDetails) []string {
	var gone []string
	for name, t := range k {
		_, there := all[name]
		if t.matched && !there && t.absent {
			delete(k, name)
			gone = append(gone, name)
		}
		t.absent = !there
	}
	slices.Sort(gone)
	return gone
}

// startMatched takes up the topics that match the pattern at the start. One that may not be
// consumed, or that time is too short for, ends it only when there is no other: whoever
// makes topics must not be able to keep a service that runs from being started again.
func (c *Consumer) startMatched(ctx context.Context, client *kgo.Client, matched kadm.TopicDetails, existing []string) error {
	if topics, err := c.admit(ctx, client, matched, existing); err == nil {
		c.subscribed = append(c.subscribed, topics...)
		return nil
	}
	err := c.admitEach(ctx, client, matched, existing, func(_ string, topics []string) {
		c.subscribed = append(c.subscribed, topics...)
	})
	if err != nil && len(c.subscribed) == 0 {
		return err
	}
	c.refused.note(c.log, err)
	return nil
}

// admitEach prepares topics one by one, so that one that may not be read, or whose dead
// letters may not be written, holds up no other. It tells consume what to subscribe to for
// each, and returns why others cannot be consumed.
func (c *Consumer) admitEach(ctx context.Context, client *kgo.Client, matched kadm.TopicDetails, existing []string, consume func(topic string, subscribe []string)) error {
	var faults []error
	for i, topic := range matched.Names() {
		if err := ctx.Err(); err != nil {
			faults = append(faults, fmt.Errorf("%d topics were not looked at: %w", len(matched)-i, err))
			break
		}
		topics, err := c.admit(ctx, client, kadm.TopicDetails{topic: matched[topic]}, existing)
		if err != nil {
			faults = append(faults, fmt.Errorf("topic %q: %w", topic, c.nameRights(err)))
			continue
		}
		consume(topic, topics)
	}
	return errors.Join(faults...)
}

// patternLog says which topics cannot be consumed when that changes, and now and then.
type patternLog struct {
	last string
	at   time.Time
}

func (l *patternLog) note(log *slog.Logger, err error) {
	const every = 10 * time.Minute
	if err == nil {
		l.last = ""
		return
	}
	if text := err.Error(); text != l.last || time.Since(l.at) >= every {
		l.last, l.at = text, time.Now()
		log.Warn("topics that match the pattern cannot be consumed yet, will be tried again", errorAttr(err))
	}
}

// discovering looks for topics that match the pattern, while poll runs.
func (c *Consumer) discovering(ctx context.Context, client *kgo.Client, poll func()) {
	if c.pattern == nil {
		poll()
		return
	}
	known := knownTopics{}
	for _, topic := range c.subscribed {
		known[topic] = &knownTopic{matched: !ownTopic(topic) && !slices.Contains(c.topics, topic)}
	}
	if len(c.subscribed) == 0 {
		c.log.WarnContext(ctx, "no topic matches the pattern so far", slog.String("pattern", c.cfg.TopicPattern))
	}
	ctx, stop := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(discoverEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if err := c.discover(ctx, client, known); ctx.Err() == nil {
				c.refused.note(c.log, err)
			}
		}
	})
	poll()
	stop()
	looking.Wait()
}

// discover consumes topics that have come, and no longer those that have gone: the
// client would ask for them for ever.
func (c *Consumer) discover(ctx context.Context, client *kgo.Client, known knownTopics) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StartTimeout)
	defer cancel()
	all, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", coded(err))
	}
	fresh := c.matching(all)
	for _, topic := range known.gone(all) {
		client.PurgeTopicsFromConsuming(topic)
		c.log.WarnContext(ctx, "a topic is gone that matched the pattern", slog.String(attrTopic, topic))
	}
	for topic := range known {
		delete(fresh, topic)
	}
	return c.admitEach(ctx, client, fresh, all.Names(), func(topic string, subscribe []string) {
		known[topic] = &knownTopic{matched: true}
		c.log.InfoContext(ctx, "a topic that matches the pattern is consumed", slog.String(attrTopic, topic))
		client.AddConsumeTopics(subscribe...)
	})
}
