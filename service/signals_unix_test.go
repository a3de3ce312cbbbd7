//go:build unix

package service_test

import (
	"syscall"
	"testing"
)

// Main takes the two signals for logs, which would otherwise be the end of the process.
func TestSignalsChangeTheLevelsOfLogs(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "serve", "SERVICE_DRAIN_DELAY=0s").ready(t)
	for _, change := range []struct {
		sig      syscall.Signal
		from, to string
	}{{syscall.SIGUSR1, "info", "debug"}, {syscall.SIGUSR2, "debug", "info"}} {
		p.signal(t, change.sig)
		p.lineWith(t, map[string]any{"body": "log level changed", "from": change.from, "to": change.to})
	}
	p.signal(t, syscall.SIGTERM)
	if code, last := p.end(t); code != 0 || last["body"] != "service stopped" {
		t.Errorf("exit code %d, last line %v", code, last)
	}
}
