package resilience

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// A Backoff says how long to wait between attempts: exponentially longer, and at random, so that
// clients that failed together do not come back together. The zero value waits as
// https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/ recommends, with
// full jitter. It is a plain value, safe for concurrent use.
type Backoff struct {
	// Base is the upper bound of the first wait. Zero: 100 ms. Negative: no waits at all.
	Base time.Duration
	// Max is the upper bound of every wait. Zero: 2 s, or Base if that is longer. Negative: none.
	Max time.Duration
	// Factor is what the bound grows by with each attempt; at least 1. Zero: 2. Negative: 1, no growth.
	Factor float64
	// Jitter is the part of each wait that is random, from 0 to 1. Zero: 1, full jitter: a wait is
	// anything from nothing to its bound. Negative: none, a wait is its bound.
	Jitter float64
}

// Wait returns how long to wait after the given attempt, of which the first has the number 1; a
// smaller number counts as 1. The result is never negative and never greater than Max, however large
// the number is.
func (b Backoff) Wait(attempt int) time.Duration {
	b = b.withDefaults()
	bound := b.bound(attempt)
	part := b.randomPart(bound)
	return bound - part + upTo(part)
}

// Validate returns every fault of b, joined, or nil. Wait works on a faulty Backoff too: it reads a
// factor below 1 as 1, and a jitter outside 0 to 1 as the nearest of the two.
func (b Backoff) Validate() error {
	_, err := b.resolve()
	return err
}

// resolve returns b with its defaults, and every fault of b.
func (b Backoff) resolve() (Backoff, error) {
	var faults []error
	if b.Max > 0 && b.Base > b.Max {
		faults = append(faults, inField("Base", fmt.Errorf("%v is more than Max, %v", b.Base, b.Max)))
	}
	if b.Factor > 0 && b.Factor < 1 || math.IsNaN(b.Factor) || math.IsInf(b.Factor, 0) {
		faults = append(faults, inField("Factor", fmt.Errorf("%v is not a number of at least 1", b.Factor)))
	}
	if b.Jitter > 1 || math.IsNaN(b.Jitter) {
		faults = append(faults, inField("Jitter", fmt.Errorf("%v is not a number from 0 to 1", b.Jitter)))
	}
	return b.withDefaults(), errors.Join(faults...)
}

// withDefaults maps every field to a value that it maps to itself, so it may be applied twice.
func (b Backoff) withDefaults() Backoff {
	switch {
	case b.Base == 0:
		b.Base = 100 * time.Millisecond
	case b.Base < 0:
		b.Base = -1
	}
	switch {
	case b.Max == 0:
		b.Max = max(2*time.Second, b.Base)
	case b.Max < 0:
		b.Max = math.MaxInt64
	}
	switch {
	case b.Factor == 0:
		b.Factor = 2
	case !(b.Factor >= 1): // also NaN
		b.Factor = 1
	}
	switch {
	case b.Jitter == 0 || b.Jitter > 1 || math.IsNaN(b.Jitter):
		b.Jitter = 1
	case b.Jitter < 0:
		b.Jitter = -1
	}
	return b
}

// bound works in floating point, which saturates where integers wrap around.
func (b Backoff) bound(attempt int) time.Duration {
	if b.Base < 0 {
		return 0
	}
	bound := float64(b.Base) * math.Pow(b.Factor, float64(max(attempt, 1)-1))
	if bound >= float64(b.Max) {
		return b.Max
	}
	return time.Duration(bound)
}

func (b Backoff) randomPart(bound time.Duration) time.Duration {
	switch {
	case b.Jitter < 0:
		return 0
	case b.Jitter == 1:
		return bound
	}
	return time.Duration(float64(bound) * b.Jitter)
}

// upTo returns a random duration from 0 to d, d excluded.
func upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}
