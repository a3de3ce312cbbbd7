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
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime/pprof"
	"slices"
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
	for _, row := range rows() {
		if !match.MatchString(row.name) {
			continue
		}
		row.contenders = slices.Concat(row.contenders[:1], slices.DeleteFunc(slices.Clone(row.contenders[1:]), func(c contender) bool {
			return !chosen.MatchString(c.name)
		}))
		r, err := measure(row, pace.of(row))
		if err != nil {
			return fmt.Errorf("row %q: %w", row.name, err)
		}
		fmt.Print(r.text())
		results = append(results, r)
	}
	if len(results) == 0 {
		return fmt.Errorf("no row matches %q", only)
	}
	if quick || only != "" || with != "" {
		return nil
	}
	return write(results)
}

// rows are all comparisons, one file a module.
func rows() []row {
	return slices.Concat(
		errorsRows(), resilienceRows(), loggingRows(), tracingRows(), httpclientRows(), httpserverRows(), kafkaRows(),
	)
}
