package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

var redriveCommand = command{
	name: "redrive", args: "TOPIC GROUP", purpose: "put dead letters back into their topic, all or those that flags select",
	help: `Each pending dead letter goes back into the partition that it came from, with its key, value and headers. A
record that was put back 5 times and failed once more is parked. When it is interrupted, the same command goes
on where it was. -from parked.TOPIC.GROUP puts back what was parked.

Examples:
  kafka-dlq redrive orders shipping -dry-run
  kafka-dlq redrive orders shipping -code unavailable -since 2h
  kafka-dlq redrive orders shipping -key customer-7 -rate 100
`,
	run: func(ctx context.Context, o *options, args []string) error {
		var cfg kafka.RedriveConfig
		o.IntVar(&cfg.MaxRedrives, "max-redrives", 0, "park a record that was put back so many `times`; 0: 5; negative: never")
		return o.move(ctx, cfg, args)
	},
}

var parkCommand = command{
	name: "park", args: "TOPIC GROUP", purpose: "move dead letters to the parking topic, where no redrive finds them",
	help: `Each pending dead letter that the flags select goes to parked.TOPIC.GROUP as it is. Retention does not delete
it there. kafka-dlq list TOPIC GROUP -from parked.TOPIC.GROUP shows what was parked.

Examples:
  kafka-dlq park orders shipping -reason BAD_QTY
  kafka-dlq park orders shipping -code invalid_argument -dry-run
`,
	run: func(ctx context.Context, o *options, args []string) error {
		return o.move(ctx, kafka.RedriveConfig{Park: true}, args)
	},
}

func (o *options) move(ctx context.Context, cfg kafka.RedriveConfig, args []string) error {
	o.filters()
	o.BoolVar(&cfg.DryRun, "dry-run", false, "count, and write nothing")
	o.IntVar(&cfg.Rate, "rate", 0, "`dead letters` per second; 0: as many as the brokers take")
	o.IntVar(&cfg.Limit, "limit", 0, "end after so many `dead letters`; 0: all")
	o.BoolVar(&cfg.Again, "again", false, "also those that were put back or parked before")
	words, err := o.parse(args, 2, 2)
	if err != nil {
		return err
	}
	cfg.From, cfg.Filter, cfg.Connection, cfg.Logger = o.from, o.filter, o.connection(), o.logger()
	if o.c.terminal && !o.json && !cfg.DryRun {
		if cfg.OnProgress, err = o.progress(ctx, words[0], words[1], cfg); err != nil {
			return err
		}
	}
	began := time.Now()
	result, err := kafka.Redrive(ctx, o.addresses(), words[0], words[1], cfg)
	if cfg.OnProgress != nil {
		fmt.Fprint(o.c.err, "\r\x1b[K")
	}
	if err != nil && result == (kafka.RedriveResult{}) {
		return err
	}
	return errors.Join(o.report(words[0], words[1], cfg, result, time.Since(began)), err)
}

type resultJSON struct {
	Redriven   int  `json:"redriven"`
	Parked     int  `json:"parked"`
	Skipped    int  `json:"skipped"`
	Done       int  `json:"done"`
	Unreadable int  `json:"unreadable"`
	DryRun     bool `json:"dry_run,omitempty"`
}

func (o *options) report(topic, group string, cfg kafka.RedriveConfig, r kafka.RedriveResult, took time.Duration) error {
	if o.json {
		return line(o.c.out, resultJSON{r.Redriven, r.Parked, r.Skipped, r.Done, r.Unreadable, cfg.DryRun})
	}
	would := ""
	if cfg.DryRun {
		would = "would be "
	}
	var parts []string
	part := func(n int, what string) {
		if n > 0 {
			parts = append(parts, thousands(n)+" "+what)
		}
	}
	in := ""
	if !cfg.DryRun {
		in = fmt.Sprintf(" in %v", took.Round(time.Millisecond))
	}
	part(r.Redriven, would+"put back into "+printable(topic)+in)
	part(r.Parked, would+"moved to "+kafka.ParkingTopic(topic, group)+in)
	part(r.Skipped, "not selected")
	part(r.Done, "done by earlier runs")
	part(r.Unreadable, "left alone, for their headers do not say that they are of this topic and group")
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	fmt.Fprintln(o.c.out, strings.Join(parts, "\n"))
	return nil
}

// progress returns what draws the bar. How much there is to do a dry run says.
func (o *options) progress(ctx context.Context, topic, group string, cfg kafka.RedriveConfig) (func(kafka.RedriveResult), error) {
	cfg.DryRun = true
	all, err := kafka.Redrive(ctx, o.addresses(), topic, group, cfg)
	if err != nil {
		return nil, err
	}
	total := all.Redriven + all.Parked
	began := time.Now()
	return func(r kafka.RedriveResult) { fmt.Fprint(o.c.err, bar(r.Redriven+r.Parked, total, time.Since(began))) }, nil
}

func bar(done, total int, took time.Duration) string {
	const width = 30
	part := 1.0
	if total > 0 {
		part = min(float64(done)/float64(total), 1)
	}
	full := int(part * width)
	return fmt.Sprintf("\r\x1b[K[%s%s] %s of %s, %.0f/s", strings.Repeat("#", full), strings.Repeat("-", width-full),
		thousands(done), thousands(total), float64(done)/max(took.Seconds(), 0.001))
}
