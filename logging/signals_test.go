//go:build unix

package logging_test

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/logging"
)

func TestLevelsChangeBySignalWhileManyLog(t *testing.T) {
	l, out := newLogger(t, logging.Config{Level: "kafka=warn,*=info"})
	levels := logging.LevelsOf(l)
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := logging.RunLevelSignals(ctx, l); err != nil {
			t.Error(err)
		}
	})
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				l.Debug("debug")
				l.Named("kafka").Info("info")
				runtime.Gosched()
			}
		})
	}
	signalUntil(t, syscall.SIGUSR1, func() bool { return levels.String() == "*=trace,kafka=trace" })
	if _, fallback, ok := levels.Temporary(); !ok || fallback != "*=info,kafka=warn" {
		t.Errorf("a change by a signal holds for good: %v, %q", ok, fallback)
	}
	signalUntil(t, syscall.SIGUSR2, func() bool { return levels.String() == "*=info,kafka=warn" })
	if _, _, ok := levels.Temporary(); ok {
		t.Error("a change is still temporary")
	}
	stop()
	all.Wait()
	if text := out.String(); !strings.Contains(text, `"from":"*=info,kafka=warn","to":"*=debug,kafka=info","for":3600`) || !strings.Contains(text, `"body":"debug"`) {
		t.Error("nothing says that the level was changed, or nothing was written at the new one")
	}
}

// signalUntil sends the process a signal until what it causes is so. The signal is not dangerous as long
// as this test waits for it, too.
func signalUntil(t *testing.T, s syscall.Signal, so func() bool) {
	t.Helper()
	received := make(chan os.Signal, 1)
	signal.Notify(received, s)
	defer signal.Stop(received)
	for !so() {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
		<-received
		runtime.Gosched()
	}
}

func TestLevelSignalsOfAForeignLoggerAreAnError(t *testing.T) {
	if err := logging.RunLevelSignals(context.Background(), zap.NewNop()); err == nil {
		t.Error("no error")
	}
}
