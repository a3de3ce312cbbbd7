package kafka

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// retryPrefix begins the names of retry topics.
const retryPrefix = "retry."

const (
	minRetryDelay = time.Second
	maxRetryDelay = 24 * time.Hour
)

// defaultRetryDelays are long enough for a deployment, for a restart, and for a
// person to look.
func defaultRetryDelays() []time.Duration {
	return []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}
}

// RetryTopic returns the name of the topic in which records of a topic wait for so
// long, for an [ConsumerConfig.Unordered] consumer of the group:
// retry.<topic>.<group>.<delay>, the delay as in 10s, 1m or 1h30m. Characters that
// topics do not permit, and names that are too long, become what they do in
// [DeadLetterTopic].
func RetryTopic(topic, group string, delay time.Duration) string {
	return topicName(retryPrefix, topic, group, "."+delayText(delay))
}

// IsRetryTopic says whether a topic's name is one of a retry topic: it starts with
// "retry.".
func IsRetryTopic(topic string) bool { return strings.HasPrefix(topic, retryPrefix) }

// delayText is a duration without units that are zero.
func delayText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// retryTopic is where records of a source wait.
type retryTopic struct {
	name   string
	source string
	delay  time.Duration
	next   *retryTopic // where a record goes that fails here, too; nil: to the dead letters
}

// retryPlan says where records go that have spent their attempts.
type retryPlan struct {
	first    map[string]*retryTopic // by source
	topics   map[string]*retryTopic // by name
	attempts int                    // in the source itself
}

func newRetryPlan(cfg ConsumerConfig) retryPlan {
	attempts := cfg.Attempts
	if attempts < 0 {
		attempts = defaultAttempts
	}
	return retryPlan{first: map[string]*retryTopic{}, topics: map[string]*retryTopic{}, attempts: max(attempts-len(cfg.RetryDelays), 1)}
}

// add plans the retry topics of a source, and adopts those among the topics that exist
// that an earlier configuration had, which may hold records: they go on where a record
// with the next longer delay does. It returns the names of these.
func (p *retryPlan) add(cfg ConsumerConfig, group, source string, existing []string) (adopted []string) {
	if !cfg.Unordered {
		return nil
	}
	var next *retryTopic
	for _, delay := range slices.Backward(cfg.RetryDelays) {
		t := &retryTopic{name: RetryTopic(source, group, delay), source: source, delay: delay, next: next}
		if next == nil && cfg.Attempts < 0 {
			t.next = t // It has no last attempt.
		}
		p.topics[t.name], next = t, t
	}
	p.first[source] = next
	prefix := strings.TrimSuffix(RetryTopic(source, group, minRetryDelay), delayText(minRetryDelay))
	for _, name := range existing {
		text, ours := strings.CutPrefix(name, prefix)
		delay, err := time.ParseDuration(text)
		if !ours || err != nil || delay < 0 || p.topics[name] != nil || name != RetryTopic(source, group, delay) {
			continue
		}
		next := p.first[source]
		for next != nil && next.next != next && next.delay <= delay {
			next = next.next
		}
		p.topics[name] = &retryTopic{name: name, source: source, delay: min(delay, maxRetryDelay), next: next}
		adopted = append(adopted, name)
	}
	return adopted
}

// of returns the retry topics of a source.
func (p *retryPlan) of(source string) []*retryTopic {
	var topics []*retryTopic
	for _, t := range p.topics {
		if t.source == source {
			topics = append(topics, t)
		}
	}
	return topics
}

func (c ConsumerConfig) retryFaults() []error {
	if !c.Unordered {
		if len(c.RetryDelays) > 0 {
			return []error{fmt.Errorf("RetryDelays are %v, want none without Unordered: a record that waits in a topic is overtaken", c.RetryDelays)}
		}
		return nil
	}
	var faults []error
	sum := time.Duration(0)
	for i, d := range c.RetryDelays {
		sum += d
		if d < minRetryDelay || d > maxRetryDelay {
			faults = append(faults, fmt.Errorf("RetryDelays[%d] is %v, want 1s to 24h", i, d))
		}
		if d%time.Second != 0 {
			faults = append(faults, fmt.Errorf("RetryDelays[%d] is %v, want whole seconds", i, d))
		}
		if i > 0 && d <= c.RetryDelays[i-1] {
			faults = append(faults, fmt.Errorf("RetryDelays[%d] is %v, want more than the one before it, %v", i, d, c.RetryDelays[i-1]))
		}
	}
	if c.Attempts >= 0 && c.Attempts <= len(c.RetryDelays) {
		faults = append(faults, fmt.Errorf("Attempts is %d, want more than the %d RetryDelays: each of them precedes an attempt", c.Attempts, len(c.RetryDelays)))
	}
	if c.DeadLetterRetention >= 0 && c.DeadLetterRetention < 2*maxRetryDelay {
		faults = append(faults, fmt.Errorf("DeadLetterRetention is %v, want 48h or more with Unordered: it is also that of the retry topics, whose records must outlive their delay", c.DeadLetterRetention))
	}
	return faults
}
