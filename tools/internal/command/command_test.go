package command_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/backend-platform/sdk/tools/internal/command"
)

// program names, to this test binary, what it shall be instead.
const program = "COMMAND_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(program) {
	case "":
		os.Exit(m.Run())
	case "works":
		command.Main(func(_ context.Context, _ []string, out io.Writer) error {
			_, err := fmt.Fprintln(out, "done")
			return err
		})
	case "fails":
		command.Main(func(context.Context, []string, io.Writer) error { return errors.New("broken") })
	case "helps":
		command.Main(func(context.Context, []string, io.Writer) error { return fmt.Errorf("flags: %w", flag.ErrHelp) })
	}
}

func TestMainSaysHowItEndedByItsExitCode(t *testing.T) {
	for _, test := range []struct {
		program, want string
		code          int
	}{{"works", "done\n", 0}, {"fails", "broken\n", 1}, {"helps", "", 0}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), program+"="+test.program)
		out, err := cmd.CombinedOutput()
		if string(out) != test.want || cmd.ProcessState.ExitCode() != test.code {
			t.Errorf("%s: %q, %v", test.program, out, err)
		}
	}
}
