// Command kafka runs real Apache Kafka on this machine, for tests and for looking at: see the package kafkacluster.
//
//	kafka up [-nodes n]                     starts 1 node or 3, prints KAFKA_BROKERS=host:port,…, and leaves them running
//	                                        until Ctrl-C, or until its standard input ends (/dev/null does not)
//	kafka run [-nodes n] command [arg …]    starts them, runs the command with KAFKA_BROKERS and what else
//	                                        kafkacluster.Cluster.Environment lists in its environment, stops them, and ends
//	                                        with the command's exit code
//	kafka version                           prints which Kafka that is
//
// When KAFKA_BROKERS is set already, run uses that cluster and starts none.
//
// While up runs, each line of its standard input is an order, and each is answered by a line on standard output that
// begins with "ok" or "error":
//
//	kill 2         kills node 2 with SIGKILL
//	kill all       kills all nodes at the same time
//	start 2        starts node 2 again, and answers when it does
//	pause 1 3      stops the processes of nodes 1 and 3 where they are; continue lets them go on
//	stop           stops everything
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/backend-platform/sdk/tools/kafkacluster"
)

// brokersVariable names a running cluster to everything in this repository that can use one.
const brokersVariable = "KAFKA_BROKERS"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:], orders(os.Stdin), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kafka:", err)
	}
	os.Exit(code)
}

// orders returns the input to read orders from, or nil for /dev/null: a program that was put into the background by a
// script has that, and is not meant to end at once.
func orders(in *os.File) io.Reader {
	null, err := os.Stat(os.DevNull)
	if info, errIn := in.Stat(); err == nil && errIn == nil && os.SameFile(null, info) {
		return nil
	}
	return in
}

// run returns the exit code: 2 for a wrong command line.
func run(ctx context.Context, args []string, in io.Reader, out, log io.Writer) (int, error) {
	usage := errors.New("usage: kafka up [-nodes n] | kafka run [-nodes n] command [arg …] | kafka version")
	if len(args) == 0 {
		return 2, usage
	}
	flags := flag.NewFlagSet("kafka "+args[0], flag.ContinueOnError)
	flags.SetOutput(log)
	nodes := flags.Int("nodes", 1, "`number` of nodes, 1 or 3")
	if err := flags.Parse(args[1:]); err != nil {
		return 2, err
	}
	cfg := kafkacluster.Config{Nodes: *nodes, Log: log}
	switch {
	case args[0] == "up" && flags.NArg() == 0:
		if err := up(ctx, cfg, in, out); err != nil {
			return 1, err
		}
		return 0, nil
	case args[0] == "version" && flags.NArg() == 0:
		fmt.Fprintln(out, "Apache Kafka", kafkacluster.Version)
		return 0, nil
	case args[0] == "run" && flags.NArg() > 0:
		return runCommand(ctx, cfg, flags.Args(), out)
	}
	return 2, usage
}

// up runs a cluster until ctx or in ends, or an order says stop.
func up(ctx context.Context, cfg kafkacluster.Config, in io.Reader, out io.Writer) error {
	cluster, err := kafkacluster.Start(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s=%s\n", brokersVariable, strings.Join(cluster.Brokers(), ","))
	if in == nil {
		<-ctx.Done()
	} else {
		obey(ctx, cluster, in, out)
	}
	return cluster.Stop()
}

// runCommand runs a command with a cluster that lives as long as it does.
func runCommand(ctx context.Context, cfg kafkacluster.Config, command []string, out io.Writer) (code int, err error) {
	env := os.Environ()
	if brokers := os.Getenv(brokersVariable); brokers == "" {
		begin := time.Now()
		cluster, err := kafkacluster.Start(ctx, cfg)
		if err != nil {
			return 1, err
		}
		defer func() {
			if stopErr := cluster.Stop(); stopErr != nil && err == nil {
				code, err = 1, stopErr
			}
		}()
		env = append(env, cluster.Environment()...)
		fmt.Fprintf(cfg.Log, "Apache Kafka %s, nodes: %d, %s, up after %.1f s\n",
			kafkacluster.Version, len(cluster.Nodes()), strings.Join(cluster.Brokers(), ","), time.Since(begin).Seconds())
	} else {
		fmt.Fprintf(cfg.Log, "using the cluster of %s, %s\n", brokersVariable, brokers)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, os.Stderr
	cmd.Env = env
	// A Ctrl-C at the terminal reaches the command as well. It may end in its own way.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitCode(exit), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// exitCode is what a shell says: 128 and the signal for a command that was killed.
func exitCode(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
