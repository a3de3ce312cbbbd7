package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// A session is one run of all groups, each in a process of its own.
type session struct {
	options
	kafka *realKafka // nil: not needed so far
	took  time.Duration
	rows  []result
}

func (s *session) run(ctx context.Context) error {
	err := s.measureAll(ctx)
	if s.kafka != nil {
		s.kafka.stop()
	}
	if ctx.Err() != nil {
		return errors.New("interrupted; -resume goes on after the last group that ended")
	}
	if err != nil {
		return err
	}
	r := newReport(thisMachine(s.kafka), s.took, s.rows)
	fmt.Printf("\n%s %d s.\n", r.summary(), r.Seconds)
	if !s.quick && !s.chosen {
		if err := errors.Join(r.write(), writePage()); err != nil {
			return err
		}
	}
	return r.fault()
}

func (s *session) measureAll(ctx context.Context) error {
	for _, g := range groups() {
		if len(g.tasks(s.choice)) == 0 || g.real && s.quick && os.Getenv(brokersEnv) == "" {
			continue
		}
		p, err := s.part(ctx, g)
		if err != nil {
			return err
		}
		s.rows, s.took = append(s.rows, p.Rows...), s.took+p.Took
	}
	if len(s.rows) == 0 {
		return errors.New("no row matches")
	}
	return nil
}

// part is a group's: from before if it may be, else from a process of its own.
func (s *session) part(ctx context.Context, g group) (part, error) {
	if before, err := readPart(g); s.resume && err == nil && before.Done && before.Program == fingerprint(s.options) {
		fmt.Printf("\n%s: measured before\n", g.name)
		return before, nil
	}
	brokers := ""
	if g.real {
		if s.kafka == nil {
			s.kafka = startKafka()
		}
		if s.kafka.missing != "" {
			return unmeasured(g, s.choice, s.kafka.missing), nil
		}
		brokers = s.kafka.brokers
	}
	return inProcess(ctx, g, s.options, brokers, groupLimit)
}

// unmeasured is the part of a group that cannot run on this machine.
func unmeasured(g group, c choice, why string) (p part) {
	for _, t := range g.tasks(c) {
		r := t.row.notMeasuredHere(why)
		r.Group = g.name
		fmt.Print(r.text())
		p.Rows = append(p.Rows, r)
	}
	return p
}
