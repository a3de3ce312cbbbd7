package kafka

import (
	"context"
	"log/slog"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Status is what a consumer is doing.
type Status struct {
	// Running says whether Run has started and not begun to stop.
	Running bool
	// Paused says why no records are handed out, but for probes.
	Paused PauseReason
	// PausedSince is when that began. Zero when it is not paused.
	PausedSince time.Time
	// PauseCause is the error that led to the pause. Nil when it is not paused.
	PauseCause error
	// NextProbe is when the next record is tried. Zero when it is not paused.
	NextProbe time.Time
	// Partitions is how many partitions the consumer has.
	Partitions int
	// InFlight is how many records are fetched and not done. While handlers take next
	// to no time, it and Handled may be behind by a few records for each worker.
	InFlight int
	// Waiting is how many of them cannot be handled now: they wait for another
	// attempt or to be dead letters, or are of the same key behind such a record.
	Waiting int
	// Unwritten is how many dead letters could not be written so far.
	Unwritten int
	// Handled is how many records were handled with success.
	Handled uint64
	// DeadLetters is how many records were written to the dead letters.
	DeadLetters uint64
}

// LogValue groups what is not zero.
func (s Status) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.Bool("running", s.Running),
		slog.Int("partitions", s.Partitions),
		slog.Int("in_flight", s.InFlight),
		slog.Int("waiting", s.Waiting),
		slog.Uint64("handled", s.Handled),
		slog.Uint64("dead_letters", s.DeadLetters),
	}
	if s.Unwritten > 0 {
		attrs = append(attrs, slog.Int("dead_letters_unwritten", s.Unwritten))
	}
	if s.Paused != NotPaused {
		attrs = append(attrs, slog.String("paused", s.Paused.String()), slog.Time("paused_since", s.PausedSince),
			slog.Time("next_probe", s.NextProbe), slog.String("pause_cause", errorText(s.PauseCause)))
	}
	return slog.GroupValue(attrs...)
}

// Status returns what the consumer is doing.
func (c *Consumer) Status() Status {
	s := c.sched
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Running:    c.state.Load() == stateRunning,
		Partitions: len(s.parts), InFlight: s.inFlight, Waiting: s.blocked,
		Handled: s.handled, DeadLetters: s.buried,
	}
	for _, p := range s.parts {
		st.Unwritten += p.burying
	}
	if p := s.pause; p != nil {
		st.Paused, st.PausedSince, st.PauseCause, st.NextProbe = p.reason, p.since, p.err, p.next
	}
	return st
}

// Ready returns nil while the consumer runs, and an error before Run has
// started and from when it begins to stop. It has the form of a readiness check.
//
// A paused consumer is ready: what it waits for is usually shared, and a check
// that fails takes the whole fleet out. Status says whether it is paused.
func (c *Consumer) Ready(context.Context) error {
	switch c.state.Load() {
	case stateNew, stateStarting:
		return errors.Unavailable.New("The consumer has not started.")
	case stateRunning:
		return nil
	case stateDraining:
		return errors.Unavailable.New("The consumer is stopping.")
	}
	return errors.Unavailable.New("The consumer has stopped.")
}

// lag is how far a partition's mark is behind its end, as of the last fetch.
type lag struct {
	records int64
	age     time.Duration // of the oldest record that is not done
	known   bool          // age is
}

func (c *Consumer) lags() map[topicPartition]lag {
	s := c.sched
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	lags := make(map[topicPartition]lag, len(s.parts))
	oldest := s.oldestLocked()
	for tp, p := range s.parts {
		if p.tracker.mark < 0 || p.highWatermark <= 0 {
			continue
		}
		l := lag{records: max(p.highWatermark-p.tracker.mark, 0)}
		first := oldest[p]
		if first != nil {
			l.age = max(now.Sub(first.Timestamp), 0)
		}
		l.known = first != nil || l.records == 0 // Else it is not fetched yet.
		lags[tp] = l
	}
	return lags
}

// oldestLocked returns the first record of each partition that is not done: the
// client's, for a handler may be changing its own.
func (s *scheduler) oldestLocked() map[*partition]*kgo.Record {
	oldest := map[*partition]*kgo.Record{}
	for sl := range s.slots.all { // The first of a slot is its oldest.
		if r := sl.first.source; r != nil && (oldest[sl.part] == nil || r.Offset < oldest[sl.part].Offset) {
			oldest[sl.part] = r
		}
	}
	for _, p := range s.parts { // One with a lane has no slots. Of a run some may be done.
		switch l := &p.lane; {
		case l.hands != nil:
			oldest[p] = l.hands.records[0]
		case len(l.runs) > 0:
			oldest[p] = l.runs[0].records[0]
		}
	}
	return oldest
}
