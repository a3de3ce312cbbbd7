package release_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backend-platform/sdk/tools/internal/command"
	"github.com/backend-platform/sdk/tools/release"
)

// signalled names, to this test binary, a repository in which it shall release errors v0.1.1 as the command does; see
// TestMain. At each step it says where it is and waits for a line.
const signalled = "RELEASE_TEST_SIGNALLED"

func releaseAsCommand(dir string) {
	command.Main(func(ctx context.Context, _ []string, out io.Writer) error {
		targets, err := release.ParseTargets([]string{"errors=v0.1.1"})
		if err != nil {
			return err
		}
		opts := release.Options{Root: dir, Targets: targets, Log: out}
		words := make(chan struct{})
		go func() {
			for in := bufio.NewScanner(os.Stdin); in.Scan(); {
				words <- struct{}{}
			}
		}()
		opts.Between(func(step, _ string) error {
			fmt.Println("at", step)
			select {
			case <-words:
			case <-ctx.Done(): // it is for the release to notice
			}
			return nil
		})
		return release.Run(ctx, opts)
	})
}

// The command is interrupted between steps, and while a module's test runs.
func TestASignalLeavesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be asked to end there")
	}
	for _, test := range []struct {
		step   string
		signal syscall.Signal
	}{
		{"pinned", syscall.SIGINT}, {"testing", syscall.SIGINT}, {"testing", syscall.SIGTERM}, {"import", syscall.SIGTERM}, {"import", syscall.SIGKILL},
	} {
		t.Run(test.step+" "+test.signal.String(), func(t *testing.T) {
			t.Parallel()
			r := released(t)
			r.note("errors", "### Fixed\n\n- Something.")
			r.write(map[string]string{"errors/errors_test.go": waitingTest})
			r.commit()
			before := r.state()
			p := startSignalled(t, r.dir)
			p.reach(test.step)
			if err := p.cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			p.ended(test.signal)
			if after := r.state(); after != before {
				t.Errorf("the repository was %s, and is %s", before, after)
			}
			if left, _ := filepath.Glob(filepath.Join(p.temp, "*")); len(left) > 0 && test.signal != syscall.SIGKILL {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// waitingTest is a module's test that says it runs, and goes on at a word.
const waitingTest = `package errors_test

import (
	"net"
	"os"
	"testing"
)

func TestWaits(t *testing.T) {
	conn, err := net.Dial("tcp", os.Getenv("RELEASE_TEST_WAITS"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}
`

// A process is a release in a process of its own.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	temp    string // its folder for temporary files
	in      io.Writer
	lines   chan string   // what it prints; closed at its end
	dialled chan net.Conn // the connection of waitingTest
	testing net.Conn      // set once that test has run or waits
}

func startSignalled(t *testing.T, repository string) *process {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	p := &process{
		t: t, cmd: exec.CommandContext(t.Context(), os.Args[0]), temp: t.TempDir(), lines: make(chan string, 100), dialled: make(chan net.Conn, 1),
	}
	p.cmd.Env = append(os.Environ(), signalled+"="+repository, "RELEASE_TEST_WAITS="+listener.Addr().String(), "TMPDIR="+p.temp)
	p.cmd.Stderr = t.Output()
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			p.dialled <- conn
		}
	}()
	return p
}

// reach lets the release go on until it is at the step; "testing" is while waitingTest runs.
func (p *process) reach(step string) {
	p.t.Helper()
	for {
		var at string
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the release ended before it was at %q: %v", step, p.cmd.Wait())
			}
			at, _ = strings.CutPrefix(line, "at ")
			if at == line {
				continue
			}
		case p.testing = <-p.dialled:
			p.t.Cleanup(func() { p.testing.Close() })
			at = "testing"
		}
		if at == step {
			return
		}
		to := p.in
		if at == "testing" {
			to = p.testing
		}
		if _, err := io.WriteString(to, "\n"); err != nil {
			p.t.Fatal(err)
		}
	}
}

// ended waits for the end of the process, and of the test that it was running: nothing of either goes on.
func (p *process) ended(signal syscall.Signal) {
	p.t.Helper()
	for line := range p.lines {
		if strings.HasPrefix(line, "at ") || strings.HasPrefix(line, "released") {
			p.t.Errorf("after the signal it went on: %s", line)
		}
	}
	err := p.cmd.Wait()
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() != (signal == syscall.SIGKILL) || err == nil {
		p.t.Errorf("it ended with %v", err)
	}
	if p.testing == nil || signal == syscall.SIGKILL {
		return
	}
	if err := p.testing.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.testing.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Error("the module's test goes on")
	}
}
