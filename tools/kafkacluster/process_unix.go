//go:build unix

package kafkacluster

import (
	"os/exec"
	"syscall"
)

const (
	sigStop     = syscall.SIGSTOP
	sigContinue = syscall.SIGCONT
)

// separate puts the program into a process group of its own: a Ctrl-C at the terminal is for this process alone, which
// then decides what ends and when.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
