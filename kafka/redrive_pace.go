package kafka

import (
	"context"
	"time"
)

// redrivePacer spreads the work over time without a goroutine: it knows when the next
// batch is due.
type redrivePacer struct {
	rate int // Per second; zero or negative: no limit.
	due  time.Time
}

// atMost cuts a batch so that the rate holds within a tenth of a second.
func (p *redrivePacer) atMost(n int) int {
	if p.rate <= 0 {
		return n
	}
	return min(n, max(1, p.rate/10))
}

func (p *redrivePacer) wait(ctx context.Context, n int) error {
	if p.rate <= 0 {
		return nil
	}
	now := time.Now()
	if p.due.Before(now) {
		p.due = now
	}
	wait := p.due.Sub(now)
	p.due = p.due.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	return sleepContext(ctx, wait)
}
