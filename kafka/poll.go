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
		kgo.ConsumeTopics(c.subscribed...),
		kgo.FetchMaxWait(fetchMaxWait),
		kgo.FetchMaxBytes(fetchMaxBytes),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(sessionTimeout),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(c.onAssigned),
		kgo.OnPartitionsRevoked(c.onRevoked),
		kgo.OnPartitionsLost(c.onLost),
	}
	if c.cfg.GroupProtocol == ConsumerProtocol {
		opts = append(opts, kgo.ServerSideBalancer())
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

// fetchMaxBytes bounds one fetch from a broker. Two are in memory: one is being
// handled, the next is under way.
const fetchMaxBytes = 16 << 20

// poll fetches records and hands them to the scheduler until ctx ends or the
// group refuses the consumer for good. It waits for room, never for a handler.
func (c *Consumer) poll(ctx context.Context, client *kgo.Client) error {
	var in intake
	s := c.sched
	for ctx.Err() == nil {
		s.mu.Lock()
		room := s.roomLocked()
		in.hasty = s.hastyLocked()
		p, records := in.takeLocked(room)
		s.full = room == 0
		s.sated = p == nil && room > 0 && s.satedLocked(&in)
		enough := p == nil && (room == 0 || in.crammed()) || s.sated
		if p == nil && room > 0 {
			s.awaitLocked(in.due)
		}
		s.mu.Unlock()
		if in.changed {
			in.changed = false
			c.applyFetching()
		}
		if len(in.cut) > 0 && c.rewind(client, in.cut) {
			in.cut = nil
		}
		switch {
		case p != nil:
			c.offer(p, records)
		case enough:
			select {
			case <-s.room:
			case <-ctx.Done():
			}
		default:
			if err := c.fetch(ctx, client, &in, room); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetch fetches into the intake. It returns an error that ends the consumer.
func (c *Consumer) fetch(ctx context.Context, client *kgo.Client, in *intake, room int) (fatal error) {
	ctx, done := c.polls.enter(ctx)
	defer done()
	if len(in.cut) > 0 && c.revokes.free() {
		return nil
	}
	s := c.sched
	s.mu.Lock()
	if in.readyLocked() {
		s.mu.Unlock()
		return nil // Fetching of a partition was resumed meanwhile.
	}
	s.awaitLocked(in.due) // Or one gathers only now.
	if in.crammed() {
		s.mu.Unlock()
		return nil
	}
	if s.pause == nil && in.bytes+s.bytes < s.limits.bytes {
		room = -1 // All that the client holds: then it fetches again meanwhile.
	}
	s.mu.Unlock()
	client.PollRecords(ctx, room).EachPartition(func(ftp kgo.FetchTopicPartition) {
		if ftp.Err != nil {
			if err := c.fetchFailed(ftp); err != nil {
				fatal = err
			}
		}
		c.receive(in, ftp)
	})
	return fatal
}

// receive takes in what was fetched of one partition, for its assignment of now.
func (c *Consumer) receive(in *intake, ftp kgo.FetchTopicPartition) {
	if len(ftp.Records) == 0 && ftp.HighWatermark <= 0 {
		return
	}
	s := c.sched
	tp := topicPartition{ftp.Topic, ftp.Partition}
	s.mu.Lock()
	p := s.parts[tp]
	if p == nil {
		s.mu.Unlock()
		return
	}
	from, overtaken := p.proceedLocked(ftp)
	p.highWatermark = ftp.HighWatermark
	in.add(p, in.keep(p, ftp.Records))
	in.hoardLocked(p)
	s.mu.Unlock()
	if overtaken {
		c.logLoss(tp, from, ftp.LogStartOffset)
	}
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
	if loss, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
		c.logLoss(topicPartition{loss.Topic, loss.Partition}, min(loss.ConsumedTo, loss.ResetTo), max(loss.ConsumedTo, loss.ResetTo))
		return nil
	}
	c.rest(topicPartition{ftp.Topic, ftp.Partition})
	if errors.Is(err, kerr.UnknownTopicID) {
		c.writing.Go(func() { c.renew(ftp.Topic) })
	}
	c.errs.note(ftp.Topic+"/"+strconv.Itoa(int(ftp.Partition)), "fetching records failed, will be tried again",
		slog.String(attrTopic, ftp.Topic), slog.Int(attrPartition, int(ftp.Partition)), errorAttr(err))
	return nil
}

// refusedForGood reports whether joining the group again cannot help. A member
// whose password or rights are being replaced waits until they are: it would have
// to be started again for something that ends by itself.
func refusedForGood(err error, joined bool) bool {
	is := func(target error) bool { return errors.Is(err, target) }
	if is(kerr.GroupAuthorizationFailed) || is(kerr.SaslAuthenticationFailed) || is(kerr.GroupIDNotFound) {
		return !joined
	}
	return slices.ContainsFunc([]error{
		kerr.InconsistentGroupProtocol, kerr.InvalidGroupID, kerr.FencedInstanceID, kerr.InvalidSessionTimeout, kerr.UnsupportedVersion,
	}, is)
}

func groupError(err error) error {
	switch {
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		return errors.FailedPrecondition.Wrap(fmt.Errorf("its members use another protocol: %w", err), "")
	case errors.Is(err, kerr.GroupIDNotFound):
		return errors.FailedPrecondition.Wrap(fmt.Errorf("it is a group of another type: %w", err), "")
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

// cut ends the waiting of the poll that runs, if there is one.
func (g *pollGate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cancel != nil {
		g.cancel()
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
