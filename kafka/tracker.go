package kafka

// tracker follows the offsets of one partition under one assignment. Offsets
// are added in their order and completed in any; the mark is where a new owner
// has to go on: the first incomplete offset, or the one after the last. Gaps
// between offsets, which compaction and transaction markers leave, are passed
// over. It is not safe for concurrent use.
//
// A tracker belongs to one assignment of a partition: a new assignment gets a
// new one, so that a completion that comes late finds the old one and moves
// nothing.
type tracker struct {
	// ring holds the offsets from the first incomplete one on; its length is a
	// power of two, and the entry of sequence number n is at n modulo length.
	ring []tracked
	// head and tail are sequence numbers: of the first entry that is held, and
	// of the next to be added.
	head, tail int64
	// done counts the complete entries between head and tail.
	done int
	// next is the lowest offset that may be added, unless by a newer leader than
	// newest, the newest epoch that was added.
	next   int64
	newest int32
	// mark is the offset to commit; -1 before anything was added.
	mark      int64
	markEpoch int32
	committed int64
	// passed counts entries that left the ring since the last commit, so that
	// the distance to the committed offset counts records and not gaps.
	passed int
}

type tracked struct {
	offset int64
	epoch  int32
	done   bool
}

const minRing = 16

func newTracker() tracker {
	return tracker{mark: -1, committed: -1, markEpoch: -1, newest: -1}
}

// add notes an offset as held and returns its sequence number. It reports
// false for an offset that was added before, which a repeated fetch brings. Under
// a newer leader it is another record: the log was cut off by an unclean election.
func (t *tracker) add(offset int64, epoch int32) (seq int64, ok bool) {
	if offset < t.next {
		if epoch <= t.newest {
			return 0, false
		}
		t.truncate(offset)
	}
	t.newest = max(t.newest, epoch)
	if t.tail-t.head == int64(len(t.ring)) {
		t.grow()
	}
	if t.mark < 0 {
		t.mark, t.committed = offset, offset
	}
	seq = t.tail
	t.ring[seq&int64(len(t.ring)-1)] = tracked{offset: offset, epoch: epoch}
	t.tail++
	t.next = offset + 1
	if t.head == seq {
		t.mark = offset // Nothing is held before it: a gap is passed over.
	}
	return seq, true
}

// truncate passes over the entries from the offset on, which the log has lost.
func (t *tracker) truncate(offset int64) {
	for seq := t.head; seq < t.tail; seq++ {
		if e := &t.ring[seq&int64(len(t.ring)-1)]; e.offset >= offset && !e.done {
			e.done = true
			t.done++
		}
	}
	t.advance()
	t.committed = min(t.committed, offset)
	t.passed = int(min(int64(t.passed), max(min(t.mark, offset)-t.committed, 0))) // The others are lost as well.
}

// complete notes that the entry is done and moves the mark as far as it goes.
// Completing twice has no effect.
func (t *tracker) complete(seq int64) {
	if seq < t.head || seq >= t.tail {
		return
	}
	e := &t.ring[seq&int64(len(t.ring)-1)]
	if e.done {
		return
	}
	e.done = true
	t.done++
	if seq == t.head {
		t.advance()
	}
}

func (t *tracker) advance() {
	mask := int64(len(t.ring) - 1)
	for t.head < t.tail && t.ring[t.head&mask].done {
		e := t.ring[t.head&mask]
		t.mark, t.markEpoch = e.offset+1, e.epoch
		t.head++
		t.done--
		t.passed++
	}
	if t.head < t.tail {
		t.mark = t.ring[t.head&mask].offset
	}
}

// uncommitted returns the offset to commit and the leader epoch of the record
// before it, and whether it is beyond what was committed.
func (t *tracker) uncommitted() (offset int64, epoch int32, ok bool) {
	return t.mark, t.markEpoch, t.mark > t.committed && t.passed > 0
}

// commit notes that the offset was committed. One beyond the mark was sent before
// the log was cut off: the new leader's records are still to be committed.
func (t *tracker) commit(offset int64) {
	if offset <= t.committed || offset > t.mark {
		return
	}
	t.committed = offset
	if offset == t.mark {
		t.passed = 0
		return
	}
	// Entries went on while the commit was under way. How many cannot be told
	// from offsets, which have gaps; the distance in offsets is an upper bound.
	t.passed = int(min(int64(t.passed), t.mark-offset))
}

// ahead counts the complete records that would be handled again if the process
// ended now.
func (t *tracker) ahead() int { return t.done + t.passed }

// gap counts the complete records that wait for an incomplete one before them.
func (t *tracker) gap() int { return t.done }

func (t *tracker) grow() {
	ring := make([]tracked, max(minRing, 2*len(t.ring)))
	mask, old := int64(len(ring)-1), int64(len(t.ring)-1)
	for seq := t.head; seq < t.tail; seq++ {
		ring[seq&mask] = t.ring[seq&old]
	}
	t.ring = ring
}
