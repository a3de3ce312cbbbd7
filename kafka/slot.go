package kafka

import "hash/maphash"

// slot is what has an order of its own: a key of a partition. Its first record
// is in a worker's hands, waits, or makes the slot ready.
type slot struct {
	part        *partition
	hash        uint64
	first, last *item
	records     int
	bytes       int64
	blocked     bool
	lane        bool // it stands for the partition's lane, and holds nothing itself
}

// newSlotLocked reuses slots: most hold one record, and live as long as it.
func (s *scheduler) newSlotLocked() *slot {
	if len(s.free) == 0 {
		return new(slot)
	}
	sl := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return sl
}

func (s *scheduler) freeSlotLocked(sl *slot) {
	s.slots.remove(sl)
	*sl = slot{}
	s.free = append(s.free, sl) // At most limits.records slots exist at a time.
}

// hash maps a key to its slot. Two keys with one hash wait for each other, which
// is harmless. Records without a key share one slot: their order is the
// partition's.
func (s *scheduler) hash(key []byte) uint64 {
	if key == nil {
		return 0
	}
	return max(maphash.Bytes(s.seed, key), 1)
}

// blockLocked counts the slot's records as unable to go on.
func (s *scheduler) blockLocked(sl *slot) {
	if !sl.blocked {
		sl.blocked = true
		s.countBlocked(sl.part, sl.records, sl.bytes)
	}
}

func (s *scheduler) unblockLocked(sl *slot) {
	if sl.blocked {
		sl.blocked = false
		s.countBlocked(sl.part, -sl.records, -sl.bytes)
	}
}

func (s *scheduler) countBehind(p *partition, records int, bytes int64) {
	s.behind += records
	s.behindBytes += bytes
	p.behind += records
	p.behindBytes += bytes
}

func (s *scheduler) countBlocked(p *partition, records int, bytes int64) {
	s.blocked += records
	s.blockedBytes += bytes
	p.blocked += records
	p.blockedBytes += bytes
}
