package kafka

import (
	"slices"
	"time"
)

// wakes decides how many workers are awake. To wake one costs more than a fast
// handler takes, so that a crowd of workers that wake each other for one record
// each would be slower than one of them alone: while records take next to no
// time, one worker goes on, and the clock looks every millisecond whether it is
// enough.
type wakes struct {
	idle     int  // workers that wait
	handling int  // records and runs in the hands of workers
	pending  bool // a worker was woken and has not looked yet

	pace    time.Duration // moving average of an attempt's time
	took    uint64        // attempts that ended
	waits   uint64        // how often a worker found nothing
	watched bool          // the clock looks
	look    time.Time     // when it looks next
	before  struct{ took, waits uint64 }
}

const (
	// fast is the time of an attempt below which waking another worker costs more
	// than it brings.
	fast = 2 * time.Microsecond
	// patience is how long records wait for a worker that seemed to be fast.
	patience = time.Millisecond
)

// wakeLocked wakes a worker if there is something to do and none is on its way.
// Whoever wakes, wakes the next: nobody is woken for nothing.
func (s *scheduler) wakeLocked() {
	w := &s.wakes
	if w.idle == 0 || w.pending || s.ready.size == 0 {
		return
	}
	if w.handling == 0 || w.pace >= fast {
		s.signalLocked()
		return
	}
	s.watchLocked()
}

// watchLocked has the clock look whether the workers that are awake are enough.
func (s *scheduler) watchLocked() {
	if w := &s.wakes; !w.watched {
		w.watched, w.look = true, time.Time{}
		token(s.clock)
	}
}

// signalLocked wakes a worker, if one waits: otherwise the next that looks for a
// record finds what there is.
func (s *scheduler) signalLocked() {
	if s.wakes.idle > 0 {
		s.wakes.pending = true
		s.work.Signal()
	}
}

// waitForWorkLocked lets a worker wait.
func (s *scheduler) waitForWorkLocked() {
	w := &s.wakes
	w.waits++
	w.idle++
	s.hungerLocked()
	s.work.Wait()
	w.idle--
	w.pending = false
}

// tookLocked notes how long so many attempts took.
func (s *scheduler) tookLocked(n int, d time.Duration) {
	const memory = 8
	s.wakes.took += uint64(n)
	s.wakes.pace += (d/time.Duration(n) - s.wakes.pace) * time.Duration(min(n, memory)) / memory
}

// lookLocked wakes a worker if those that are awake are not enough: no record
// was handled since the last look, or there was always one more, or a run has been at
// work since then. It returns when to look again; zero: when told.
func (s *scheduler) lookLocked(now time.Time) time.Time {
	w := &s.wakes
	if !w.watched || now.Before(w.look) {
		return w.look
	}
	slow := s.slowRunsLocked(now)
	if (w.idle == 0 || s.ready.size == 0) && len(s.running) == 0 || s.pause != nil {
		w.watched, w.look = false, time.Time{}
		return w.look
	}
	if !w.look.IsZero() {
		if slow || w.took == w.before.took {
			w.pace = patience // From now on they wake each other.
		}
		if s.ready.size > 0 && (slow || w.took == w.before.took || w.waits == w.before.waits) {
			s.signalLocked()
		}
	}
	w.before.took, w.before.waits = w.took, w.waits
	w.look = now.Add(patience)
	return w.look
}

// slowRunsLocked breaks up the runs that are at work since the look before.
func (s *scheduler) slowRunsLocked(now time.Time) (found bool) {
	for _, r := range slices.Clone(s.running) {
		if r.looked {
			s.breakUpLocked(r.part, now)
			found = true
		}
		r.looked = true
	}
	return found
}
