package loggingtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/logging/loggingtest"
)

// fakeT is a test that records how it went.
type fakeT struct {
	testing.TB
	out      bytes.Buffer
	faults   []string
	cleanups []func()
}

func (f *fakeT) Helper()           {}
func (f *fakeT) Output() io.Writer { return &f.out }
func (f *fakeT) Cleanup(c func())  { f.cleanups = append(f.cleanups, c) }
func (f *fakeT) Errorf(format string, args ...any) {
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

func (f *fakeT) finish() []string {
	for _, c := range f.cleanups {
		c()
	}
	return f.faults
}

func TestUnexpectedErrorLineFailsTheTest(t *testing.T) {
	f := &fakeT{}
	logger, _ := loggingtest.New(f)
	logger.Warn("slow")
	logger.Error("it failed", zap.Error(errors.New("boom")))
	faults := f.finish()
	if len(faults) != 1 || !strings.Contains(faults[0], "it failed") || !strings.Contains(faults[0], "boom") {
		t.Errorf("got faults %q", faults)
	}
}

func TestExpectedErrorLineIsFine(t *testing.T) {
	f := &fakeT{}
	logger, log := loggingtest.New(f)
	log.ExpectError("boom")
	logger.Error("it failed", zap.Error(errors.New("boom")))
	if faults := f.finish(); faults != nil {
		t.Errorf("got faults %q", faults)
	}
}

func TestExpectedErrorLineThatDoesNotComeFailsTheTest(t *testing.T) {
	f := &fakeT{}
	_, log := loggingtest.New(f)
	log.ExpectError("boom")
	if faults := f.finish(); len(faults) != 1 || !strings.Contains(faults[0], `"boom"`) {
		t.Errorf("got faults %q", faults)
	}
}

func TestEntriesAreWhatAStoreWouldGet(t *testing.T) {
	logger, log := loggingtest.New(t)
	logger.Named("kafka").Info("consumed", zap.Int("n", 3), zap.String("password", "hunter2"))
	want := []loggingtest.Entry{{
		Level: zapcore.InfoLevel, Logger: "kafka", Message: "consumed",
		Fields: map[string]any{"n": 3.0, "password": "REDACTED"},
	}}
	if diff := cmp.Diff(want, log.Entries()); diff != "" {
		t.Error(diff)
	}
}

func TestSlogIsWatchedLikeZap(t *testing.T) {
	f := &fakeT{}
	logger, log := loggingtest.NewSlog(f)
	log.ExpectError("boom")
	logger.Error("it failed", "err", errors.New("boom"), "password", "hunter2")
	logger.Error("unexpected")
	if got := log.Entries()[0].Fields["password"]; got != "REDACTED" {
		t.Errorf("password is %v", got)
	}
	if faults := f.finish(); len(faults) != 1 || !strings.Contains(faults[0], "unexpected") {
		t.Errorf("got faults %q", faults)
	}
}

func TestGoroutinesThatOutliveTheTestDoNoHarm(t *testing.T) {
	f := &fakeT{}
	logger, log := loggingtest.New(f)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				logger.Info("hello")
				log.Entries()
				log.ExpectError("hello")
			}
		})
	}
	f.finish()
	all.Wait()
}

func TestLinesGoToTheTestsOutputUntilItsEnd(t *testing.T) {
	f := &fakeT{}
	logger, log := loggingtest.New(f)
	logger.Debug("during", zap.Int("n", 1))
	f.finish()
	logger.Error("after")
	if got, want := f.out.String(), "DEBUG during {\"n\":1}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := len(log.Entries()); n != 1 {
		t.Errorf("%d entries", n)
	}
}
