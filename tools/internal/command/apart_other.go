//go:build !unix

package command

import (
	"os/exec"
	"syscall"
	"time"
)

// Apart ends the command with its context. There are no process groups here.
func Apart(cmd *exec.Cmd, _ syscall.Signal) { cmd.WaitDelay = 10 * time.Second }
