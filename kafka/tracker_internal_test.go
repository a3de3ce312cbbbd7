package kafka

import (
	"math/rand/v2"
	"testing"
)

func TestTrackerMarksTheFirstIncompleteOffset(t *testing.T) {
	tr := newTracker()
	var seqs []int64
	for _, offset := range []int64{10, 11, 15, 16, 20} { // gaps as compaction leaves them
		seq, ok := tr.add(offset, 3)
		if !ok {
			t.Fatalf("offset %d was refused", offset)
		}
		seqs = append(seqs, seq)
	}
	for _, step := range []struct {
		complete int
		mark     int64
	}{{1, 10}, {0, 15}, {4, 15}, {2, 16}, {3, 21}} {
		tr.complete(seqs[step.complete])
		if tr.mark != step.mark {
			t.Fatalf("mark is %d after completing entry %d, want %d", tr.mark, step.complete, step.mark)
		}
	}
	if offset, epoch, ok := tr.uncommitted(); offset != 21 || epoch != 3 || !ok {
		t.Fatalf("uncommitted: %d, epoch %d, %v", offset, epoch, ok)
	}
	tr.commit(21)
	if _, _, ok := tr.uncommitted(); ok {
		t.Fatal("something is left to commit")
	}
}

// Only offset 9 of ten is complete: kgo's marks would commit 10.
func TestTrackerCommitsNothingWhileTheFirstIsIncomplete(t *testing.T) {
	tr := newTracker()
	var last int64
	for offset := range int64(10) {
		last, _ = tr.add(offset, 0)
	}
	tr.complete(last)
	if offset, _, ok := tr.uncommitted(); ok {
		t.Fatalf("offset %d is to be committed, want none", offset)
	}
}

func TestTrackerRefusesOffsetsOfARepeatedFetch(t *testing.T) {
	tr := newTracker()
	tr.add(5, 0)
	tr.add(7, 0)
	for _, offset := range []int64{4, 5, 6, 7} {
		if _, ok := tr.add(offset, 0); ok {
			t.Errorf("offset %d was taken again", offset)
		}
	}
}

// An answer to a commit from before the log was cut off must not keep what the
// new leader wrote in the place of lost records from being committed.
func TestTrackerCommitsWhatANewLeaderWroteOverWhatIsCommitted(t *testing.T) {
	tr := newTracker()
	for offset := range int64(10) {
		seq, _ := tr.add(offset, 1)
		tr.complete(seq)
	}
	sent, _, _ := tr.uncommitted()
	seq, ok := tr.add(5, 2)
	if !ok {
		t.Fatal("the new leader's record is refused")
	}
	if tr.ahead() != 5 {
		t.Errorf("%d records are ahead of what is committed, want the 5 that are not lost", tr.ahead())
	}
	tr.commit(sent)
	tr.complete(seq)
	if offset, epoch, ok := tr.uncommitted(); offset != 6 || epoch != 2 || !ok {
		t.Errorf("to be committed: %d of epoch %d, %v; want 6 of epoch 2", offset, epoch, ok)
	}
}

// TestTrackerModel compares the tracker with a plain list after every step: with
// gaps, repeated fetches, late completions, commits that are answered late, and
// elections in which the log is cut off.
func TestTrackerModel(t *testing.T) {
	for seed := range uint64(300) {
		newTrackerModel(t, seed).run(400)
	}
}

type trackerModel struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	tr   tracker
	log  []trackerEntry // in the order of their arrival
	sent []int64        // commits that are not answered

	next, committed int64
	epoch           int32
}

type trackerEntry struct {
	offset, seq int64
	epoch       int32
	done, lost  bool // lost: the log was cut off before it
}

func newTrackerModel(t *testing.T, seed uint64) *trackerModel {
	m := &trackerModel{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), tr: newTracker(), committed: -1, epoch: 1}
	m.next = m.rng.Int64N(50)
	return m
}

func (m *trackerModel) run(steps int) {
	for step := range steps {
		switch m.rng.IntN(12) {
		case 0, 1, 2, 3:
			m.next += m.rng.Int64N(4) // gaps
			m.add(m.next)
		case 4:
			if m.rng.IntN(4) == 0 { // An election, clean or not.
				m.epoch++
				if m.next > 0 && m.rng.IntN(2) == 0 {
					m.add(m.next - 1 - m.rng.Int64N(min(m.next, 20)))
				}
			}
		case 5:
			if len(m.log) > 0 {
				if _, ok := m.tr.add(m.log[len(m.log)-1].offset, m.log[len(m.log)-1].epoch); ok {
					m.t.Fatalf("seed %d step %d: the last record was taken again", m.seed, step)
				}
			}
		case 6, 7, 8, 9:
			if len(m.log) > 0 {
				e := &m.log[m.rng.IntN(len(m.log))]
				e.done = true
				m.tr.complete(e.seq)
			}
		case 10:
			if offset, _, ok := m.tr.uncommitted(); ok {
				m.sent = append(m.sent, offset)
			}
		case 11:
			if len(m.sent) > 0 {
				offset := m.sent[0]
				m.sent = m.sent[1:]
				m.tr.commit(offset)
				if mark, _ := m.mark(); offset <= mark {
					m.committed = max(m.committed, offset)
				}
			}
		}
		m.check(step)
	}
}

func (m *trackerModel) add(offset int64) {
	seq, ok := m.tr.add(offset, m.epoch)
	if !ok {
		m.t.Fatalf("seed %d: offset %d of epoch %d refused", m.seed, offset, m.epoch)
	}
	if m.committed < 0 {
		m.committed = offset
	}
	for i := range m.log {
		if m.log[i].offset >= offset {
			m.log[i].lost = true
			m.committed = min(m.committed, offset)
		}
	}
	m.log = append(m.log, trackerEntry{offset: offset, seq: seq, epoch: m.epoch})
	m.next = offset + 1
}

// mark returns the first offset that is not done, or the one after the last, and
// how many records that the log still has are done beyond it.
func (m *trackerModel) mark() (mark int64, gap int) {
	if len(m.log) == 0 {
		return -1, 0
	}
	mark, found := m.next, false
	for _, e := range m.log {
		switch {
		case e.lost:
		case !e.done && !found:
			mark, found = e.offset, true
		case e.done && found:
			gap++
		}
	}
	return mark, gap
}

func (m *trackerModel) check(step int) {
	mark, gap := m.mark()
	ahead, lost := 0, 0
	for _, e := range m.log {
		switch {
		case e.lost:
			lost++
		case e.done && e.offset >= m.committed:
			ahead++
		}
	}
	if m.tr.mark != mark {
		m.t.Fatalf("seed %d step %d: mark %d, want %d", m.seed, step, m.tr.mark, mark)
	}
	// What the log has lost may be counted until it is passed over, and what was
	// done while a commit was under way by its distance. Never is anything missed.
	if m.tr.gap() < gap || m.tr.gap() > gap+lost {
		m.t.Fatalf("seed %d step %d: gap %d, want %d, and at most %d", m.seed, step, m.tr.gap(), gap, gap+lost)
	}
	if m.tr.ahead() < ahead {
		m.t.Fatalf("seed %d step %d: %d ahead, want %d", m.seed, step, m.tr.ahead(), ahead)
	}
	offset, epoch, ok := m.tr.uncommitted()
	if mark > m.committed && ahead > gap && !ok || ok && mark <= m.committed {
		m.t.Fatalf("seed %d step %d: to be committed: %v, with mark %d and %d committed", m.seed, step, ok, mark, m.committed)
	}
	if ok && (offset != mark || epoch > m.epoch) {
		m.t.Fatalf("seed %d step %d: %d of epoch %d is to be committed, want %d", m.seed, step, offset, epoch, mark)
	}
}
