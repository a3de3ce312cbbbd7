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

// brokerSource is a Kafka in a process, of the SDK that the made service has in its go.mod. It writes 2,000 visits,
// prints the broker's address, and says how many were greeted once every visit is done.
const brokerSource = `package main

import (
	"context"
	"fmt"
	"log"
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
	var visits []kafka.Record
	for i := range 2000 {
		visits = append(visits, kafka.Record{Topic: "visits", Key: fmt.Appendf(nil, "v-%d", i), Value: fmt.Appendf(nil, "{\"name\":\"n%d\"}", i)})
	}
	broker.Produce(program{}, visits...)
	fmt.Println(broker.Addrs()[0])
	broker.WaitRecords(program{}, "greetings", 50)
	fmt.Println("under way")
	broker.WaitCaughtUp(program{}, "visits", "made-helloworker")
	greeted := map[string]bool{}
	for _, r := range broker.Records(program{}, "greetings") {
		greeted[string(r.Key)] = true
	}
	fmt.Println(len(greeted))
}
`

// useWorker stops the worker in the middle of its records, starts it again, and counts: every visit is greeted.
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
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = r.killAndCount(ctx, dir, binary, bufio.NewReader(out))
	if err != nil {
		err = errors.Join(err, cmd.Process.Kill())
	}
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	return err
}

func (r *run) killAndCount(ctx context.Context, dir, binary string, broker *bufio.Reader) error {
	address, err := line(broker)
	if err != nil {
		return fmt.Errorf("the broker: %w", err)
	}
	p, err := r.start(ctx, dir, binary, "KAFKA_BROKERS="+address)
	if err != nil {
		return err
	}
	if _, err := line(broker); err != nil { // under way
		return errors.Join(fmt.Errorf("the broker: %w", err), p.kill())
	}
	if err := p.stop(); err != nil {
		return err
	}
	if p, err = r.start(ctx, dir, binary, "KAFKA_BROKERS="+address); err != nil {
		return err
	}
	greeted, err := line(broker)
	if err := errors.Join(err, p.stop()); err != nil {
		return err
	}
	fmt.Fprintf(r.opts.Log, "      2000 visits, %s greeted, stopped once in the middle\n", greeted)
	if greeted != "2000" {
		return fmt.Errorf("%s of 2000 visits were greeted", greeted)
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
