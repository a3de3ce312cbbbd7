package logging

import (
	"testing"
	"time"
)

// A timer whose Stop came too late still runs.
func TestLateTimerDoesNotUndoALaterChange(t *testing.T) {
	l, err := newLevels("info")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetFor("debug", time.Hour); err != nil {
		t.Fatal(err)
	}
	late := l.changes
	if err := l.SetFor("warn", time.Hour); err != nil {
		t.Fatal(err)
	}
	l.fallBack(late)
	if got := l.String(); got != "warn" {
		t.Errorf("level %s", got)
	}
	l.fallBack(l.changes)
	if got := l.String(); got != "info" {
		t.Errorf("level %s", got)
	}
}
