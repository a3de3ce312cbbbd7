// Command kafka-dlq shows the dead letters of Kafka consumers and puts them back.
//
//	go install github.com/backend-platform/sdk/kafka/cmd/kafka-dlq@latest
//
//	export KAFKA_BROKERS=kafka.example.com:9092
//	kafka-dlq list                                        how many, of whom, and why
//	kafka-dlq list orders shipping                        one line for each
//	kafka-dlq show orders shipping                        the oldest, with headers, value, error and trace
//	kafka-dlq redrive orders shipping -code unavailable   put those back into orders
//	kafka-dlq park orders shipping -code invalid_argument put those where nobody finds them again
//
// TOPIC and GROUP are what list prints: the topic that was consumed, and the group
// whose handler failed. Flags may stand before and after them; kafka-dlq COMMAND -h
// lists them. -command-config client.properties takes what Kafka's own tools take.
//
// A redrive that was interrupted is continued by the same command: it puts nothing
// back twice but what was under way when it was killed, and loses nothing.
//
// The exit code is 0 when all went well, 1 when it did not, 2 when the command
// line is wrong, and 130 when it was interrupted.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/backend-platform/sdk/errors"
)

func main() {
	os.Exit(execute())
}

func execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // A second signal ends it at once.
	c := &cli{env: os.Getenv, out: os.Stdout, err: os.Stderr, terminal: isTerminal(os.Stderr)}
	return c.run(ctx, os.Args[1:])
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// cli is what a command gets from its process.
type cli struct {
	env      func(string) string
	out, err io.Writer
	terminal bool                                                                 // err is one
	dial     func(ctx context.Context, network, address string) (net.Conn, error) // Nil: TCP.
}

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

var errUsage = errors.New("wrong usage")

type command struct {
	name, args, purpose string
	help                string
	run                 func(ctx context.Context, o *options, args []string) error
}

var commands = []command{listCommand, showCommand, redriveCommand, parkCommand}

func (c *cli) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		c.usage(c.err)
		return exitUsage
	}
	name := args[0]
	if name == "help" || name == "-h" || name == "-help" || name == "--help" {
		if len(args) < 2 {
			c.usage(c.out)
			return exitDone
		}
		name, args = args[1], []string{args[1], "-h"}
	}
	for _, command := range commands {
		if command.name == name {
			return c.exit(ctx, command.run(ctx, c.options(command), args[1:]))
		}
	}
	fmt.Fprintf(c.err, "kafka-dlq: there is no command %q\n\n", name)
	c.usage(c.err)
	return exitUsage
}

// exit says what went wrong and returns the code that says so to programs.
func (c *cli) exit(ctx context.Context, err error) int {
	switch {
	case err == nil || errors.Is(err, errHelp):
		return exitDone
	case errors.Is(err, errUsage):
		return exitUsage // It was said already.
	}
	fmt.Fprintf(c.err, "kafka-dlq: %s\n", printableLines(err.Error()))
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.CodeOf(err) == errors.InvalidArgument:
		return exitUsage
	}
	return exitFailed
}

func (c *cli) usage(w io.Writer) {
	fmt.Fprint(w, "kafka-dlq shows the dead letters of Kafka consumers and puts them back.\n\nUsage:\n\n")
	for _, command := range commands {
		fmt.Fprintf(w, "  kafka-dlq %-28s %s\n", command.name+" "+command.args, command.purpose)
	}
	fmt.Fprint(w, `
TOPIC is the topic that was consumed, GROUP the group whose handler failed: list prints both.
The brokers are those of KAFKA_BROKERS or of -brokers, or those of the file of properties that Kafka's own tools
take, -command-config. kafka-dlq COMMAND -h lists the flags.
KAFKA_DEBUG=1 prints what the client says about its connections.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
`)
}
