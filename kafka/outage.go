package kafka

import "time"

// What an outage is. A window alone never fills on a quiet topic, where a
// record's attempts would be gone before the second record comes; a run alone
// happens every second on a busy topic where one call in ten fails.
const (
	outageWindow   = 30 // seconds, one bucket each
	outageOutcomes = 20 // records in the window from which on the ratio counts
	outageRun      = 3  // failures in a row, of at least two records, below that
)

// health tells an outage of what the handlers depend on from records that
// fail for reasons of their own. Only failures whose code does not speak about
// the record are reported to it. It is not safe for concurrent use.
type health struct {
	ratio   float64 // failures among outcomes that make an outage; negative: off
	buckets [outageWindow]outcomes

	run     int   // failures since the last success
	runOf   *item // the first record of the run
	runMany bool  // the run is of more than one record
}

type outcomes struct {
	second     int64
	ok, failed int32
}

// success notes a handled record.
func (h *health) success(now time.Time) {
	h.bucket(now).ok++
	h.run, h.runOf, h.runMany = 0, nil, false
}

// failure notes a failed attempt and reports whether this is an outage. In the
// ratio a record counts once: otherwise the attempts of a few records, eight
// each, would outweigh all that succeed at once.
func (h *health) failure(it *item, now time.Time) bool {
	if it.attempts == 1 {
		h.bucket(now).failed++
	}
	h.run++
	if h.runOf == nil {
		h.runOf = it
	}
	h.runMany = h.runMany || h.runOf != it
	if h.ratio < 0 {
		return false
	}
	ok, failed := h.count(now)
	if ok+failed >= outageOutcomes {
		return float64(failed) >= h.ratio*float64(ok+failed)
	}
	return h.run >= outageRun && h.runMany
}

// reset forgets what was seen, when an outage is over.
func (h *health) reset() { *h = health{ratio: h.ratio} }

func (h *health) bucket(now time.Time) *outcomes {
	second := now.Unix()
	b := &h.buckets[second%outageWindow]
	if b.second != second {
		*b = outcomes{second: second}
	}
	return b
}

func (h *health) count(now time.Time) (ok, failed int) {
	oldest := now.Unix() - outageWindow
	for i := range h.buckets {
		if b := &h.buckets[i]; b.second > oldest {
			ok += int(b.ok)
			failed += int(b.failed)
		}
	}
	return ok, failed
}
