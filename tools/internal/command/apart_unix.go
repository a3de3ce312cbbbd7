//go:build unix

package command

import (
	"os/exec"
	"syscall"
	"time"
)

// Apart puts a command that has a context into a process group of its own: a Ctrl-C at the terminal reaches this program
// alone, which decides what is still to be finished. When the context ends, so do the command and all that it has
// started, by the signal end.
func Apart(cmd *exec.Cmd, end syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, end) }
	cmd.WaitDelay = waitDelay
}

// waitDelay is how long a command may take to end.
const waitDelay = 10 * time.Second
