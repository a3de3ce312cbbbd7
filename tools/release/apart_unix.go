//go:build unix

package release

import (
	"os/exec"
	"syscall"
)

// apart puts the command into a process group of its own: a Ctrl-C of the terminal reaches this program alone, which
// decides what is still to be finished.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
