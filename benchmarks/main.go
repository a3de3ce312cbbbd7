// Command benchmarks runs this SDK and its peers side by side on the same work and prints ratios. The repository's
// make bench and make bench-quick build and run it; it runs in its own folder.
//
//	benchmarks            all rows; writes RESULTS.md, results.json and docs/PERFORMANCE.md
//	benchmarks -resume    the same, without the groups that this build measured before it was interrupted
//	benchmarks -quick     all rows but those on a real Kafka, fewer and shorter rounds; only prints
//	benchmarks -growth    how cost grows with hosts, workers, partitions, retries; writes growth.json and the plots
//	benchmarks -render    only makes the pages and the plots again
//	benchmarks -run ^errors
//	benchmarks -run ^httpserver -with '^(otelhttp|net/http)$'   against these alone; only prints
//
// It ends with 1 when this SDK misses a bar of a row by more than the noise of the same run, or a row fails.
//
// The contenders of a row take turns, round by round, in random order, in the same process, so that what else the
// machine does meets all of them alike. A figure is the median of its rounds, and so is a ratio, which is taken
// round by round. Absolute times are those of one machine on one day: ratios and allocations are what to compare.
// CPU time is that of the whole process, with collecting garbage, and moves least on a busy machine.
//
// Each group of rows has a process of its own. The Kafka rows run on an embedded broker in one more process, and on a
// real Kafka, which is started where Java and Maven are installed, or which KAFKA_BROKERS names. The rows beside Java
// have a process for each contender, which warms up first, and its memory is compared as well. What could not run is
// listed with the reason.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"strings"
	"syscall"
)

type options struct {
	quick, resume bool
	growth        bool
	render        bool
	choice        choice
	chosen        bool // not all rows, or not all peers
	profile       string
}

func main() {
	if ran, err := serveOther(); ran {
		exit(err)
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(2)
	}
	if name := os.Getenv(groupEnv); name != "" {
		err := profiled(o.profile, func() error { return oneGroup(name, o) })
		closeCluster()
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	switch {
	case o.render:
		err = render()
	case o.growth:
		err = grow(ctx, o)
	default:
		err = (&session{options: o}).run(ctx)
	}
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveOther does what this program does for another process of it.
func serveOther() (ran bool, err error) {
	if os.Getenv(serveEnv) != "" {
		return true, serveBroker()
	}
	if args := os.Getenv(consumeEnv); args != "" {
		return true, consumeAlone(strings.Fields(args))
	}
	if point := os.Getenv(pointEnv); point != "" {
		return true, measurePoint(point)
	}
	return false, nil
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("benchmarks", flag.ExitOnError)
	flags.BoolVar(&o.quick, "quick", false, "fewer and shorter rounds; write no files")
	flags.BoolVar(&o.resume, "resume", false, "leave out the groups that this build has measured already")
	flags.BoolVar(&o.growth, "growth", false, "measure how cost grows; write growth.json and the plots")
	flags.BoolVar(&o.render, "render", false, "only make the pages again, from results.json and growth.json")
	rows := flags.String("run", "", "run only the rows whose name matches this regular `expression`")
	peers := flags.String("with", "", "run the SDK against only those contenders whose name matches this regular `expression`")
	flags.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the last group to this `file`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.choice.quick, o.chosen = o.quick, *rows != "" || *peers != ""
	var err1, err2 error
	o.choice.rows, err1 = regexp.Compile(*rows)
	o.choice.peers, err2 = regexp.Compile(*peers)
	return o, errors.Join(err1, err2)
}

func (o options) pace() pace {
	if o.quick {
		return quickPace
	}
	return fullPace
}

func oneGroup(name string, o options) error {
	for _, g := range groups() {
		if g.name == name {
			return measureGroup(g, o)
		}
	}
	return fmt.Errorf("there is no group %q", name)
}

// profiled runs with a CPU profile if a file is given.
func profiled(file string, do func() error) error {
	if file == "" {
		return do()
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return do()
}
