package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// maxAhead is the bound of package kafka on what a kill makes be handled again,
// for each partition.
const maxAhead = 10_000

// verdict is what the evidence says: figures, and what does not hold.
type verdict struct {
	records, poison, handled, deadLetters int
	deadTwice                             int // dead letters beyond one for each record
	moves                                 int // of a partition away from a process that lived on
	repeats                               int // handlings beyond one for each record
	afterKill                             repeats
	otherwise                             repeats // after a stop, or a move to another consumer
	faults                                []string
}

// repeats is what was handled again after one process by others.
type repeats struct {
	all          int // in the whole run
	process      int // most after one process
	partition    int // most after one stay of a process in a partition
	processes    int // of how many something was handled again
	worstProcess *process
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// id names a record of the topic.
func (ev *evidence) id(p place) string {
	it, ok := ev.records[p]
	if !ok {
		return fmt.Sprintf("%s/%d/%d (not in the topic)", ev.topic, p.partition, p.offset)
	}
	return fmt.Sprintf("%s/%d/%d, %v", ev.topic, p.partition, p.offset, it)
}

// judge compares everything.
func judge(ev evidence) verdict {
	v := verdict{records: len(ev.records)}
	first := v.handlings(&ev)
	dead := v.deadLetterSet(&ev)
	for _, p := range ev.places() {
		_, handled := first[p]
		switch it := ev.records[p]; {
		case it.fate != good:
			v.poison++
			if handled {
				v.fault("%s was handled with success, although its handler always fails", ev.id(p))
			}
			if dead[p] == 0 {
				v.fault("%s is lost: it is not in the dead letters", ev.id(p))
			}
		case dead[p] > 0:
			v.fault("%s is in the dead letters, although it can be handled", ev.id(p))
		case !handled:
			v.fault("%s is lost: it was not handled and is not in the dead letters", ev.id(p))
		}
	}
	v.order(&ev, first)
	v.written(&ev)
	for _, partition := range slices.Sorted(maps.Keys(ev.end)) {
		if ev.committed[partition] != ev.end[partition] {
			v.fault("partition %d: committed is %d, and the end is %d", partition, ev.committed[partition], ev.end[partition])
		}
	}
	return v
}

// places returns where the records are, in order.
func (ev *evidence) places() []place {
	return slices.SortedFunc(maps.Keys(ev.records), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset))
	})
}

// stay is the time in which one process handles a partition. It is over when
// another one does, and when it handles a record again itself, for then it has
// lost the partition and got it back.
type stay struct {
	by        *process
	partition int32
}

// handlings returns the first success of each record, and counts the others.
func (v *verdict) handlings(ev *evidence) map[place]handling {
	slices.SortFunc(ev.handled, func(a, b handling) int { return cmp.Compare(a.end, b.end) })
	first := map[place]handling{}
	again := map[*stay]int{}
	current := map[int32]*stay{}
	during := make(map[place]*stay) // the stay of the last handling
	for _, h := range ev.handled {
		now := current[h.partition]
		if now != nil && now.by != h.by && now.by.livesAt(h.begin) {
			v.moves++
		}
		if now == nil || now.by != h.by || during[h.place] == now {
			now = &stay{by: h.by, partition: h.partition}
			current[h.partition] = now
		}
		if it, ok := ev.records[h.place]; !ok || it.key != h.key || it.seq != h.seq {
			v.fault("%v handled record %d of key %d as %s", h.by, h.seq, h.key, ev.id(h.place))
		}
		if before := during[h.place]; before != nil {
			v.repeats++
			again[before]++
		} else {
			first[h.place] = h
		}
		during[h.place] = now
	}
	v.handled = len(first)
	byProcess := map[*process]int{}
	partition := map[*process]int{}
	for st, n := range again {
		byProcess[st.by] += n
		partition[st.by] = max(partition[st.by], n)
		if n > maxAhead {
			v.fault("%d records of partition %d were handled again after %v had it once, want at most %d", n, st.partition, st.by, maxAhead)
		}
	}
	for p, n := range byProcess {
		r := &v.otherwise
		if p.killed {
			r = &v.afterKill
		}
		r.processes++
		r.all += n
		r.partition = max(r.partition, partition[p])
		if n > r.process {
			r.process, r.worstProcess = n, p
		}
	}
	return first
}

// deadLetterSet counts the dead letters of each record.
func (v *verdict) deadLetterSet(ev *evidence) map[place]int {
	dead := map[place]int{}
	for _, d := range ev.dead {
		if d.err != nil {
			v.fault("the dead letter of %s: %v", ev.id(d.place), d.err)
			continue
		}
		if it, ok := ev.records[d.place]; !ok || it != d.item {
			v.fault("the dead letter of %s holds %v", ev.id(d.place), d.item)
		}
		dead[d.place]++
	}
	v.deadLetters = len(dead)
	v.deadTwice = len(ev.dead) - len(dead)
	return dead
}

// order compares, for each key, the first successes with the order of the
// records in the topic. A record without a success (a dead letter) has no place
// in the order.
func (v *verdict) order(ev *evidence, first map[place]handling) {
	before := map[int]handling{}
	for _, p := range ev.places() {
		h, ok := first[p]
		if !ok {
			continue
		}
		key := ev.records[p].key
		if b, ok := before[key]; ok && h.begin < b.end {
			v.fault("%s was begun by %v %d ns before %v had ended %s", ev.id(p), h.by, b.end-h.begin, b.by, ev.id(b.place))
		}
		before[key] = h
	}
}

// written compares what the producer was told with what is there.
func (v *verdict) written(ev *evidence) {
	for p, it := range ev.acked {
		if got, ok := ev.records[p]; !ok || got != it {
			v.fault("%v was acknowledged at %s/%d/%d, and there is %s", it, ev.topic, p.partition, p.offset, ev.id(p))
		}
	}
	next := map[int]int{}
	for _, p := range ev.places() {
		it := ev.records[p]
		if _, acked := ev.acked[p]; !acked && ev.uncertain[it] == 0 {
			v.fault("%s is in the topic, and no publish of it was acknowledged or may have written it", ev.id(p))
		}
		if len(ev.uncertain) > 0 {
			continue // What was published again has its place behind others.
		}
		if it.seq != next[it.key] {
			v.fault("%s is in the topic where record %d of its key should be", ev.id(p), next[it.key])
		}
		next[it.key] = it.seq + 1
	}
}
