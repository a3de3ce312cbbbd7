package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// consumeEnv makes this program consume in a process of its own; it has the arguments of java/…/Peers.java.
const consumeEnv = "BENCHMARKS_CONSUME"

// Rounds of a process, of which the last counts: a virtual machine compiles what it has run often. Those before have a
// third of the records, but all where they take no time.
const (
	warmRounds  = 2
	plainRounds = 5
	warmShare   = 3
)

// anyOrderMode before the number of workers makes this program the floor instead of the SDK.
const anyOrderMode = "any-order-"

const javaPlain = "Java's poll loop"

// javaRows need a real cluster, Java and Maven.
func javaRows() []processRow {
	nothing := javaRow(64, "does nothing", 0)
	nothing.processes = append(nothing.processes, process{
		javaPlain, "the floor in Java: the official client, one thread, commits after each poll; warmed up for four rounds", consumer(javaCommand, "plain", 0, plainRounds),
	})
	nothing.bars = []bar{timesTheRate(8, "parallel-consumer"), timesTheRate(0.8, javaPlain)}
	slow, wide := javaRow(64, "takes 1 ms", 1), javaRow(256, "takes 1 ms", 1)
	slow.processes = append(slow.processes, process{
		"kgo, any order", "the floor: a poll loop for as many goroutines that take the next record, whatever its key, and commit nothing", consumer(selfCommand, anyOrderMode+"64", 1, warmRounds),
	})
	slow.bars = append([]bar{timesTheRate(1.3, "parallel-consumer").orWithin(0.9, "kgo, any order")}, javaShares()...)
	wide.bars = append([]bar{timesTheRate(3, "parallel-consumer")}, javaShares()...)
	return []processRow{nothing, slow, wide}
}

func javaShares() []bar {
	return []bar{cpuWithin(0.2, "parallel-consumer"), memoryWithin(0.25, "parallel-consumer")}
}

// javaRow compares with what there is in Java, each in a process of its own, whose memory is measured as well.
func javaRow(workers int, handler string, millis int) processRow {
	cfg := "zero Config"
	if workers != 64 {
		cfg = "zero Config but for the workers"
	}
	threads := strconv.Itoa(workers)
	return processRow{
		row: row{name: fmt.Sprintf("%s: consume 256 B beside Java, handler that %s, %d workers", onApache, handler, workers), unit: "record", n: 300_000},
		processes: []process{
			{"sdk", cfg, consumer(selfCommand, threads, millis, warmRounds)},
			{"parallel-consumer", "Confluent's, in the order of keys, as many threads, else its defaults", consumer(javaCommand, threads, millis, warmRounds)},
		},
	}
}

// consumer runs a program that consumes.
func consumer(program func() ([]string, error), mode string, millis, rounds int) func(n int) (spent, error) {
	return func(n int) (spent, error) {
		if !onRealKafka() {
			return spent{}, notRun("no real Kafka: " + brokersEnv + " names none")
		}
		c, err := theCluster()
		if err != nil {
			return spent{}, err
		}
		topic, err := c.shared(keyed.name, keyed.partitions)
		if err == nil {
			err = c.fill(topic, inTurn(keyed.keys), plenty(n))
		}
		if err != nil {
			return spent{}, err
		}
		command, err := program()
		if err != nil {
			return spent{}, err
		}
		args := []string{strings.Join(c.addrs, ","), topic, strconv.Itoa(n), mode, strconv.Itoa(millis), strconv.Itoa(rounds)}
		return execute(context.Background(), append(command, args...), consumeEnv+"="+strings.Join(args, " "))
	}
}

// execute runs a process, which prints nanoseconds, CPU nanoseconds and the most memory that it had, in KiB.
func execute(ctx context.Context, command []string, variable string) (s spent, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), variable)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("%s: %w", command[0], err)
	}
	if _, err := fmt.Sscan(string(out), &s.took, &s.cpu, &s.memory); err != nil {
		return s, fmt.Errorf("%s printed %q: %w", command[0], out, err)
	}
	return s, nil
}

func selfCommand() ([]string, error) {
	self, err := os.Executable()
	return []string{self}, err
}

// javaCommand builds the peers in Java once.
var javaCommand = sync.OnceValues(func() ([]string, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, notRun("no Java: " + err.Error())
	}
	if err := buildJava(); err != nil {
		return nil, err
	}
	classes := "../bin/java/peers-1.jar" + string(os.PathListSeparator) + filepath.FromSlash("../bin/java/lib/*")
	return []string{java, "-cp", classes, "Peers"}, nil
})

func buildJava() error {
	built, err := os.Stat("../bin/java/peers-1.jar")
	fresh := err == nil
	for _, source := range []string{"java/pom.xml", "java/src/main/java/Peers.java"} {
		info, err := os.Stat(source)
		if err != nil {
			return notRun("not in the folder benchmarks: " + err.Error())
		}
		fresh = fresh && info.ModTime().Before(built.ModTime())
	}
	if fresh {
		return nil
	}
	out, err := exec.Command("mvn", "-q", "-B", "-C", "-f", "java/pom.xml", "package").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return notRun("no Maven: " + err.Error())
	}
	if err != nil && strings.Contains(string(out), "COMPILATION ERROR") {
		return fmt.Errorf("mvn package: %w\n%s", err, out)
	}
	if err != nil { // the jars cannot be fetched
		return notRun(fmt.Sprintf("mvn package: %v: %s", err, out))
	}
	return nil
}

// consumeAlone is the other process, on this SDK's side.
func consumeAlone(args []string) error {
	if len(args) != 6 {
		return fmt.Errorf("%s has %d words, want 6", consumeEnv, len(args))
	}
	var numbers [4]int
	mode, floor := strings.CutPrefix(args[3], anyOrderMode)
	for i, arg := range []string{args[2], mode, args[4], args[5]} {
		var err error
		if numbers[i], err = strconv.Atoi(arg); err != nil {
			return err
		}
	}
	n, workers, handle, rounds := numbers[0], numbers[1], nothing, numbers[3]
	if numbers[2] > 0 {
		handle = oneMillisecond
	}
	consume := sdkConsume(workersConfig(workers))
	if floor {
		consume = anyOrder(workers)
	}
	var last spent
	for left := rounds; left > 0; left-- {
		c := &consumption{
			cluster: &cluster{addrs: strings.Split(args[0], ",")}, topic: args[1], n: n, handle: handle, done: make(chan struct{}),
		}
		if left > 1 {
			c.n /= warmShare
		}
		before := processTime()
		if err := consume(context.Background(), c); err != nil {
			return err
		}
		last = spent{took: time.Since(c.begin), cpu: processTime() - before}
	}
	memory, err := peakMemory()
	fmt.Println(int64(last.took), int64(last.cpu), memory)
	return err
}

// peakMemory is the most memory that the process had at a time, in KiB. That of its resource usage begins with what
// the parent has.
func peakMemory() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "kB")
	return strconv.ParseInt(strings.TrimSpace(line), 10, 64)
}
