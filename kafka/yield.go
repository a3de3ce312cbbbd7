package kafka

import "slices"

// yielding are the partitions that leave the rest of the room to others, because
// many of their records are behind another one of their key that is being handled, or
// may be: a handler may take long, and they fill the room before anybody can tell.
// That is no trouble while all workers are at work, so a partition that yields is
// fetched as before, and what was fetched waits in the intake.
type yielding struct {
	parts []*partition
	// A look at all of them is worth while when fewer records than these are behind
	// others: one of the partitions need not yield any more. Zero: none yields.
	records int
	bytes   int64
}

// yieldLocked decides whether a partition yields, by the same rule as crowdLocked. It
// reports whether that is over.
func (s *scheduler) yieldLocked(p *partition) (over bool) {
	before := p.yields
	s.weighLocked(p)
	switch {
	case p.yields && !before:
		s.yielding.parts = append(s.yielding.parts, p)
	case before && !p.yields:
		s.yielding.parts = slices.DeleteFunc(s.yielding.parts, func(q *partition) bool { return q == p })
	}
	return before && !p.yields
}

// relieveLocked looks again at the partitions that yield to one that has become done
// with its own. It reports whether one of them need not any more.
func (s *scheduler) relieveLocked() (over bool) {
	y := &s.yielding
	if s.behind >= y.records || s.behindBytes >= y.bytes {
		return false
	}
	before := len(y.parts)
	y.records, y.bytes = 0, 0
	y.parts = slices.DeleteFunc(y.parts, func(p *partition) bool {
		s.weighLocked(p)
		return !p.yields
	})
	return len(y.parts) < before
}

func (s *scheduler) weighLocked(p *partition) {
	n, size := p.behind, p.behindBytes
	if p.yields {
		n, size = 2*n, 2*size
	}
	p.yields = p.behind > 0 && (n >= s.limits.records-s.behind || size >= s.limits.bytes-s.behindBytes)
	if y := &s.yielding; p.yields {
		y.records = max(y.records, s.limits.records-2*p.behind)
		y.bytes = max(y.bytes, s.limits.bytes-2*p.behindBytes)
	}
}
