package kafka

import (
	"testing"
	"time"
)

// probing is a bench with two partitions of five records each, in an outage, and its probe.
func probing(t *testing.T) (*bench, *item) {
	t.Helper()
	b := newBench(t, limits{records: 100, bytes: 1 << 20, ahead: 400, probeFirst: time.Second, probeMax: 30 * time.Second})
	for i := range int64(10) {
		b.offer(int(i%2), i/2, 1)
	}
	b.pauseLocked(PausedByOutage, unavailable.err, b.now)
	b.now = b.now.Add(time.Second)
	probe := b.pickLocked(b.now)
	if probe == nil || b.pickLocked(b.now) != nil {
		t.Fatal("there is no probe, or more than one")
	}
	return b, probe
}

// until lets the clock tick until it says that it need not, at most for the time.
func (b *bench) until(d time.Duration) {
	for end := b.now.Add(d); b.now.Before(end); {
		_, next := b.tickLocked(b.now)
		if next.IsZero() || next.After(end) {
			next = end
		}
		if !next.After(b.now) {
			b.t.Fatalf("the clock is to come back at once, again and again")
		}
		b.now = next
	}
}

// Pitfall: a handler that ignores its context held up all others when its record was the
// probe of a pause.
func TestAProbeThatDoesNotEndIsFollowedByAnother(t *testing.T) {
	b, _ := probing(t)
	for range 3 {
		b.until(29 * time.Second)
		if b.pickLocked(b.now) != nil {
			t.Error("the next probe does not wait for the one before")
		}
		b.until(31 * time.Second)
		if b.pickLocked(b.now) == nil {
			t.Fatal("no record is tried after a minute, because a handler hangs")
		}
	}
}

// One that succeeds late shows that all is well again; one that fails late says
// nothing about the probe that is under way.
func TestAProbeThatIsLateCounts(t *testing.T) {
	for name, c := range map[string]struct {
		late    failure
		resumed bool
	}{"success": {failure{}, true}, "failure": {unavailable, false}} {
		t.Run(name, func(t *testing.T) {
			b, late := probing(t)
			b.until(time.Minute)
			second := b.pickLocked(b.now)
			if second == nil {
				t.Fatal("there is no second probe")
			}
			interval := b.pause.interval
			v := b.finishLocked(late, c.late, b.now)
			if (v.resumed != nil) != c.resumed {
				t.Errorf("goes on: %v, want %v", v.resumed != nil, c.resumed)
			}
			if c.resumed {
				return
			}
			if b.pause.probe != second || b.pause.interval != interval || late.attempts != 0 {
				t.Errorf("the second probe is under way: %v; interval %v, was %v; %d attempts are charged", b.pause.probe == second, b.pause.interval, interval, late.attempts)
			}
			if v := b.finishLocked(second, failure{}, b.now); v.resumed == nil {
				t.Error("the second probe does not end the pause")
			}
		})
	}
}

// A probe whose partition is given up leaves its place at once.
func TestAProbeOfARevokedPartitionIsFollowedByAnother(t *testing.T) {
	b, probe := probing(t)
	b.revokeLocked([]topicPartition{probe.part.topicPartition})
	b.until(time.Second)
	next := b.pickLocked(b.now)
	if next == nil || next.part == probe.part {
		t.Error("no record of another partition is tried")
	}
}
