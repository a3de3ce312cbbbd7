// Command benchmarks runs this SDK and its peers side by side on the same work and prints ratios.
//
//	benchmarks          all rows; writes RESULTS.md and results.json
//	benchmarks -quick   all rows, fewer and shorter rounds; only prints
//	benchmarks -run ^errors
//	benchmarks -run ^httpserver -with '^(otelhttp|net/http)$'   against these alone, in less time
//
// The contenders of a row take turns, round by round, in random order, in the same process, so that what else the
// machine does meets all of them alike. A figure is the median of its rounds, and so is a ratio, which is taken
// round by round. Absolute times are those of one machine on one day: ratios and allocations are what to compare.
// CPU time is that of the whole process, with collecting garbage, and moves least on a busy machine.
//
// The Kafka rows run on an embedded broker in a process of its own, or on a real cluster, which KAFKA_BROKERS names:
// in the repository's root, make bin/kafka; then here, ../bin/kafka run go run . -run ^kafka. The rows beside Java need
// one, Java 17 and Maven, and say so where something is missing. There each contender has a process of its own, which
// warms up first, and its memory is compared as well.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "fewer and shorter rounds; write no files")
	only := flag.String("run", "", "run only the rows whose name matches this regular expression")
	with := flag.String("with", "", "run the SDK against only those contenders whose name matches this regular expression")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if os.Getenv(serveEnv) != "" {
		if err := serveBroker(); err != nil {
			fmt.Fprintln(os.Stderr, "benchmarks: embedded broker:", err)
			os.Exit(1)
		}
		return
	}
	if args := os.Getenv(consumeEnv); args != "" {
		if err := consumeAlone(strings.Fields(args)); err != nil {
			fmt.Fprintln(os.Stderr, "benchmarks: consume:", err)
			os.Exit(1)
		}
		return
	}
	err := profiled(*profile, func() error { return run(*quick, *only, *with) })
	closeCluster()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
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

func run(quick bool, only, with string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	chosen, err := regexp.Compile(with)
	if err != nil {
		return fmt.Errorf("-with: %w", err)
	}
	pace := pace{rounds: 41, round: 40 * time.Millisecond}
	if quick {
		pace.rounds, pace.round = 5, 20*time.Millisecond
	}
	var results []result
	add := func(name string, measure func() (result, error)) error {
		if !match.MatchString(name) {
			return nil
		}
		r, err := measure()
		if err != nil {
			return fmt.Errorf("row %q: %w", name, err)
		}
		fmt.Print(r.text())
		results = append(results, r)
		return nil
	}
	for _, row := range rows() {
		row.contenders = against(row.contenders, func(c contender) bool { return chosen.MatchString(c.name) })
		if err := add(row.name, func() (result, error) { return measure(row, pace.of(row)) }); err != nil {
			return err
		}
	}
	for _, row := range javaRows() {
		row.processes = against(row.processes, func(p process) bool { return chosen.MatchString(p.name) })
		if err := add(row.name, func() (result, error) { return measureProcesses(row, pace) }); err != nil {
			return err
		}
	}
	if len(results) == 0 {
		return fmt.Errorf("no row matches %q", only)
	}
	if quick || only != "" || with != "" {
		return nil
	}
	return write(results)
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

// rows are all comparisons within this process, one file a module.
func rows() []row {
	return slices.Concat(
		errorsRows(), resilienceRows(), loggingRows(), tracingRows(), httpclientRows(), httpserverRows(), kafkaRows(),
	)
}
