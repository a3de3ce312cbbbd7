package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestItemsDependOnTheSeedAloneAndOneInAThousandIsPoison(t *testing.T) {
	const n = 50_000
	all := items(7, n)
	if !slices.Equal(all, items(7, n)) || slices.Equal(all, items(8, n)) {
		t.Error("the seed does not decide")
	}
	counts, next, lastStubborn := map[fate]int{}, map[int]int{}, 0
	for i, it := range all {
		counts[it.fate]++
		if it.seq != next[it.key] {
			t.Fatalf("item %d is %v, want its key's record %d", i, it, next[it.key])
		}
		next[it.key]++
		if it.fate == stubborn {
			lastStubborn = i
		}
	}
	if poison := counts[malformed] + counts[stubborn]; poison < 25 || poison > 80 || counts[stubborn] < 5 || counts[malformed] < 5 {
		t.Errorf("of each fate: %v", counts)
	}
	if lastStubborn >= n*4/5 || len(next) != keys {
		t.Errorf("the last stubborn one is item %d, keys: %d", lastStubborn, len(next))
	}
}

func TestItemIsReadAsItWasWrittenOrNotAtAll(t *testing.T) {
	it := item{key: 12, seq: 345, fate: stubborn}
	got, err := parseItem(it.keyBytes(), it.value())
	if err != nil || got != it || len(it.value()) != valueSize {
		t.Errorf("got %v, %v", got, err)
	}
	for _, value := range []string{"", "1 2 good", string(it.value()[1:]), string(it.value()) + ".", "x 2 good ."} {
		if got, err := parseItem(it.keyBytes(), []byte(value)); err == nil {
			t.Errorf("value %q was read as %v", value, got)
		}
	}
	if _, err := parseItem([]byte("key-13"), it.value()); err == nil {
		t.Error("another key was taken")
	}
}

func TestJournalKeepsWholeNotesOfAProcessThatWasKilled(t *testing.T) {
	name, p := filepath.Join(t.TempDir(), "journal"), &process{}
	if handled, err := readJournal(name, p); err != nil || len(handled) > 0 {
		t.Errorf("before it was opened: %v, %v", handled, err)
	}
	j, err := openJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	defer j.file.Close()
	want := []handling{
		{place: place{7, 1 << 40}, key: 999, seq: 3, begin: 1, end: 2, by: p},
		{place: place{0, 0}, by: p},
	}
	for _, h := range want {
		if err := j.note(h); err != nil {
			t.Fatal(err)
		}
	}
	torn, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer torn.Close()
	if _, err := torn.WriteString("3 4 5"); err != nil {
		t.Fatal(err)
	}
	got, err := readJournal(name, p)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := torn.WriteString(" x 5 6\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := readJournal(name, p); err == nil {
		t.Errorf("a line that is no note was read as %v", got)
	}
}
