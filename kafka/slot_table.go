package kafka

// slotTable finds the slot of a partition's key: open addressing with linear
// probing. A slot is made and given back for nearly every record, for which a map
// takes three times as long. Its zero value is empty; at most half of it is in use.
type slotTable struct {
	entries []*slot
	size    int
}

// home is where the search begins. Partitions differ by their salt: records without
// a key have the same hash in all of them.
func (t *slotTable) home(p *partition, hash uint64) int {
	return int((hash + p.salt) & uint64(len(t.entries)-1))
}

// find returns the slot, nil if there is none.
func (t *slotTable) find(p *partition, hash uint64) *slot {
	if t.size == 0 {
		return nil
	}
	for i := t.home(p, hash); ; i = (i + 1) & (len(t.entries) - 1) {
		if sl := t.entries[i]; sl == nil || sl.hash == hash && sl.part == p {
			return sl
		}
	}
}

// add adds a slot that is not there.
func (t *slotTable) add(sl *slot) {
	if 2*(t.size+1) > len(t.entries) {
		old := t.entries
		t.entries = make([]*slot, max(minRing, 2*len(old)))
		for _, s := range old {
			if s != nil {
				t.place(s)
			}
		}
	}
	t.place(sl)
	t.size++
}

func (t *slotTable) place(sl *slot) {
	i := t.home(sl.part, sl.hash)
	for t.entries[i] != nil {
		i = (i + 1) & (len(t.entries) - 1)
	}
	t.entries[i] = sl
}

// remove removes a slot that is there, and moves up those that had to give way to
// it (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
func (t *slotTable) remove(sl *slot) {
	mask := len(t.entries) - 1
	gap := t.home(sl.part, sl.hash)
	for t.entries[gap] != sl {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; t.entries[i] != nil; i = (i + 1) & mask {
		next := t.entries[i]
		if home := t.home(next.part, next.hash); (i-home)&mask >= (i-gap)&mask {
			t.entries[gap], gap = next, i
		}
	}
	t.entries[gap] = nil
	t.size--
}

// all are the slots, in no order. The table must not change meanwhile.
func (t *slotTable) all(yield func(*slot) bool) {
	for _, sl := range t.entries {
		if sl != nil && !yield(sl) {
			return
		}
	}
}
