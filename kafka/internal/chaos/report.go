package main

import (
	"fmt"
	"time"
)

// shown is how many faults are printed; the others are in the logs' folder.
const shown = 30

// report prints the figures and the faults.
func (c *chaos) report(w *writer, v verdict, excused int) {
	lines := []string{
		fmt.Sprintf("seed %d, %.0f s", c.cfg.seed, time.Since(c.begin).Seconds()),
		fmt.Sprintf("killed: consumers %d times, brokers one by one %d times, all brokers at once %d times; stopped in order: consumers %d times",
			c.consumerKills, c.brokerKills, c.outages, c.consumerStops),
		fmt.Sprintf("written: %d records in %d partitions over %d keys; published again after they may have been written %d, after a refusal %d",
			v.records, partitions, keys, total(w.uncertain), w.refused),
		fmt.Sprintf("handled: %d records; dead letters of %d records, and %d are poison; %d more than one of a record",
			v.handled, v.deadLetters, v.poison, v.deadTwice),
		fmt.Sprintf("partitions that moved away from a consumer that lived on: %d", v.moves),
		fmt.Sprintf("handled again: %d in all", v.repeats),
		"  after a kill:           " + v.afterKill.String(),
		"  after a stop or a move: " + v.otherwise.String(),
		fmt.Sprintf("consumers that found no broker at their start and were started again: %d", excused),
	}
	if c.cluster == nil {
		lines = append(lines, "the brokers are not this program's own and were left alone: this run says nothing about brokers that are killed")
	}
	for i, fault := range v.faults {
		if i == shown {
			lines = append(lines, fmt.Sprintf("… and %d more, in the timeline with the logs", len(v.faults)-shown))
			break
		}
		lines = append(lines, "FAULT: "+fault)
	}
	if len(v.faults) == 0 {
		lines = append(lines, "ok: nothing is lost, the order of each key held, the dead letters are exactly the poison")
	}
	for _, fault := range v.faults {
		fmt.Fprintln(c.timeline, "FAULT:", fault)
	}
	fmt.Println()
	for _, line := range lines {
		fmt.Println(line)
		fmt.Fprintln(c.timeline, line)
	}
}

func (r repeats) String() string {
	if r.all == 0 {
		return "none"
	}
	return fmt.Sprintf("%d, of %d processes; most of one %d (%v); most of one stay in a partition %d, where the bound is %d",
		r.all, r.processes, r.process, r.worstProcess, r.partition, maxAhead)
}

func total[K comparable](counts map[K]int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
