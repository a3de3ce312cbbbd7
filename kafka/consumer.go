package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Consumer reads topics as a member of a consumer group and passes each record
// to a handler: in order for each key, many keys at a time. Its methods are safe
// for concurrent use.
type Consumer struct {
	brokers []string
	group   string
	topics  []string
	handler Handler
	cfg     ConsumerConfig
	log     *slog.Logger
	made    time.Time

	sched   *scheduler
	workers []*worker
	traces  *tracing
	metrics *consumerMetrics

	state      atomic.Int32
	client     atomic.Pointer[kgo.Client]
	member     chan struct{} // closed when client is there
	joined     atomic.Bool   // the group has taken us at least once
	dead       *deadLetterWriter
	partitions map[string]int32 // of the topics, at the start
	pattern    *regexp.Regexp   // of further topics; nil: none
	subscribed []string         // topics and their retry topics, at the start
	refused    patternLog       // topics that match and cannot be consumed
	polls      pollGate
	errs       errorLog
	writing    sync.WaitGroup // of dead letters that need more than one try, and of renewals
	closing    chan struct{}  // closed when that has to end

	renewals renewals

	stopping  chan struct{} // closed when the consumer begins to stop
	stoppedAt time.Time     // when that was
	commits   turn          // from the reading of marks to the answer, so that none comes late
	revokes   turn          // one revoke at a time, whoever asks for it
	pauseMu   sync.Mutex    // pausing and resuming of fetches
	fetching  map[topicPartition]bool

	nextDeadline time.Time // of the running handlers; guarded by the scheduler's mutex
}

// The states of a consumer, in their order.
const (
	stateNew int32 = iota
	stateStarting
	stateRunning
	stateDraining
	stateStopped
)

// ErrRunTwice is what [Consumer.Run] returns when it was called before.
var ErrRunTwice = errors.New("kafka: a consumer runs once")

// NewConsumer returns a consumer of the topics in the group. It connects to
// nothing: [Consumer.Run] does. The error names every fault of the arguments and
// the configuration.
func NewConsumer(brokers []string, group string, topics []string, handler Handler, cfg ConsumerConfig) (*Consumer, error) {
	cfg, err := cfg.resolve()
	faults := []error{checkBrokers(brokers), err}
	if group == "" {
		faults = append(faults, errors.New("group: no name given"))
	}
	if handler == nil {
		faults = append(faults, errors.New("handler: none given"))
	}
	pattern, err := cfg.pattern()
	faults = append(faults, err, checkTopics(topics, pattern != nil))
	if slices.Contains(topics, cfg.DeadLetterTopic) && cfg.DeadLetterTopic != "" {
		faults = append(faults, fmt.Errorf("DeadLetterTopic is %q, want a topic that is not consumed: its records would come back for ever", cfg.DeadLetterTopic))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, errors.InvalidArgument.Wrap(fmt.Errorf("kafka: new consumer of group %q: %w", group, err), "")
	}
	metrics, err := newConsumerMetrics(cfg.MeterProvider, group)
	if err != nil {
		return nil, fmt.Errorf("kafka: new consumer of group %q: make instruments: %w", group, err)
	}
	c := &Consumer{
		brokers: slices.Clone(brokers), group: group, topics: slices.Compact(slices.Sorted(slices.Values(topics))),
		handler: handler, cfg: cfg, log: cfg.Logger.With(slog.String(attrGroup, group)), made: time.Now(),
		sched:    newScheduler(cfg.limits(), cfg.OutageRatio, cfg.FloodRatio),
		traces:   newTracing(cfg.TracerProvider, cfg.Propagator, cfg.SpanLinks),
		metrics:  metrics,
		fetching: map[topicPartition]bool{},
		closing:  make(chan struct{}),
		member:   make(chan struct{}),
		stopping: make(chan struct{}),
		commits:  make(turn, 1),
		revokes:  make(turn, 1),
	}
	c.sched.plan = newRetryPlan(cfg)
	c.sched.items = c.newItems
	c.pattern = pattern
	c.errs.log = c.log
	c.polls.cond.L = &c.polls.mu
	policy.Register("consumer", group, c)
	return c, nil
}

func checkTopics(topics []string, pattern bool) error {
	if len(topics) == 0 && !pattern {
		return errors.New("topics: none given")
	}
	var faults []error
	for _, t := range topics {
		if !validTopic(t) {
			faults = append(faults, fmt.Errorf("topics: %q is no name that Kafka permits", t))
		}
	}
	return errors.Join(faults...)
}

// Run consumes until ctx ends. Then it takes nothing new, lets handlers finish
// within the drain timeout, commits, leaves the group, and returns nil. What was
// fetched and not begun goes to another member. From the end of ctx on it takes
// at most the drain timeout and eight seconds, whatever is wrong: handlers that do
// not return, brokers that do not answer, a rebalance at the same time.
//
// It returns an error when it cannot start, within the start timeout: no broker
// answers (code unavailable), a topic is missing, a dead-letter topic is
// compacted or the brokers belong to different clusters (failed_precondition), a
// permission is missing (permission_denied); when the group refuses the consumer
// for good; and when handlers do not return although their contexts ended
// (deadline_exceeded). A broker that goes away later is waited for.
//
// A consumer runs once; a second call returns [ErrRunTwice].
func (c *Consumer) Run(ctx context.Context) error {
	if !c.state.CompareAndSwap(stateNew, stateStarting) {
		return ErrRunTwice
	}
	defer c.state.Store(stateStopped)
	if err := c.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // It was told to stop before it had begun.
		}
		return fmt.Errorf("kafka: start consumer of group %q: %w", c.group, err)
	}
	stopObserving, err := c.metrics.observe(c)
	if err != nil {
		c.log.WarnContext(ctx, "gauges of the consumer are missing", errorAttr(err))
	}
	defer stopObserving()
	return c.consume(ctx)
}

// consume runs the consumer's goroutines until ctx ends or the group is lost.
func (c *Consumer) consume(ctx context.Context) error {
	var wg sync.WaitGroup
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	base := context.WithoutCancel(ctx)
	for range c.cfg.Workers {
		c.workers = append(c.workers, &worker{c: c, all: &wg, base: base})
	}
	for _, w := range c.workers {
		wg.Go(w.loop)
	}
	wg.Go(func() { c.keepTime(inner) })
	wg.Go(c.commitLoop)
	client, err := c.join()
	if err != nil {
		return c.shutDown(&wg, stop, err)
	}
	c.client.Store(client)
	close(c.member)
	c.state.Store(stateRunning)
	c.log.InfoContext(ctx, "consumer started", slog.Any("topics", c.topics), slog.Any("policy", c.cfg))
	c.discovering(ctx, client, func() { err = c.poll(ctx, client) })
	c.state.Store(stateDraining)
	return c.shutDown(&wg, stop, err)
}

// Client returns the client below, for what this package has no method for, or
// nil while Run does not run. It must not be closed, and offsets must not be
// committed with it.
func (c *Consumer) Client() *kgo.Client { return c.client.Load() }

// LogValue describes the consumer for /debug/sdk and log lines.
func (c *Consumer) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("group", c.group),
		slog.Any("topics", c.topics),
		slog.Any("config", c.cfg),
		slog.Any("status", c.Status()),
	)
}
