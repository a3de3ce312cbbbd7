package resilience

import (
	"time"

	"github.com/sony/gobreaker/v2"
)

// A State is what a [Breaker] does with calls.
type State uint8

const (
	// Closed: calls go out.
	Closed State = iota
	// HalfOpen: a few calls go out as probes, the others are refused.
	HalfOpen
	// Open: calls are refused.
	Open
)

// String returns "closed", "half_open" or "open".
func (s State) String() string {
	return [...]string{"closed", "half_open", "open"}[min(s, Open)]
}

// A Transition is one change of a breaker's state.
type Transition struct {
	Breaker  string // the breaker's name
	From, To State
	Calls    int           // counted in the window, where the breaker opened from closed; else 0
	Failures int           // of these
	OpenFor  time.Duration // until the next probe, where To is Open; else 0
}

func stateFrom(s gobreaker.State) State {
	switch s {
	case gobreaker.StateOpen:
		return Open
	case gobreaker.StateHalfOpen:
		return HalfOpen
	}
	return Closed
}
