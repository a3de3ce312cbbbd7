//go:build unix

package logging

import (
	"os"
	"syscall"
)

func levelSignals() (louder, calmer os.Signal) { return syscall.SIGUSR1, syscall.SIGUSR2 }
