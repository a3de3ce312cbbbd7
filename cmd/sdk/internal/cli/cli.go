// Package cli is the command line: it reads arguments, calls the packages beside it, and says what they did.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/backend-platform/sdk/cmd/sdk/internal/gocmd"
)

// Streams are where the command writes.
type Streams struct {
	// Out gets what was asked for, Err progress and errors.
	Out, Err io.Writer
}

// The exit codes. What they mean beyond success is in the help of each command.
const (
	exitOK      = 0
	exitFinding = 1 // conflicts, differences, or something that doctor found
	exitFailure = 2
)

// app is one run of the command.
type app struct {
	out, err *terminal
	run      *gocmd.Runner
}

// command is one of the words after sdk.
type command struct {
	name, summary, help string
	run                 func(a *app, ctx context.Context, args []string) (int, error)
}

func commands() []command {
	return []command{
		{"new", "make a service from a template", newHelp, (*app).new},
		{"upgrade", "bring a service's files to the newest version of its template", upgradeHelp, (*app).upgrade},
		{"doctor", "say what is behind, retracted, replaced or set wrong", doctorHelp, (*app).doctor},
		{"version", "print the version of this command", versionHelp, (*app).version},
	}
}

// Run runs the command and returns its exit code.
func Run(ctx context.Context, args []string, streams Streams) int {
	a := &app{out: newTerminal(streams.Out), err: newTerminal(streams.Err)}
	a.run = &gocmd.Runner{Progress: a.err.progress}
	if len(args) == 0 {
		fmt.Fprint(a.err, a.usage(a.err))
		return exitFailure
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		return a.help(rest)
	case "-version", "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name != name {
			continue
		}
		code, err := c.run(a, ctx, rest)
		a.err.clearProgress()
		return a.end(c, code, err)
	}
	fmt.Fprintf(a.err, "%s there is no command %q\n\n%s", a.err.red("sdk:"), name, a.usage(a.err))
	return exitFailure
}

func (a *app) end(c command, code int, err error) int {
	switch {
	case err == nil:
		return code
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(a.out, c.help)
		return exitOK
	}
	fmt.Fprintf(a.err, "%s %v\n", a.err.red("sdk "+c.name+":"), err)
	if _, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintf(a.err, "see: sdk help %s\n", c.name)
	}
	return max(code, exitFailure)
}

func (a *app) help(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(a.out, a.usage(a.out))
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] {
			fmt.Fprint(a.out, c.help)
			return exitOK
		}
	}
	fmt.Fprintf(a.err, "%s there is no command %q\n", a.err.red("sdk help:"), args[0])
	return exitFailure
}

func (a *app) usage(t *terminal) string {
	var b strings.Builder
	b.WriteString("sdk makes a service of the Backend Platform SDK, and keeps it up to date.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %s%s%s\n", t.bold("sdk "+c.name), strings.Repeat(" ", 10-len(c.name)), c.summary)
	}
	b.WriteString("\nA first service:\n  sdk new github.com/acme/orders\n\nMore: sdk help COMMAND\n")
	return b.String()
}

// A usageError is a command line that cannot be understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// parse reads flags before, between and after the other arguments, of which there may be at most n.
func parse(flags *flag.FlagSet, args []string, n int) ([]string, error) {
	flags.SetOutput(io.Discard)
	var rest []string
	for {
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, &usageError{err.Error()}
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		rest, args = append(rest, args[0]), args[1:]
	}
	if len(rest) > n {
		return nil, &usageError{fmt.Sprintf("too many arguments: %q", rest[n])}
	}
	return rest, nil
}
