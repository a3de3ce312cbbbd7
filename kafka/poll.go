package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// join creates the client that is a member of the group and writes the dead
// letters. Rebalances are not blocked by polls: the client's own way of doing
// so (BlockRebalanceOnPoll) would stop all polls while one partition drains.
func (c *Consumer) join() (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(c.group),
		kgo.ConsumeTopics(c.topics...),
		kgo.FetchMaxWait(fetchMaxWait),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(sessionTimeout),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(c.onAssigned),
		kgo.OnPartitionsRevoked(c.onRevoked),
		kgo.OnPartitionsLost(c.onLost),
	}
	if c.cfg.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.cfg.InstanceID))
	}
	opts = append(opts, c.startOptions()...)
	opts = append(opts, deadLetterOptions()...)
	client, err := c.cfg.Connection.newClient(c.brokers, c.log, opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka: join group %q: %w", c.group, err)
	}
	return client, nil
}

// fetchMaxWait is how long a broker may hold a fetch that finds nothing: Java's
// fetch.max.wait.ms. A partition whose fetching is resumed waits for the fetch
// that is under way, with kgo's default of 5 s noticeably so.
const fetchMaxWait = 500 * time.Millisecond

// poll fetches records and hands them to the scheduler until ctx ends or the
// group refuses the consumer for good. It waits for room, never for a handler.
func (c *Consumer) poll(ctx context.Context, client *kgo.Client) error {
	s := c.sched
	for ctx.Err() == nil {
		s.mu.Lock()
		room := s.roomLocked()
		s.mu.Unlock()
		if room == 0 {
			select {
			case <-s.room:
			case <-ctx.Done():
			}
			continue
		}
		pollCtx, done := c.polls.enter(ctx)
		fetches := client.PollRecords(pollCtx, room)
		err := c.dispatch(fetches)
		done()
		if err != nil {
			return err
		}
	}
	return nil
}

// dispatch hands over what was fetched. It returns an error that ends the
// consumer.
func (c *Consumer) dispatch(fetches kgo.Fetches) (fatal error) {
	fetches.EachPartition(func(ftp kgo.FetchTopicPartition) {
		if ftp.Err != nil {
			if err := c.fetchFailed(ftp); err != nil {
				fatal = err
			}
		}
		if len(ftp.Records) > 0 || ftp.HighWatermark > 0 {
			c.offer(ftp)
		}
	})
	return fatal
}

// offer takes the records of one partition into flight.
func (c *Consumer) offer(ftp kgo.FetchTopicPartition) {
	items := make([]*item, len(ftp.Records))
	for i, r := range ftp.Records {
		items[i] = c.newItem(r)
	}
	s := c.sched
	tp := topicPartition{ftp.Topic, ftp.Partition}
	taken := int64(0)
	s.mu.Lock()
	p := s.parts[tp]
	for _, it := range items {
		if s.offerLocked(p, it) {
			taken++
		}
	}
	if p != nil {
		p.highWatermark = ftp.HighWatermark
	}
	if s.idle > 0 && s.ready.size > 0 {
		s.work.Signal()
	}
	s.mu.Unlock()
	if taken > 0 {
		c.metrics.consumed.Add(context.Background(), taken, p.describe.topic...)
	}
}

// newItem copies a record out of the client's batch; keys, values and header
// values still point into it.
func (c *Consumer) newItem(r *kgo.Record) *item {
	it := &item{source: r, size: int64(len(r.Key) + len(r.Value))}
	d := &it.delivery
	d.group = c.group
	d.Record = recordOf(r)
	for i := range d.Headers {
		it.size += int64(len(d.Headers[i].Key) + len(d.Headers[i].Value))
	}
	return it
}

func recordOf(r *kgo.Record) Record {
	record := Record{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
		Key: r.Key, Value: r.Value, Timestamp: r.Timestamp,
	}
	if len(r.Headers) > 0 {
		record.Headers = make([]Header, len(r.Headers))
		for i, h := range r.Headers {
			record.Headers[i] = Header(h)
		}
	}
	return record
}

// fetchFailed logs an error of a fetch. The client tries again by itself; only a
// group that refuses the consumer for good, or a closed client, ends it.
func (c *Consumer) fetchFailed(ftp kgo.FetchTopicPartition) (fatal error) {
	err := ftp.Err
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if errors.Is(err, kgo.ErrClientClosed) { // We close it when polling is over.
		return errors.FailedPrecondition.Wrap(fmt.Errorf("kafka: the client of consumer group %q was closed from outside: %w", c.group, err), "")
	}
	if session, ok := errors.AsType[*kgo.ErrGroupSession](err); ok && refusedForGood(session.Err, c.joined.Load()) {
		return fmt.Errorf("kafka: consumer group %q refuses the consumer: %w", c.group, groupError(session.Err))
	}
	c.errs.note(ftp.Topic+"/"+strconv.Itoa(int(ftp.Partition)), "fetching records failed, will be tried again",
		slog.String(attrTopic, ftp.Topic), slog.Int(attrPartition, int(ftp.Partition)), slog.Any("error", err))
	return nil
}

// refusedForGood reports whether joining the group again cannot help. A member
// whose password or rights are being replaced waits until they are: it would have
// to be started again for something that ends by itself.
func refusedForGood(err error, joined bool) bool {
	is := func(target error) bool { return errors.Is(err, target) }
	if is(kerr.GroupAuthorizationFailed) || is(kerr.SaslAuthenticationFailed) {
		return !joined
	}
	return slices.ContainsFunc([]error{
		kerr.InconsistentGroupProtocol, kerr.InvalidGroupID, kerr.FencedInstanceID, kerr.InvalidSessionTimeout, kerr.UnsupportedVersion,
	}, is)
}

func groupError(err error) error {
	if errors.Is(err, kerr.InconsistentGroupProtocol) {
		return errors.FailedPrecondition.Wrap(fmt.Errorf("its members use another protocol: %w", err), "")
	}
	return coded(err)
}

// pollGate lets a revoke wait until records that a poll has taken from the
// client are handed over: the client promises that polls which begin after the
// revoke's callback do not return the revoked partitions, and no more.
type pollGate struct {
	mu      sync.Mutex
	cond    sync.Cond
	cancel  context.CancelFunc // of the poll that runs; nil without one
	entered uint64
}

// enter begins a poll. The returned function ends it, after its records are
// handed over.
func (g *pollGate) enter(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	g.mu.Lock()
	g.cancel = cancel
	g.entered++
	g.mu.Unlock()
	return ctx, func() {
		cancel()
		g.mu.Lock()
		g.cancel = nil
		g.mu.Unlock()
		g.cond.Broadcast()
	}
}

// settle waits for the poll that runs, if there is one, and cuts its waiting
// short.
func (g *pollGate) settle() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for running := g.entered; g.cancel != nil && g.entered == running; {
		g.cancel()
		g.cond.Wait()
	}
}

// errorLog writes the same line at most every ten seconds.
type errorLog struct {
	mu   sync.Mutex
	last map[string]time.Time
	log  *slog.Logger
}

func (l *errorLog) note(key, msg string, attrs ...slog.Attr) {
	if l.due(key) {
		l.log.LogAttrs(context.Background(), slog.LevelWarn, msg, attrs...)
	}
}

// due reports whether the line with the key is to be written now.
func (l *errorLog) due(key string) bool {
	const every = 10 * time.Second
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil || len(l.last) > 10_000 {
		l.last = map[string]time.Time{}
	}
	if last, ok := l.last[key]; ok && now.Sub(last) < every {
		return false
	}
	l.last[key] = now
	return true
}
