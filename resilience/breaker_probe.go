package resilience

import (
	"slices"
	"time"
)

// probe is a call that a half-open breaker let out.
type probe struct{ since time.Time }

func (b *Breaker) acquireProbe() (p permit, err error) {
	b.mu.Lock()
	defer b.announce()
	defer b.mu.Unlock()
	b.core.State() // makes an open core whose time is up half-open
	phase := b.phase.Load()
	switch stateOf(phase) {
	case Closed:
		return permit{phase: phase}, nil
	case Open:
		b.rejected.Add(1)
		return permit{}, b.refusal.Load()
	}
	now := time.Now()
	b.forgetOverdue(now)
	if len(b.probes)+b.passed >= b.cfg.Probes {
		b.rejected.Add(1)
		return permit{}, &OpenError{breaker: b.name, state: HalfOpen, until: now.Add(b.probeWait(now))}
	}
	p = permit{phase: phase, probe: &probe{since: now}}
	b.probes = append(b.probes, p.probe)
	return p, nil
}

// forgetOverdue takes the places of probes that hang.
func (b *Breaker) forgetOverdue(now time.Time) {
	if b.cfg.ProbeTimeout < 0 {
		return
	}
	b.probes = slices.DeleteFunc(b.probes, func(p *probe) bool {
		return now.Sub(p.since) >= b.cfg.ProbeTimeout
	})
}

// probeWait is how long it is until a place is free for certain, but no longer than is reasonable.
func (b *Breaker) probeWait(now time.Time) time.Duration {
	if b.cfg.ProbeTimeout < 0 || len(b.probes) == 0 {
		return halfOpenRetryAfter
	}
	return min(b.probes[0].since.Add(b.cfg.ProbeTimeout).Sub(now), halfOpenRetryAfter)
}

// returned gives back a probe's place. It is false for one that was overdue.
func (b *Breaker) returned(p *probe) bool {
	if p == nil {
		return true
	}
	i := slices.Index(b.probes, p)
	if i < 0 {
		return false
	}
	b.probes = slices.Delete(b.probes, i, i+1)
	return true
}
