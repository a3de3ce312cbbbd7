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
	tr.commit(sent)
	tr.complete(seq)
	if offset, epoch, ok := tr.uncommitted(); offset != 6 || epoch != 2 || !ok {
		t.Errorf("to be committed: %d of epoch %d, %v; want 6 of epoch 2", offset, epoch, ok)
	}
}

// TestTrackerModel compares the tracker with a plain map after every step.
func TestTrackerModel(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		tr := newTracker()
		type entry struct {
			offset, seq int64
			done        bool
		}
		var model []entry
		next, committed := rng.Int64N(50), int64(-1)
		for step := range 400 {
			switch rng.IntN(5) {
			case 0, 1:
				next += rng.Int64N(4) // gaps
				seq, ok := tr.add(next, 1)
				if !ok {
					t.Fatalf("seed %d step %d: offset %d refused", seed, step, next)
				}
				if committed < 0 {
					committed = next
				}
				model = append(model, entry{offset: next, seq: seq})
				next++
			case 2, 3:
				if len(model) > 0 {
					i := rng.IntN(len(model))
					model[i].done = true
					tr.complete(model[i].seq)
				}
			case 4:
				if offset, _, ok := tr.uncommitted(); ok {
					tr.commit(offset)
					committed = offset
				}
			}
			mark, done, ahead := int64(-1), 0, 0
			if len(model) > 0 {
				mark = next
			}
			found := false
			for _, e := range model {
				if !e.done && !found {
					mark, found = e.offset, true
				}
				if e.done && found {
					done++
				}
				if e.done && e.offset >= committed {
					ahead++
				}
			}
			if tr.mark != mark && (found || len(model) == 0) || !found && len(model) > 0 && tr.mark != next {
				t.Fatalf("seed %d step %d: mark %d, want %d", seed, step, tr.mark, mark)
			}
			if tr.gap() != done || tr.ahead() != ahead {
				t.Fatalf("seed %d step %d: gap %d, ahead %d, want %d, %d", seed, step, tr.gap(), tr.ahead(), done, ahead)
			}
		}
	}
}
