//go:build !unix

package kafkacluster

import (
	"os/exec"
	"syscall"
)

// Processes cannot be stopped and continued here; to send these signals does nothing.
const (
	sigStop     = syscall.Signal(-1)
	sigContinue = syscall.Signal(-1)
)

func separate(*exec.Cmd) {}
