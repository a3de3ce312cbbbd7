package service

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// cause is why a service stops.
type cause struct {
	text string
	err  error // nil: an end as wanted
	// quick leaves the drain delay out: a person waits, or nobody can come any more.
	quick bool
}

// halt is the stop as it was asked for. The first cause counts.
type halt struct {
	once    sync.Once
	begun   chan struct{}
	cause   cause // written before begun is closed
	hurry   context.Context
	hurried context.CancelFunc // ends every wait
}

func newHalt() *halt {
	h := &halt{begun: make(chan struct{})}
	h.hurry, h.hurried = context.WithCancel(context.Background())
	return h
}

func (h *halt) begin(c cause) {
	h.once.Do(func() {
		h.cause = c
		close(h.begun)
	})
}

// isBegun reports whether somebody has asked.
func (h *halt) isBegun() bool {
	select {
	case <-h.begun:
		return true
	default:
		return false
	}
}

// watch turns signals and the end of ctx into a stop, until over is closed.
func (h *halt) watch(ctx context.Context, signals <-chan os.Signal, over <-chan struct{}) {
	ended := ctx.Done()
	for seen := 0; ; {
		select {
		case <-ended:
			ended = nil
			h.begin(cause{text: fmt.Sprintf("the context ended: %v", context.Cause(ctx))})
		case sig := <-signals:
			seen++
			if seen > 1 {
				h.hurried()
			}
			h.begin(cause{text: fmt.Sprintf("signal: %v", sig), quick: sig == os.Interrupt})
		case <-over:
			return
		}
	}
}

// lastGrace is how long something that was told to end at once has to say so.
const lastGrace = 100 * time.Millisecond

// within waits for done, at most for d, and after a second signal for a moment only. It reports whether done came.
func (h *halt) within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return isClosed(done)
	case <-h.hurry.Done():
	}
	grace := time.NewTimer(lastGrace)
	defer grace.Stop()
	select {
	case <-done:
		return true
	case <-grace.C:
		return isClosed(done)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
