package scaffold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a service that was started.
type process struct {
	cmd    *exec.Cmd
	output lockedBuffer
	ended  chan error
	// public and admin are its addresses.
	public, admin string
}

// lockedBuffer takes what a process writes while others look.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs a service on free ports and waits until it is ready.
func (r *run) start(ctx context.Context, dir, binary string, env ...string) (*process, error) {
	public, err := freePort()
	if err != nil {
		return nil, err
	}
	admin, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, binary), ended: make(chan error, 1), public: public, admin: admin}
	p.cmd.Dir = dir
	// Long enough for keep-alive connections to be asked once more, which is what tells clients to leave.
	p.cmd.Env = append(append(os.Environ(), "SERVICE_ADDR="+public, "SERVICE_ADMIN_ADDR="+admin, "SERVICE_DRAIN_DELAY=1s"), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- p.cmd.Wait() }()
	if err := p.waitReady(ctx); err != nil {
		return nil, errors.Join(err, p.kill())
	}
	return p, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (p *process) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		select {
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("it ended before it was ready: %w\n%s", err, p.output.String())
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w\n%s", ctx.Err(), p.output.String())
		case <-time.After(20 * time.Millisecond):
		}
		if status, _, err := get(ctx, http.DefaultClient, "http://"+p.admin+"/readyz"); err == nil && status == http.StatusOK {
			return nil
		}
	}
}

// stop sends SIGTERM and demands exit code 0 within the grace period of the templates.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.ended:
		if err != nil {
			return fmt.Errorf("it did not stop cleanly: %w\n%s", err, p.output.String())
		}
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(fmt.Errorf("it has not stopped within its grace period of 30 s\n%s", p.output.String()), p.kill())
	}
}

// kill is for a process that is given up.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := <-p.ended; err != nil {
		if _, killed := errors.AsType[*exec.ExitError](err); !killed {
			return err
		}
	}
	return nil
}
