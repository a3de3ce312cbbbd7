package kafka_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/backend-platform/sdk/kafka"
)

// ledger is what handlers saw, of records whose values are numbers.
type ledger struct {
	t *testing.T

	mu    sync.Mutex
	tries map[string]int
	done  map[string]bool
	last  map[string]int // number of the last record of a key that was handled first
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, tries: map[string]int{}, done: map[string]bool{}, last: map[string]int{}}
}

// handle notes an attempt. decide says what becomes of it; the order of what is
// handled for the first time is checked.
func (l *ledger) handle(r *kafka.Record, decide func(n, try int) error) error {
	n, _ := strconv.Atoi(string(r.Value))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries[string(r.Value)]++
	if decide != nil {
		if err := decide(n, l.tries[string(r.Value)]); err != nil {
			return err
		}
	}
	if !l.done[string(r.Value)] {
		l.done[string(r.Value)] = true
		if last, ok := l.last[string(r.Key)]; ok && n < last {
			l.t.Errorf("key %s: record %d was first handled after %d", r.Key, n, last)
		}
		l.last[string(r.Key)] = n
	}
	return nil
}

// handleUnordered notes what is handled, in whatever order.
func (l *ledger) handleUnordered(r *kafka.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[string(r.Value)] = true
	return nil
}

func (l *ledger) handled() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.done)
}

func (l *ledger) attempts(value string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries[value]
}
