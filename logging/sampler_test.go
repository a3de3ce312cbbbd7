package logging_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/logging"
)

// zap's production configuration leaves out lines from the hundredth on, which many take for a loss of
// logs (zap #792, #874, #1221, #985, #588).
func TestNoLineIsLeftOutUnlessAskedFor(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	for i := range 1000 {
		l.Info("message", zap.Int("id", i))
	}
	for i, line := range out.all(t) {
		if line["id"] != float64(i) {
			t.Fatalf("line %d has id %v", i, line["id"])
		}
	}
	if n := len(out.all(t)); n != 1000 {
		t.Errorf("%d lines of 1000", n)
	}
}

func TestRepeatsAreLeftOutCountedAndReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newLogger(t, logging.Config{MaxRepeatsPerSecond: 3, NoCaller: true})
		s := slog.New(logging.NewSlogHandler(l))
		for i := range 10 {
			l.Info("hello", zap.Int("i", i)) // 3 of 10
			l.Warn("hello")                  // 3 of 10: of another level
			l.Named("kafka").Info("hello")   // 3 of 10: of another name
			l.Info(fmt.Sprint("hello ", i))  // 10 different ones
			l.Error("failed")                // all
			s.Info("through slog")           // 3 of 10
		}
		if n := len(out.all(t)); n != 3+3+3+10+10+3 {
			t.Errorf("%d lines, want 32", n)
		}
		time.Sleep(time.Second)
		l.Debug("below the level")
		l.Info("next")
		all := out.all(t)[32:]
		if len(all) != 2 || all[0]["body"] != "log lines were left out because they repeat" || all[0]["log.dropped_lines"] != 28.0 || all[1]["body"] != "next" {
			t.Errorf("got %v", all)
		}
		for range 5 {
			l.Info("next")
		}
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
		if n := out.last(t)["log.dropped_lines"]; n != 3.0 {
			t.Errorf("Sync reports %v", n)
		}
	})
}
