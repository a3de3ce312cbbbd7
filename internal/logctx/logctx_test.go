package logctx_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/backend-platform/sdk/internal/logctx"
)

type counted int

func (c *counted) AppendAttrs(dst []slog.Attr) []slog.Attr {
	*c++
	return append(dst, slog.Int("calls", int(*c)))
}

func TestAppendListsOldestFirst(t *testing.T) {
	var source counted
	ctx := logctx.With(context.Background(), slog.Int("a", 1))
	ctx = logctx.WithSource(ctx, &source)
	ctx = logctx.With(ctx, slog.Int("b", 2))
	got := fmt.Sprint(logctx.Append(ctx, []slog.Attr{slog.Int("first", 0)}))
	if want := "[first=0 a=1 calls=1 b=2]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSourceIsAskedOnlyWhenALineIsWritten(t *testing.T) {
	var source counted
	ctx := logctx.WithSource(context.Background(), &source)
	ctx = logctx.With(ctx, slog.Int("a", 1))
	if source != 0 {
		t.Errorf("asked %d times before any line", source)
	}
	logctx.Append(ctx, nil)
	if source != 1 {
		t.Errorf("asked %d times by one line", source)
	}
}

func TestSiblingContextsDoNotShareAttributes(t *testing.T) {
	parent := logctx.With(context.Background(), slog.Int("p", 0))
	left := logctx.With(parent, slog.Int("l", 1))
	right := logctx.With(parent, slog.Int("r", 2))
	for ctx, want := range map[context.Context]string{parent: "[p=0]", left: "[p=0 l=1]", right: "[p=0 r=2]"} {
		if got := fmt.Sprint(logctx.Append(ctx, nil)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAppendOfAPlainContextDoesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { logctx.Append(context.Background(), nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if logctx.With(context.Background()) != context.Background() {
		t.Error("With without attributes made a new context")
	}
}
