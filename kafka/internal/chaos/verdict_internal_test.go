package main

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
)

// sound is the evidence of a run in which everything holds: two keys in two
// partitions, a dead letter, and a process that was killed.
//
//	partition 0: 0 a0, 1 a1, 2 a2
//	partition 1: 0 b0 (poison), 1 b1
func sound() (evidence, *process, *process) {
	killed, alive := &process{slot: 0, life: 1, killed: true, ended: time.Unix(0, 40)}, &process{slot: 1, life: 1}
	a := func(seq int) item { return item{key: 1, seq: seq, fate: good} }
	b0, b1 := item{key: 2, seq: 0, fate: malformed}, item{key: 2, seq: 1, fate: good}
	ev := evidence{
		topic:   "t",
		records: map[place]item{{0, 0}: a(0), {0, 1}: a(1), {0, 2}: a(2), {1, 0}: b0, {1, 1}: b1},
		handled: []handling{
			{place: place{0, 0}, key: 1, seq: 0, begin: 10, end: 20, by: killed},
			{place: place{0, 1}, key: 1, seq: 1, begin: 20, end: 30, by: killed},
			{place: place{0, 1}, key: 1, seq: 1, begin: 50, end: 60, by: alive}, // again, after the kill
			{place: place{0, 2}, key: 1, seq: 2, begin: 60, end: 70, by: alive},
			{place: place{1, 1}, key: 2, seq: 1, begin: 15, end: 25, by: alive},
		},
		dead:      []deadLetter{{place: place{1, 0}, item: b0}},
		committed: map[int32]int64{0: 3, 1: 2},
		end:       map[int32]int64{0: 3, 1: 2},
	}
	ev.acked = maps.Clone(ev.records)
	return ev, killed, alive
}

func TestVerdictOnASoundRunCountsAndFindsNothing(t *testing.T) {
	ev, killed, _ := sound()
	v := judge(ev)
	if len(v.faults) > 0 {
		t.Errorf("faults: %q", v.faults)
	}
	if v.records != 5 || v.handled != 4 || v.poison != 1 || v.deadLetters != 1 || v.repeats != 1 {
		t.Errorf("figures: %+v", v)
	}
	if want := (repeats{all: 1, process: 1, partition: 1, processes: 1, worstProcess: killed}); v.afterKill != want || v.otherwise != (repeats{}) {
		t.Errorf("handled again after a kill: %v, otherwise: %v", v.afterKill, v.otherwise)
	}
}

func TestVerdictCountsPartitionsThatMoveBetweenTheLiving(t *testing.T) {
	ev, killed, _ := sound()
	if v := judge(ev); v.moves != 0 {
		t.Errorf("%d moves, and the first owner was dead", v.moves)
	}
	killed.ended = time.Unix(0, 51) // It lived when the other one began with what it had.
	if v := judge(ev); v.moves != 1 {
		t.Errorf("%d moves, want 1", v.moves)
	}
}

func TestVerdictCountsEachStayInAPartitionByItself(t *testing.T) {
	ev, killed, alive := sound()
	for offset := range int64(6000) {
		p := place{0, offset + 3}
		ev.records[p] = item{key: 10 + int(offset), fate: good}
		ev.acked[p] = ev.records[p]
		// It was handled, lost with the partition, handled again, and lost again.
		for i, by := range []*process{killed, killed, alive} {
			at := 100 + 10_000*int64(i) + offset
			ev.handled = append(ev.handled, handling{place: p, key: 10 + int(offset), begin: at, end: at, by: by})
		}
	}
	ev.committed[0], ev.end[0] = 6003, 6003
	if v := judge(ev); len(v.faults) > 0 || v.afterKill.all != 12_001 || v.afterKill.partition != 6000 {
		t.Errorf("after a kill: %v, faults: %q", v.afterKill, v.faults)
	}
}

func TestVerdictNamesWhatDoesNotHold(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(ev *evidence)
		want  string
	}{
		"a record that nobody handled": {
			func(ev *evidence) { ev.handled = ev.handled[:4] },
			"t/1/1, record 1 of key 2 (good) is lost: it was not handled and is not in the dead letters",
		},
		"a dead letter that is missing": {
			func(ev *evidence) { ev.dead = nil },
			"t/1/0, record 0 of key 2 (malformed) is lost: it is not in the dead letters",
		},
		"a dead letter of a good record": {
			func(ev *evidence) {
				ev.dead = append(ev.dead, deadLetter{place: place{0, 2}, item: ev.records[place{0, 2}]})
			},
			"t/0/2, record 2 of key 1 (good) is in the dead letters, although it can be handled",
		},
		"a dead letter with another content": {
			func(ev *evidence) { ev.dead[0].item = ev.records[place{0, 0}] },
			"the dead letter of t/1/0, record 0 of key 2 (malformed) holds record 0 of key 1 (good)",
		},
		"a dead letter that cannot be read": {
			func(ev *evidence) { ev.dead[0].err = errors.New("torn") },
			"the dead letter of t/1/0, record 0 of key 2 (malformed): torn",
		},
		"a poison record that was handled": {
			func(ev *evidence) {
				ev.handled = append(ev.handled, handling{place: place{1, 0}, key: 2, seq: 0, begin: 1, end: 2, by: ev.handled[0].by})
			},
			"t/1/0, record 0 of key 2 (malformed) was handled with success, although its handler always fails",
		},
		"a key out of order": {
			func(ev *evidence) { ev.handled[3].begin, ev.handled[3].end = 12, 13 },
			"t/0/2, record 2 of key 1 (good) was begun by consumer 2.1 18 ns before consumer 1.1 had ended t/0/1, record 1 of key 1 (good)",
		},
		"two of a key at a time": {
			func(ev *evidence) { ev.handled[1].begin = 19 },
			"t/0/1, record 1 of key 1 (good) was begun by consumer 1.1 1 ns before consumer 1.1 had ended t/0/0",
		},
		"the content of another record": {
			func(ev *evidence) { ev.handled[0].seq = 2 },
			"consumer 1.1 handled record 2 of key 1 as t/0/0, record 0 of key 1 (good)",
		},
		"too much again after a process": {
			func(ev *evidence) {
				for offset := range int64(maxAhead + 1) {
					p := place{0, offset + 3}
					ev.records[p] = item{key: 10 + int(offset), fate: good}
					ev.acked[p] = ev.records[p]
					for i, by := range []*process{ev.handled[0].by, ev.handled[3].by} {
						at := int64(100 + i)
						ev.handled = append(ev.handled, handling{place: p, key: 10 + int(offset), begin: at, end: at, by: by})
					}
				}
				ev.committed[0], ev.end[0] = maxAhead+4, maxAhead+4
			},
			"10001 records of partition 0 were handled again after consumer 1.1 had it once, want at most 10000",
		},
		"an offset that is behind": {
			func(ev *evidence) { ev.committed[0] = 2 },
			"partition 0: committed is 2, and the end is 3",
		},
		"a partition without an offset": {
			func(ev *evidence) { delete(ev.committed, 1) },
			"partition 1: committed is 0, and the end is 2",
		},
		"an acknowledged record that is gone": {
			func(ev *evidence) { delete(ev.records, place{0, 2}) },
			"record 2 of key 1 (good) was acknowledged at t/0/2, and there is t/0/2 (not in the topic)",
		},
		"a record that nobody wrote": {
			func(ev *evidence) { delete(ev.acked, place{0, 2}) },
			"t/0/2, record 2 of key 1 (good) is in the topic, and no publish of it was acknowledged or may have written it",
		},
		"records of a key written in another order": {
			func(ev *evidence) {
				ev.records[place{0, 0}], ev.records[place{0, 1}] = ev.records[place{0, 1}], ev.records[place{0, 0}]
			},
			"t/0/0, record 1 of key 1 (good) is in the topic where record 0 of its key should be",
		},
	} {
		ev, _, _ := sound()
		test.spoil(&ev)
		if faults := strings.Join(judge(ev).faults, "\n"); !strings.Contains(faults, test.want) {
			t.Errorf("%s: no fault %q among:\n%s", name, test.want, faults)
		}
	}
}

func TestVerdictTakesARecordThatMayHaveBeenWrittenTwiceForWhatItIs(t *testing.T) {
	ev, _, alive := sound()
	again := ev.records[place{0, 1}]
	ev.records[place{0, 3}] = again // The first publish had written it, the second one was acknowledged.
	delete(ev.acked, place{0, 1})
	ev.acked[place{0, 3}] = again
	ev.uncertain = map[item]int{again: 1}
	ev.handled = append(ev.handled, handling{place: place{0, 3}, key: 1, seq: 1, begin: 80, end: 90, by: alive})
	ev.committed[0], ev.end[0] = 4, 4
	if v := judge(ev); len(v.faults) > 0 {
		t.Errorf("faults: %q", v.faults)
	}
}
