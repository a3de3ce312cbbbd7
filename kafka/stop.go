package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// How long a stop may take, step by step. Each step ends at the latest where its
// sum with those before says, counted from the moment that Run is told to stop, so
// that a revoke that is under way at that moment adds nothing:
//
//	handlers finish               DrainTimeout   10 s
//	contexts ended, they return   endGrace       11 s
//	offsets are committed         stopCommit     14 s
//	the group is left             stopLeave      15 s
//	goroutines are waited for     endGrace       16 s
//	the client closes             stopClose      18 s
//
// The client closes its fetch sessions, then hands in its metrics: a second each, and
// with brokers that are silent it waits for more (kgo's Client.Close; 91 s were
// seen). A service gets 30 s from Kubernetes, of which load balancers take 5 s before
// the stop, and telemetry 3 s after it.
const (
	endGrace   = time.Second
	stopCommit = 3 * time.Second
	stopLeave  = time.Second
	stopClose  = 2 * time.Second
)

// shutDown finishes what is in flight, leaves the group and waits for every
// goroutine. cause is why the consumer stops, if not because it was told to.
func (c *Consumer) shutDown(wg *sync.WaitGroup, stop context.CancelFunc, cause error) error {
	c.stoppedAt = time.Now()
	close(c.stopping)
	client := c.client.Load()
	if client != nil {
		c.giveUp(c.assigned(), true)
		ctx, cancel := context.WithTimeout(context.Background(), stopLeave)
		if err := c.leave(ctx, client); err != nil {
			c.log.Warn("left the consumer group without telling it; its partitions move when the session times out", errorAttr(err))
		}
		cancel()
	}
	c.sched.mu.Lock()
	c.sched.closeLocked()
	c.sched.mu.Unlock()
	stop()
	close(c.closing)
	stuck := c.await(wg)
	if client != nil && !within(stopClose, func() { client.Close(); c.writing.Wait() }) {
		c.log.Warn("the client of the brokers did not close in time: they do not answer; it is left to its timeouts")
	}
	c.client.Store(nil)
	c.log.Info("consumer stopped", slog.Uint64("handled", c.Status().Handled))
	return errors.Join(cause, stuck)
}

// leave takes the consumer out of its group. For a static member that the brokers
// assign partitions to, kgo 1.22.2 forgets to name the instance, and the brokers
// would refuse its restart until the session ends: the same is said once more.
func (c *Consumer) leave(ctx context.Context, client *kgo.Client) error {
	member, _ := client.GroupMetadata()
	err := client.LeaveGroupContext(ctx)
	if c.cfg.GroupProtocol != ConsumerProtocol || c.cfg.InstanceID == "" || !errors.Is(err, kerr.InvalidRequest) {
		return err
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.InstanceID = c.group, member, &c.cfg.InstanceID
	req.MemberEpoch = -2 // for a while: its partitions are kept (KIP-848)
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	return err
}

// bounded returns a context that ends after the limit, or when the consumer has
// been stopping for inStop, whatever is earlier.
func (c *Consumer) bounded(limit, inStop time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	go func() {
		select {
		case <-c.stopping:
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(time.Until(c.stoppedAt.Add(inStop)))
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// await waits for the goroutines, but not for ever for a handler that ignores
// its context.
func (c *Consumer) await(wg *sync.WaitGroup) error {
	if within(endGrace, wg.Wait) {
		return nil
	}
	c.sched.mu.Lock()
	defer c.sched.mu.Unlock()
	var ids []string
	for _, w := range c.workers {
		if d, _ := w.holdsLocked(); d != nil {
			ids = append(ids, d.ID().String())
		}
	}
	return errors.DeadlineExceeded.Wrap(fmt.Errorf("kafka: stop consumer of group %q: handlers did not return after their contexts ended, of the records %q", c.group, ids), "")
}

// within calls f and reports whether it returned within the time.
func within(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// turn is a lock whose holder may itself wait for a broker: those who wait for it
// say for how long.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try takes the turn if nobody has it.
func (t turn) try() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

// free reports whether nobody has the turn.
func (t turn) free() bool { return len(t) == 0 }

func (t turn) leave() { <-t }
