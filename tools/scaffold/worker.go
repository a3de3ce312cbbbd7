package scaffold

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// brokerSource is a Kafka in a process, of the SDK that the made service has in its go.mod. It writes 20,000 visits and prints
// the broker's address, then a line once the worker is under way. At the first line of its input it says how many visits
// have been greeted and writes 1,000 more; it says how many once all are done, and ends with its input.
const brokerSource = `package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

type program struct{}

func (program) Helper()                           {}
func (program) Cleanup(func())                    {}
func (program) Context() context.Context          { return context.Background() }
func (program) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

func main() {
	broker, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{"visits": 4, "greetings": 4}, Timeout: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	visit(broker, 0, 20000)
	fmt.Println(broker.Addrs()[0])
	broker.WaitRecords(program{}, "greetings", 50)
	fmt.Println("under way")
	input := bufio.NewReader(os.Stdin)
	if _, err := input.ReadString('\n'); err != nil {
		log.Fatal(err)
	}
	fmt.Println(greeted(broker))
	visit(broker, 20000, 21000)
	broker.WaitCaughtUp(program{}, "visits", "made-helloworker")
	fmt.Println(greeted(broker))
	_, _ = io.Copy(io.Discard, input)
}

func visit(broker *kafkatest.Broker, from, to int) {
	var visits []kafka.Record
	for i := from; i < to; i++ {
		visits = append(visits, kafka.Record{Topic: "visits", Key: fmt.Appendf(nil, "v-%d", i), Value: fmt.Appendf(nil, "{\"name\":\"n%d\"}", i)})
	}
	broker.Produce(program{}, visits...)
}

func greeted(broker *kafkatest.Broker) int {
	names := map[string]bool{}
	for _, r := range broker.Records(program{}, "greetings") {
		names[string(r.Key)] = true
	}
	return len(names)
}
`

// useWorker stops the worker while it works, starts it again, and counts: every visit is greeted.
func (r *run) useWorker(ctx context.Context, dir, binary string) error {
	broker := filepath.Join(dir, "internal", "broker")
	if err := errors.Join(os.MkdirAll(broker, 0o777), os.WriteFile(filepath.Join(broker, "main.go"), []byte(brokerSource), 0o666)); err != nil {
		return err
	}
	program := filepath.Join(dir, "bin", "broker"+exe())
	if err := r.command(ctx, dir, "go", "build", "-mod=readonly", "-o", program, "./internal/broker"); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Stderr = os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		return err
	}
	err := r.stopAndCount(ctx, dir, binary, in, bufio.NewReader(out))
	if err = errors.Join(err, in.Close()); err != nil {
		err = errors.Join(err, cmd.Process.Kill())
	}
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	return err
}

func (r *run) stopAndCount(ctx context.Context, dir, binary string, input io.Writer, broker *bufio.Reader) error {
	address, err := line(broker)
	if err != nil {
		return fmt.Errorf("the broker: %w", err)
	}
	env := []string{"KAFKA_BROKERS=" + address, "SERVICE_DRAIN_DELAY=0s"}
	p, err := r.start(ctx, dir, binary, env...)
	if err != nil {
		return err
	}
	if _, err := line(broker); err != nil { // under way
		return errors.Join(fmt.Errorf("the broker: %w", err), p.kill())
	}
	if err := p.stop(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(input, "stopped"); err != nil {
		return err
	}
	before, err := line(broker)
	if err != nil {
		return fmt.Errorf("the broker: %w", err)
	}
	if p, err = r.start(ctx, dir, binary, env...); err != nil {
		return err
	}
	after, err := line(broker)
	if err := errors.Join(err, p.stop()); err != nil {
		return err
	}
	fmt.Fprintf(r.opts.Log, "      %s of 20000 visits were greeted when it was stopped, %s of 21000 after a restart\n", before, after)
	if after != "21000" {
		return fmt.Errorf("%s of 21000 visits were greeted", after)
	}
	return nil
}

func line(r *bufio.Reader) (string, error) {
	text, err := r.ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimSpace(text), err
}
