package kafka

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
)

// CountConfig says what [CountDeadLetters] counts. The zero value counts all
// dead letters of a cluster.
type CountConfig struct {
	// From are the topics to look into. Empty: all whose names are those of
	// dead-letter topics; see [IsDeadLetterTopic].
	From []string
	// Topic and Group are whose dead letters to count. Empty: everybody's.
	Topic, Group string
	// Filter selects the dead letters. Zero: all. Where a share group wrote no copy
	// of the record, Keys selects it only if Topic names its topic.
	Filter DeadLetterFilter
	// Connection says how to reach the brokers.
	Connection Connection
	// Logger is where lost connections are logged. Nil: slog.Default().
	Logger *slog.Logger
}

func (c CountConfig) resolve(brokers []string) (CountConfig, error) {
	c.Logger = cmp.Or(c.Logger, slog.Default())
	connection, err := c.Connection.resolve(c.Logger)
	c.Connection = connection
	faults := []error{checkBrokers(brokers), err, c.Filter.validate()}
	for _, from := range c.From {
		if !validTopic(from) {
			faults = append(faults, fmt.Errorf("From has %q, want a name that Kafka permits", from))
		}
	}
	return c, errors.Join(faults...)
}

// DeadLetterCount says how many dead letters of a consumer group in a topic lie
// in one place, and why.
type DeadLetterCount struct {
	// From is where they lie.
	From string
	// Topic and Group are where they come from. Empty where a record has no
	// failure headers, or none that says so.
	Topic, Group string
	// Total is how many there are, Pending how many of them no [Redrive] is done
	// with. What follows is about the pending ones.
	Total, Pending int
	// Oldest and Newest are when the first and the last of them failed. Zero
	// where none is pending.
	Oldest, Newest time.Time
	// Reasons are why, the most frequent first. Where more than 1,000 reasons
	// are given, the others are counted under their code alone.
	Reasons []ReasonCount
}

// ReasonCount is a part of a [DeadLetterCount].
type ReasonCount struct {
	// Code and Reason are those of the last error; see [Failure].
	Code   errors.Code
	Reason string
	// Count is how many failed with the two.
	Count int
}

// CountDeadLetters counts the dead letters of a cluster by where they lie and
// where they come from. Like [Browse] it reads them, takes part in no group and
// commits nothing. The counts are sorted by place, topic and group; errors are
// those of Browse. Memory grows with the number of reasons, not of dead letters.
func CountDeadLetters(ctx context.Context, brokers []string, cfg CountConfig) ([]DeadLetterCount, error) {
	cfg, err := cfg.resolve(brokers)
	if err != nil {
		return nil, errors.InvalidArgument.Wrap(fmt.Errorf("kafka: count dead letters: %w", err), "")
	}
	d := newDialer(brokers, cfg.Connection, cfg.Logger)
	client, err := d.open()
	if err != nil {
		return nil, fmt.Errorf("kafka: count dead letters: %w", err)
	}
	defer client.Close()
	from := cfg.From
	if len(from) == 0 {
		from, err = deadLetterTopics(ctx, d, kadm.NewClient(client))
	}
	c := counter{cfg: cfg, counts: map[countKey]*tally{}}
	for _, topic := range from {
		if err == nil {
			err = c.count(ctx, d, client, topic)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("kafka: count dead letters: %w", err)
	}
	return c.result(), nil
}

// deadLetterTopics finds the dead-letter topics of a cluster.
func deadLetterTopics(ctx context.Context, d *dialer, admin *kadm.Client) ([]string, error) {
	var names []string
	err := d.lookup(ctx, func(ctx context.Context) error {
		topics, err := admin.ListTopics(ctx)
		if err != nil {
			return fmt.Errorf("list topics: %w", coded(err))
		}
		names = slices.DeleteFunc(topics.Names(), func(name string) bool { return !IsDeadLetterTopic(name) })
		return nil
	})
	return names, err
}

// counter counts what it is shown.
type counter struct {
	cfg    CountConfig
	counts map[countKey]*tally
}

type countKey struct{ from, topic, group string }

type tally struct {
	DeadLetterCount
	reasons map[ReasonCount]int // By their Code and Reason, Count is 0.
}

const maxReasons = 1_000

func (c *counter) count(ctx context.Context, d *dialer, client *kgo.Client, from string) error {
	admin := kadm.NewClient(client)
	var ranges []offsetRange
	var journal *redriveJournal
	err := d.lookup(ctx, func(ctx context.Context) (err error) {
		if ranges, err = listRanges(ctx, admin, from); err == nil {
			journal, err = readJournal(ctx, admin, from)
		}
		return err
	})
	var sources *sourceReader
	if len(c.cfg.Filter.Keys) > 0 && c.cfg.Topic != "" { // Nothing else looks at the records themselves.
		sources = newSourceReader(client, c.cfg.Topic)
	}
	for _, s := range ranges {
		if err != nil {
			break
		}
		journal.forgetBeyond(s)
		_, err = readDeadLetters(ctx, client, from, s, sources, func(d *DeadLetter) bool {
			if c.cfg.Filter.matches(d) {
				c.add(d, !journal.isDone(d))
			}
			return true
		})
	}
	if err != nil {
		return fmt.Errorf("in %q: %w", from, err)
	}
	return nil
}

func (c *counter) add(d *DeadLetter, pending bool) {
	key := countKey{from: d.Topic}
	if d.Readable {
		key.topic, key.group = d.Failure.Source.Topic, d.Failure.Group
	}
	if c.cfg.Topic != "" && c.cfg.Topic != key.topic || c.cfg.Group != "" && c.cfg.Group != key.group {
		return
	}
	t := c.counts[key]
	if t == nil {
		t = &tally{DeadLetterCount: DeadLetterCount{From: key.from, Topic: key.topic, Group: key.group}, reasons: map[ReasonCount]int{}}
		c.counts[key] = t
	}
	t.Total++
	if !pending {
		return
	}
	t.Pending++
	if t.Oldest.IsZero() || d.Time.Before(t.Oldest) {
		t.Oldest = d.Time
	}
	if d.Time.After(t.Newest) {
		t.Newest = d.Time
	}
	reason := ReasonCount{Code: d.Failure.Code, Reason: d.Failure.Reason}
	if _, known := t.reasons[reason]; !known && len(t.reasons) >= maxReasons {
		reason.Reason = ""
	}
	t.reasons[reason]++
}

func (c *counter) result() []DeadLetterCount {
	counts := make([]DeadLetterCount, 0, len(c.counts))
	for _, t := range c.counts {
		for reason, n := range t.reasons {
			reason.Count = n
			t.Reasons = append(t.Reasons, reason)
		}
		slices.SortFunc(t.Reasons, func(a, b ReasonCount) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Reason, b.Reason))
		})
		counts = append(counts, t.DeadLetterCount)
	}
	slices.SortFunc(counts, func(a, b DeadLetterCount) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Group, b.Group))
	})
	return counts
}
