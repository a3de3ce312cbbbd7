// Package gocmd runs the go command, and says in the user's words what went wrong when it fails.
package gocmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A Runner runs the go command. It is safe for concurrent use as long as Progress is.
type Runner struct {
	// Progress is told each module that is downloaded, as "example.com/dep v1.2.3". Nil: nobody is told.
	Progress func(module string)
}

// An Error is a go command that failed.
type Error struct {
	// Args are the command's arguments.
	Args []string
	// Output is what it wrote to standard error.
	Output string
	// Cause is how the process ended.
	Cause error
}

// Error is the last part of what the go command said, which has its reason.
func (e *Error) Error() string {
	text := strings.TrimSpace(e.Output)
	if text == "" {
		text = e.Cause.Error()
	}
	return fmt.Sprintf("go %s: %s", strings.Join(e.Args, " "), text)
}

// Unwrap returns how the process ended.
func (e *Error) Unwrap() error { return e.Cause }

// Run runs the go command in dir, with additions to the environment ("GOWORK=off"), and returns its standard output.
// The error is an *[Error] unless there is no go command. A cancelled ctx ends the process.
func (r *Runner) Run(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("there is no go command on the PATH: install Go from https://go.dev/dl/")
		}
		return nil, err
	}
	said := r.watch(stderr)
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("interrupted: %w", ctx.Err())
		}
		return stdout.Bytes(), &Error{Args: args, Output: said, Cause: err}
	}
	return stdout.Bytes(), nil
}

// watch reads standard error to its end, reports downloads and returns the rest.
func (r *Runner) watch(stderr io.Reader) string {
	var said strings.Builder
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		if module, ok := strings.CutPrefix(strings.TrimSpace(line), "go: downloading "); ok {
			if r.Progress != nil {
				r.Progress(module)
			}
		} else {
			said.WriteString(line)
		}
		if err != nil {
			return said.String()
		}
	}
}

// Env returns the go command's view of some variables ("GOVERSION") in dir.
func (r *Runner) Env(ctx context.Context, dir string, names ...string) (map[string]string, error) {
	out, err := r.Run(ctx, dir, nil, slices.Concat([]string{"env", "-json"}, names)...)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	return values, json.Unmarshal(out, &values)
}
