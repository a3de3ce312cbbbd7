package kafka

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// headroom is what the failure headers may add to a record: more than the
	// sum of their bounds.
	headroom = 64 << 10
	// defaultMaxMessage is Kafka's default of max.message.bytes.
	defaultMaxMessage = 1_048_588

	configMaxMessage = "max.message.bytes"
	configRetention  = "retention.ms"
	configCleanup    = "cleanup.policy"
	configMinISR     = "min.insync.replicas"
)

// deadLetterWriter knows the dead-letter topics and the retry topics, and writes to
// them.
type deadLetterWriter struct {
	c       *Consumer
	backoff resilience.Backoff

	mu      sync.Mutex
	topics  map[string]*deadLetterTopic      // by source
	retries map[string]*deadLetterTopic      // retry topics, by name
	turns   map[topicPartition]chan struct{} // writing again: one record of a partition at a time
	writers chan struct{}                    // and so many in all
}

type deadLetterTopic struct {
	name       string
	source     string
	partitions int32
	retry      bool // it is a retry topic
}

func (t *deadLetterTopic) kind() string {
	if t.retry {
		return "retry topic"
	}
	return "dead-letter topic"
}

// maxWriters bounds the clients that write dead letters again: each holds a
// record that may be large, and partitions that hang must not hold up for long
// those that are mended.
const maxWriters = 16

func newDeadLetterWriter(c *Consumer) *deadLetterWriter {
	return &deadLetterWriter{
		c: c, backoff: resilience.Backoff{Base: time.Second, Max: 30 * time.Second},
		topics: map[string]*deadLetterTopic{}, retries: map[string]*deadLetterTopic{}, turns: map[topicPartition]chan struct{}{}, writers: make(chan struct{}, maxWriters),
	}
}

// turn waits until the partition's dead letters may be written again by the
// caller, who calls done afterwards.
func (w *deadLetterWriter) turn(tp topicPartition) (done func()) {
	w.mu.Lock()
	mine := w.turns[tp]
	if mine == nil {
		mine = make(chan struct{}, 1)
		w.turns[tp] = mine
	}
	w.mu.Unlock()
	mine <- struct{}{}
	w.writers <- struct{}{}
	return func() {
		<-w.writers
		<-mine
	}
}

// prepare finds or creates the dead-letter topics and the retry topics of the sources:
// their absence is an error before anything is consumed, and not at the first
// failure. It returns all of them.
func (w *deadLetterWriter) prepare(ctx context.Context, admin *kadm.Client, sources kadm.TopicDetails, retries []*retryTopic) ([]*deadLetterTopic, error) {
	var wanted []*deadLetterTopic
	for topic := range sources {
		wanted = append(wanted, &deadLetterTopic{name: cmp.Or(w.c.cfg.DeadLetterTopic, DeadLetterTopic(topic, w.c.group)), source: topic})
	}
	for _, t := range retries {
		wanted = append(wanted, &deadLetterTopic{name: t.name, source: t.source, retry: true})
	}
	if len(wanted) == 0 {
		return nil, nil // Without names, all topics would be listed.
	}
	names := topicNames(wanted)
	existing, err := listTopics(ctx, admin, names)
	if err != nil {
		return nil, err
	}
	absent := missing(existing, names)
	if len(absent) > 0 && w.c.cfg.KeepTopics {
		return nil, errors.FailedPrecondition.Wrap(fmt.Errorf("topics for dead letters or retries that do not exist, and are not to be created: %s", strings.Join(absent, ", ")), "")
	}
	configs := topicConfigs(ctx, admin, slices.Concat(sources.Names(), names)...)
	for _, t := range wanted {
		d := existing[t.name]
		if slices.Contains(absent, t.name) {
			if t.partitions, err = w.create(ctx, admin, t, sources[t.source], configs[t.source]); err != nil {
				return nil, err
			}
			continue
		}
		if d.Err != nil {
			return nil, fmt.Errorf("read %s %q: %w", t.kind(), t.name, coded(d.Err))
		}
		t.partitions = int32(len(d.Partitions))
		if err := w.check(t, configs); err != nil {
			return nil, err
		}
	}
	if len(absent) > 0 {
		awaitTopics(ctx, admin, absent)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range wanted {
		if t.retry {
			w.retries[t.name] = t
		} else {
			w.topics[t.source] = t
		}
	}
	return wanted, nil
}

// topicNames are the names of the topics, each once.
func topicNames(topics []*deadLetterTopic) []string {
	var names []string
	for _, t := range topics {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// creationWait is how long a start waits for topics that it created.
const creationWait = 5 * time.Second

// awaitTopics waits until the topics can be written to: brokers answer before all
// of them know what was created, and the first dead letters would fail and wait for
// another try. Where it takes longer they do.
func awaitTopics(ctx context.Context, admin *kadm.Client, topics []string) {
	ctx, cancel := context.WithTimeout(ctx, creationWait)
	defer cancel()
	for ctx.Err() == nil {
		details, err := admin.ListTopics(ctx, topics...)
		if err == nil && !slices.ContainsFunc(topics, func(name string) bool { return !writable(details[name]) }) {
			return
		}
		wait(ctx, metadataMinAge)
	}
}

func writable(t kadm.TopicDetail) bool {
	for _, p := range t.Partitions {
		if p.Err != nil || p.Leader < 0 {
			return false
		}
	}
	return t.Err == nil && len(t.Partitions) > 0
}

// check refuses a dead-letter topic that loses dead letters, and warns of one
// that takes smaller records than its source.
func (w *deadLetterWriter) check(t *deadLetterTopic, configs map[string]config) error {
	if policy := configs[t.name].text(configCleanup); strings.Contains(policy, "compact") {
		return errors.FailedPrecondition.Wrap(fmt.Errorf("%s %q has %s=%s: compaction deletes records with the same key, and refuses those without one; %s",
			t.kind(), t.name, configCleanup, policy, w.command("kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s=delete", t.name, configCleanup)), "")
	}
	if limit, want := configs[t.name].maxMessage(), configs[t.source].maxMessage()+headroom; limit < want && w.c.cfg.KeepTopics {
		w.c.log.Warn("the "+t.kind()+" takes smaller records than its source and its limit is not to be raised: what does not fit with its failure headers holds up its partition",
			slog.String("dead_letter_topic", t.name), slog.String(attrTopic, t.source), slog.Int(configMaxMessage, limit), slog.Int("want", want))
	}
	return nil
}

// create creates a dead-letter topic as its source is.
func (w *deadLetterWriter) create(ctx context.Context, admin *kadm.Client, t *deadLetterTopic, source kadm.TopicDetail, like config) (int32, error) {
	partitions := int32(max(len(source.Partitions), 1))
	replicas := max(source.Partitions.NumReplicas(), 1)
	retention := "-1"
	if w.c.cfg.DeadLetterRetention > 0 {
		retention = strconv.FormatInt(w.c.cfg.DeadLetterRetention.Milliseconds(), 10)
	}
	configs := map[string]*string{
		configCleanup:    new("delete"),
		configRetention:  &retention,
		configMaxMessage: new(strconv.Itoa(like.maxMessage() + headroom)),
	}
	if min, own := like[configMinISR]; own && min.Source == kmsg.ConfigSourceDynamicTopicConfig {
		configs[configMinISR] = min.Value // A dead letter is as safe as its record was.
	}
	created, err := admin.CreateTopics(ctx, partitions, int16(replicas), configs, t.name)
	if err == nil {
		err = created[t.name].Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return 0, &createError{kind: t.kind(), topic: t.name, err: coded(err)}
	}
	return partitions, nil
}

// createError says that a topic could not be created.
type createError struct {
	kind, topic string
	err         error
}

func (e *createError) Error() string {
	return fmt.Sprintf("create %s %q: %v", e.kind, e.topic, e.err)
}

func (e *createError) Unwrap() error { return e.err }

// refresh looks at a topic again, and creates it if it has gone.
func (w *deadLetterWriter) refresh(ctx context.Context, admin *kadm.Client, t deadLetterTopic) (err error) {
	source := t.source
	details, err := admin.ListTopics(ctx, t.name, source)
	if err != nil {
		return fmt.Errorf("look at %s %q: %w", t.kind(), t.name, coded(err))
	}
	partitions := int32(len(details[t.name].Partitions))
	if errors.Is(details[t.name].Err, kerr.UnknownTopicOrPartition) && !w.c.cfg.KeepTopics {
		like := topicConfigs(ctx, admin, source)[source]
		if partitions, err = w.create(ctx, admin, &t, details[source], like); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.topics[source]
	if t.retry {
		known = w.retries[t.name]
	}
	if known != nil && partitions > 0 {
		known.partitions = partitions
	}
	return nil
}

// raise lets a topic take a record of so many bytes, and never fewer than before.
func raise(ctx context.Context, admin *kadm.Client, topic string, limit int64) error {
	now := topicConfigs(ctx, admin, topic)[topic]
	if _, known := now[configMaxMessage]; known && int64(now.maxMessage()) >= limit {
		return nil
	}
	value := strconv.FormatInt(limit, 10)
	responses, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: configMaxMessage, Value: &value}}, topic)
	if err != nil {
		return err
	}
	for _, r := range responses {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// config is what a client could read of a topic's configuration: nothing where
// it has not the permission.
type config map[string]kadm.Config

func (c config) text(key string) string {
	entry := c[key]
	return entry.MaybeValue()
}

// maxMessage is the largest batch that the topic takes, as far as it is known.
func (c config) maxMessage() int {
	if n, err := strconv.Atoi(c.text(configMaxMessage)); err == nil && n > 0 {
		return n
	}
	return defaultMaxMessage
}

// topicConfigs reads the configuration of topics. One that may not be read is
// missing in the answer.
func topicConfigs(ctx context.Context, admin *kadm.Client, topics ...string) map[string]config {
	configs := map[string]config{}
	described, err := admin.DescribeTopicConfigs(ctx, topics...)
	if err != nil && len(topics) > 1 { // One refusal ends the answer for all.
		for _, topic := range topics {
			maps.Copy(configs, topicConfigs(ctx, admin, topic))
		}
		return configs
	}
	for _, topic := range described {
		if topic.Err != nil {
			continue
		}
		configs[topic.Name] = config{}
		for _, c := range topic.Configs {
			configs[topic.Name][c.Key] = c
		}
	}
	return configs
}

// target returns a copy of what is known of the topic that the record is written to.
func (w *deadLetterWriter) target(it *item) deadLetterTopic {
	if it.to == nil {
		return w.topic(it.part.source())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.retries[it.to.name]
}

// topic returns a copy of what is known of the source's dead-letter topic.
func (w *deadLetterWriter) topic(source string) deadLetterTopic {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.topics[source]; t != nil {
		return *t
	}
	return deadLetterTopic{name: DeadLetterTopic(source, w.c.group), source: source, partitions: 1}
}
