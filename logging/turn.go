package logging

import "sync/atomic"

// A turn is a lock that those who wait for it may give up, as a [sync.Mutex] is not. Its zero value is
// not ready; see newTurn.
type turn struct {
	state atomic.Int32
	wake  chan struct{} // holds one call at most: who comes too early waits again
}

const (
	free   = iota
	taken  // and nobody waits
	waited // taken, and somebody may wait
)

func newTurn() *turn { return &turn{wake: make(chan struct{}, 1)} }

// take returns true when it is the caller's turn, or false if giveUp is closed before.
func (t *turn) take(giveUp <-chan struct{}) bool {
	if t.state.CompareAndSwap(free, taken) {
		return true
	}
	for t.state.Swap(waited) != free {
		select {
		case <-t.wake:
		case <-giveUp:
			return false
		}
	}
	return true
}

func (t *turn) leave() {
	if t.state.Swap(free) == waited {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}
