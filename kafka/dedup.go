package kafka

import (
	"context"
	"fmt"
	"sync"
)

// DedupStore remembers which records took effect. The example of [Deduplicate]
// has one on a database.
//
// How long: as long as a record may come again. That is the retention of its
// topic, and for dead letters that are put back theirs after it, 30 days where
// nothing else is said ([ConsumerConfig.DeadLetterRetention]). An ID that was
// forgotten is an effect that happens twice.
//
// Of what: of one consumer group, for the IDs do not name it, and of one life of
// a topic. A topic that is deleted and made anew, or that of another cluster,
// counts its offsets from 0 again: its records have IDs that the store has seen,
// and would be taken for done. Remove the topic's IDs with the topic.
type DedupStore interface {
	// Once runs effect unless the record with this ID took effect before, and
	// remembers the ID if and only if effect returned nil. When the ID is
	// known it returns nil without running effect. It returns effect's error as
	// it is, and an error of its own when it cannot tell; one with a code such
	// as unavailable makes the record be tried again.
	//
	// The effect happens once only as far as remembering the ID and the effect
	// are one: a store on a database opens a transaction, inserts the ID into a
	// table with a unique index, runs effect with the transaction in its
	// context, and commits. An effect elsewhere, a call to another service say,
	// happens again when the process ends between the effect and the commit:
	// give that service the ID as its idempotency key.
	//
	// Calls are concurrent, and not of one process alone: while a partition
	// moves, its old owner may still be in effect when the new one begins with
	// the same record. The second call with an ID that is under way has to wait
	// for the first, as a unique index does.
	Once(ctx context.Context, id ID, effect func(context.Context) error) error
}

// Deduplicate returns a handler that runs the given one once per [Record.ID],
// as far as the store is able to: a record that is delivered again, after a
// crash, a rebalance or a redrive, is done without being handled. A record that
// its producer published twice is two records, with two IDs.
//
// A handler that fails has taken no effect, and what the store remembers is not
// touched: the record is tried again, and as a dead letter it may be put back.
func Deduplicate(store DedupStore, handler Handler) Handler {
	return func(ctx context.Context, r *Record) error {
		return store.Once(ctx, r.ID(), func(ctx context.Context) error { return handler(ctx, r) })
	}
}

// MemoryDedupStore is a [DedupStore] in memory, for tests, demonstrations and
// handlers whose effect is in the same memory. It forgets everything when the
// process ends, and the oldest IDs beyond its capacity. It is safe for
// concurrent use.
type MemoryDedupStore struct {
	mu       sync.Mutex
	capacity int
	done     map[ID]struct{}
	order    []ID // ring of done, oldest at next once it is full
	next     int
	running  map[ID]chan struct{}
}

// NewMemoryDedupStore returns an empty store that remembers the last capacity
// IDs; zero or less: 100,000.
func NewMemoryDedupStore(capacity int) *MemoryDedupStore {
	if capacity <= 0 {
		capacity = 100_000
	}
	return &MemoryDedupStore{capacity: capacity, done: map[ID]struct{}{}, running: map[ID]chan struct{}{}}
}

// Once implements [DedupStore]. A second call with an ID that is under way
// waits for the first until its context ends.
func (s *MemoryDedupStore) Once(ctx context.Context, id ID, effect func(context.Context) error) error {
	for {
		s.mu.Lock()
		if _, ok := s.done[id]; ok {
			s.mu.Unlock()
			return nil
		}
		first, busy := s.running[id]
		if !busy {
			s.running[id] = make(chan struct{})
			s.mu.Unlock()
			return s.run(ctx, id, effect)
		}
		s.mu.Unlock()
		select {
		case <-first:
		case <-ctx.Done():
			return fmt.Errorf("wait for record %v, which is being handled: %w", id, ctx.Err())
		}
	}
}

func (s *MemoryDedupStore) run(ctx context.Context, id ID, effect func(context.Context) error) (err error) {
	succeeded := false // stays false when effect panics
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.running[id])
		delete(s.running, id)
		if succeeded {
			s.remember(id)
		}
	}()
	err = effect(ctx)
	succeeded = err == nil
	return err
}

func (s *MemoryDedupStore) remember(id ID) {
	if len(s.order) < s.capacity {
		s.order = append(s.order, id)
	} else {
		delete(s.done, s.order[s.next])
		s.order[s.next] = id
		s.next = (s.next + 1) % s.capacity
	}
	s.done[id] = struct{}{}
}

// Len returns how many IDs the store remembers.
func (s *MemoryDedupStore) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.done)
}
