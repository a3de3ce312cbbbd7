package main

import "regexp"

// A group of rows is measured in a process of its own: one that fails, or never ends, costs the others nothing, and a
// run that was interrupted goes on after the last group that ended.
type group struct {
	name      string
	rows      func() []row        // within that process
	processes func() []processRow // in more processes
	real      bool                // needs a real Kafka
}

// groups are all, in the order of the page that is made of them.
func groups() []group {
	return []group{
		{name: "errors", rows: errorsRows},
		{name: "resilience", rows: resilienceRows},
		{name: "logging", rows: loggingRows},
		{name: "tracing", rows: tracingRows},
		{name: "httpclient", rows: httpclientRows},
		{name: "httpserver", rows: httpserverRows},
		{name: "kafka on the embedded broker", rows: embeddedKafkaRows},
		{name: "kafka on Apache Kafka", rows: realKafkaRows, real: true},
		{name: "kafka beside Java", processes: javaRows, real: true},
	}
}

// choice is what of the rows is measured, and against whom.
type choice struct {
	rows, peers *regexp.Regexp
	quick       bool
}

// A task is a row of either kind.
type task struct {
	row     row
	measure func(p pace) (result, error)
}

// tasks are the rows of a group that are chosen.
func (g group) tasks(c choice) (tasks []task) {
	if g.rows != nil {
		for _, r := range g.rows() {
			r.contenders = against(r.contenders, func(x contender) bool { return c.peers.MatchString(x.name) })
			tasks = append(tasks, task{r, func(p pace) (result, error) { return measure(r, p.of(r)) }})
		}
	}
	if g.processes != nil {
		for _, r := range g.processes() {
			r.processes = against(r.processes, func(x process) bool { return c.peers.MatchString(x.name) })
			for _, p := range r.processes {
				r.contenders = append(r.contenders, contender{name: p.name, note: p.note})
			}
			tasks = append(tasks, task{r.row, func(p pace) (result, error) { return measureProcesses(r, p) }})
		}
	}
	chosen := tasks[:0]
	for _, t := range tasks {
		if c.rows.MatchString(t.row.name) && !(c.quick && t.row.notQuick) {
			chosen = append(chosen, t)
		}
	}
	return chosen
}

// against keeps the first, which is the SDK, and those of the others that are chosen.
func against[T any](all []T, chosen func(T) bool) []T {
	var kept []T
	for i, c := range all {
		if i == 0 || chosen(c) {
			kept = append(kept, c)
		}
	}
	return kept
}
