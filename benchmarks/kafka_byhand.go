package main

import (
	"context"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// keysByHand is what a team would write on kgo that wants what the SDK's consumer promises while nothing fails: the records of
// a key in their order, 64 keys at a time, each handler with a timeout and its panic caught, and no offset committed before
// all records up to it are done. It has no retries, no dead letters, no bound of memory, no rebalancing in peace, no
// telemetry: what is left is the floor of that promise. Workers get what a poll brought them as one slice.
func keysByHand(ctx context.Context, c *consumption) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumerGroup(c.group()), kgo.ConsumeTopics(c.topic), kgo.AutoCommitMarks())
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := c.until(ctx)
	defer cancel()
	h := &madeByHand{c: c, client: client, offsets: map[int32]*handTracker{}}
	var wg sync.WaitGroup
	for i := range h.workers {
		h.workers[i] = make(chan []*kgo.Record, 5)
		wg.Go(func() { h.work(ctx, h.workers[i]) })
	}
	for ctx.Err() == nil {
		h.distribute(ctx, client.PollFetches(ctx))
	}
	wg.Wait()
	return client.CommitMarkedOffsets(context.WithoutCancel(ctx))
}

type madeByHand struct {
	c       *consumption
	client  *kgo.Client
	workers [64]chan []*kgo.Record
	mu      sync.RWMutex
	offsets map[int32]*handTracker
}

var keySeed = maphash.MakeSeed()

func (h *madeByHand) distribute(ctx context.Context, fetches kgo.Fetches) {
	var shares [64][]*kgo.Record
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) > 0 {
			h.track(p.Partition, p.Records[0])
		}
		for _, r := range p.Records {
			i := maphash.Bytes(keySeed, r.Key) % uint64(len(shares))
			shares[i] = append(shares[i], r)
		}
	})
	for i, records := range shares {
		if len(records) == 0 {
			continue
		}
		select {
		case h.workers[i] <- records:
		case <-ctx.Done():
			return
		}
	}
}

func (h *madeByHand) work(ctx context.Context, batches <-chan []*kgo.Record) {
	for {
		select {
		case <-ctx.Done():
			return
		case records := <-batches:
			for _, r := range records {
				if ctx.Err() != nil {
					return
				}
				if err := h.handle(ctx); err == nil {
					h.done(r)
				}
			}
		}
	}
}

func (h *madeByHand) handle(ctx context.Context) (err error) {
	_, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	h.c.one()
	return nil
}

// handTracker knows which records of a partition are done.
type handTracker struct {
	mu   sync.Mutex
	next int64 // all before it are done
	done map[int64]*kgo.Record
}

func (h *madeByHand) track(partition int32, first *kgo.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.offsets[partition] == nil {
		h.offsets[partition] = &handTracker{next: first.Offset, done: map[int64]*kgo.Record{}}
	}
}

// done marks the last record before the first that is not done.
func (h *madeByHand) done(r *kgo.Record) {
	h.mu.RLock()
	t := h.offsets[r.Partition]
	h.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done[r.Offset] = r
	var last *kgo.Record
	for {
		r, ok := t.done[t.next]
		if !ok {
			break
		}
		delete(t.done, t.next)
		last = r
		t.next++
	}
	if last != nil {
		h.client.MarkCommitRecords(last)
	}
}

// anyOrder has so many goroutines that take the next record whatever its key, and tracks no offsets: the floor of as many
// handlers that sleep while records are fetched.
func anyOrder(workers int) reader {
	return func(ctx context.Context, c *consumption) error {
		client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumerGroup(c.group()), kgo.ConsumeTopics(c.topic), kgo.DisableAutoCommit())
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, cancel := c.until(ctx)
		defer cancel()
		records := make(chan *kgo.Record, workers)
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range records {
					c.one()
				}
			})
		}
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				select {
				case records <- r:
				case <-ctx.Done():
				}
			})
		}
		close(records)
		wg.Wait()
		return nil
	}
}
