package kafka

import (
	"testing"
	"time"
)

// inOutage is a bench with two partitions of five records each, in an outage, and its probe.
func inOutage(t *testing.T) (*bench, *item) {
	t.Helper()
	b := newBench(t, limits{records: 100, bytes: 1 << 20, ahead: 400})
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
	b, _ := inOutage(t)
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

// One that succeeds or is answered late shows that all is well again; one that fails late
// says nothing about the probe that is under way.
func TestAProbeThatIsLateCounts(t *testing.T) {
	for name, c := range map[string]struct {
		late    failure
		resumed bool
	}{"success": {failure{}, true}, "answer": {aborted, true}, "failure": {unavailable, false}} {
		t.Run(name, func(t *testing.T) {
			b, late := inOutage(t)
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
	b, probe := inOutage(t)
	b.revokeLocked([]topicPartition{probe.part.topicPartition})
	b.until(time.Second)
	next := b.pickLocked(b.now)
	if next == nil || next.part == probe.part {
		t.Error("no record of another partition is tried")
	}
}

// Pitfall: the poll, which waits for room, was not told that another record may be tried. So
// only those were that hang.
func TestThePollIsToldThatAProbeIsLate(t *testing.T) {
	b, probe := inOutage(t)
	for b.ready.size > 0 { // All others fail.
		b.finishLocked(probe, unavailable, b.now)
		for probe = nil; probe == nil; probe = b.pickLocked(b.now) {
			b.until(time.Second)
		}
	}
	select {
	case <-b.room:
	default:
	}
	if b.roomLocked() > 0 {
		t.Fatal("there is room beside a probe")
	}
	b.until(32 * time.Second)
	if b.roomLocked() == 0 || len(b.room) == 0 {
		t.Errorf("room for %d, told: %v", b.roomLocked(), len(b.room) > 0)
	}
}

// A record whose probe ends after the outage, or ends it by its failure, has not been tried for
// longer than RetryFor: that time begins when an outage is over.
func TestAProbesTimeBeginsAfterTheOutage(t *testing.T) {
	for name, c := range map[string]struct {
		ends, after failure
		lateEnds    bool
	}{
		"the late one fails afterwards":       {failure{}, unavailable, false},
		"the next one fails afterwards":       {failure{}, unavailable, true},
		"the late one answers":                {aborted, failure{}, true},
		"the one that is waited for answers":  {aborted, failure{}, false},
		"the late one fails after the answer": {aborted, unavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, late := inOutage(t)
			for end := b.now.Add(3 * time.Hour); b.now.Before(end); {
				b.finishLocked(late, unavailable, b.now)
				late = b.nextProbe()
			}
			ends, after := b.nextProbe(), late // The late one hangs.
			if c.lateEnds {
				ends, after = after, ends
			}
			if v := b.finishLocked(ends, c.ends, b.now); v.resumed == nil || v.action == actBury {
				t.Errorf("the outage is over: %v, a dead letter: %v", v.resumed != nil, v.action == actBury)
			}
			if v := b.finishLocked(after, c.after, b.now); v.action == actBury {
				t.Errorf("a dead letter at the first failure after the outage, which is attempt %d", after.attempts)
			}
		})
	}
}

func (b *bench) nextProbe() *item {
	b.t.Helper()
	for range 100 {
		b.until(time.Second)
		if it := b.pickLocked(b.now); it != nil {
			return it
		}
	}
	b.t.Fatal("there is no probe")
	return nil
}

// A record that failed before an outage, and was not tried in it, has the time and the attempts
// afterwards that it had before.
func TestTimeStandsStillInAPause(t *testing.T) {
	for name, c := range map[string]struct {
		f        failure
		attempts int
	}{"its own failure": {aborted, 2}, "one of the run-up, which is given back": {unavailable, 1}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, limits{records: 1000, bytes: 1 << 20, ahead: 4000})
			b.offer(0, 0, 1)
			early, _ := b.handle(c.f)
			for i := range int64(500) {
				b.offer(1, i, 1)
			}
			b.now = b.now.Add(2 * time.Second)
			b.tickLocked(b.now) // Now it may be handled again, behind all the others.
			b.pauseLocked(PausedByOutage, unavailable.err, b.now)
			for end := b.now.Add(3 * time.Hour); b.now.Before(end); {
				if probe := b.nextProbe(); probe == early {
					t.Fatal("it is tried in the outage")
				} else {
					b.finishLocked(probe, unavailable, b.now)
				}
			}
			b.finishLocked(b.nextProbe(), failure{}, b.now)
			for it := b.pickLocked(b.now); it != early; it = b.pickLocked(b.now) {
				b.finishLocked(it, failure{}, b.now)
			}
			if v := b.finishLocked(early, aborted, b.now); v.action != actRetry || early.attempts != c.attempts || early.held {
				t.Errorf("the next failure leads to %d, want %d; %d attempts are charged, want %d; held: %v", v.action, actRetry, early.attempts, c.attempts, early.held)
			}
		})
	}
}
