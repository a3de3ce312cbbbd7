package kafka

// crowdLocked decides whether a partition has so many records behind blocked
// ones that it must leave the rest of the room to the others, and reports
// whether that changed. A partition may take as much as is left over: with one
// such partition half of the room stays free, with two a quarter, and never
// none (dynamic thresholds, Choudhury and Hahne 1998). A partition without such
// records is never crowded: nothing of it would happen that could end it.
func (s *scheduler) crowdLocked(p *partition) (changed bool) {
	crowded := p.blocked >= s.limits.records-s.blocked || p.blockedBytes >= s.limits.bytes-s.blockedBytes
	if p.crowded && !crowded {
		crowded = 2*p.blocked >= s.limits.records-s.blocked || 2*p.blockedBytes >= s.limits.bytes-s.blockedBytes
	}
	crowded = crowded && p.blocked > 0
	if crowded == p.crowded {
		return false
	}
	p.crowded = crowded
	return true
}

// satedLocked reports whether more from the brokers is of no use, because what
// yields is waiting in the intake and the workers have something to do, or there is
// no partition that has nothing there.
func (s *scheduler) satedLocked(in *intake) bool {
	return in.yieldingLocked() && (s.wakes.idle == 0 || s.ready.size > 0 || len(in.held) >= len(s.parts))
}

// hungerLocked wakes the goroutine that polls, if it waits until workers have
// nothing to do, or less than plenty.
func (s *scheduler) hungerLocked() {
	if s.sated && s.wakes.idle > 0 && s.ready.size == 0 || s.full && s.roomLocked() > 0 {
		s.full = false
		token(s.room)
	}
}

// roomLocked says how many records may be fetched now.
func (s *scheduler) roomLocked() int {
	free := s.limits.records - s.inFlight
	freeBytes := s.limits.bytes - s.bytes
	if s.closed || s.gated > 0 || free <= 0 || freeBytes <= 0 {
		return 0
	}
	if s.pause != nil {
		// One record that was not tried yet, for a probe that is not the record
		// which fails.
		if s.ready.size == 0 && s.pause.probe == nil {
			return 1
		}
		return 0
	}
	// A poll has its price: not for a few records while the workers have plenty.
	// Those behind a record of their key that takes long are nothing to do.
	if s.ready.size+s.queued > s.limits.records/4 && free < s.limits.records/2 {
		return 0
	}
	return int(min(int64(free), freeBytes/max(s.size, 1)+1))
}

// aheadLocked asks for a commit before its time, and lets no more records in
// while a partition has too many complete records that are not committed.
func (s *scheduler) aheadLocked(p *partition, ahead, room int) {
	if _, _, ok := p.tracker.uncommitted(); !ok || p.revoked {
		return // Of what is given up, the last commit is under way: nobody would open its gate.
	}
	token(s.kick)
	if ahead >= room && !p.gated && !p.refused {
		p.gated = true
		s.gated++
	}
}

// committedLocked notes what the broker has. A partition of which everything is
// committed that can be waits for a record and not for a commit: it is stuck,
// and the others are not to wait with it. It reports whether the partition's
// fetching has to be resumed.
func (s *scheduler) committedLocked(p *partition, offset int64) (fetch bool) {
	p.tracker.commit(offset)
	fetch = p.refused
	p.refused = false
	_, _, more := p.tracker.uncommitted()
	if p.gated && (!more || p.tracker.ahead() < s.limits.ahead-s.limits.records) {
		s.openLocked([]*partition{p})
	}
	return fetch
}

// openLocked opens the gate that partitions keep closed.
func (s *scheduler) openLocked(parts []*partition) {
	for _, p := range parts {
		if p.gated {
			p.gated = false
			s.gated--
		}
	}
}
