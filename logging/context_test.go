package logging_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/backend-platform/sdk/internal/logctx"
	"github.com/backend-platform/sdk/logging"
)

func ids(line map[string]any) []any {
	return []any{line["trace_id"], line["span_id"], line["trace_flags"]}
}

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestLinesCarryTheCurrentSpan(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	ctx := logging.NewContext(context.Background(), l)
	logging.FromContext(ctx).Info("before")
	if diff := cmp.Diff([]any{nil, nil, nil}, ids(out.last(t))); diff != "" {
		t.Error(diff)
	}
	parent := trace.ContextWithSpanContext(ctx, spanContext(trace.FlagsSampled, 1))
	logging.FromContext(parent).Info("parent")
	if diff := cmp.Diff([]any{traceID, "00f067aa0ba90201", "01"}, ids(out.last(t))); diff != "" {
		t.Error(diff)
	}
	parent = logging.NewContext(parent, logging.FromContext(parent).With(zap.Int("n", 1)))
	child := trace.ContextWithSpanContext(parent, spanContext(0, 2))
	logging.FromContext(child).Info("child, not sampled")
	if diff := cmp.Diff([]any{traceID, "00f067aa0ba90202", "00"}, ids(out.last(t))); diff != "" {
		t.Error(diff)
	}
	logging.FromContext(parent).Info("parent again")
	if diff := cmp.Diff([]any{traceID, "00f067aa0ba90201", "01"}, ids(out.last(t))); diff != "" {
		t.Error(diff)
	}
}

// zap #1372, #1557: zap has nothing that carries fields through a context.
func TestContextCarriesFields(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	ctx := logging.NewContext(context.Background(), l.With(zap.String("who", "logger")))
	ctx = logging.With(ctx, zap.String("tenant", "acme"), zap.Int("n", 1), zap.String("who", "context"))
	ctx = logctx.With(ctx, slog.String("http.route", "/orders"), slog.Group("user", slog.String("password", "x")))
	inner := logging.With(ctx, zap.Int("n", 2), zap.Namespace("deep"), zap.Int("a", 1))
	logging.FromContext(inner).Info("hello", zap.Int("line", 1))
	want := map[string]any{
		"who": "logger", "tenant": "acme", "n": 2.0, "http.route": "/orders", "user": map[string]any{"password": "REDACTED"},
		"deep": map[string]any{"a": 1.0}, "line": 1.0,
	}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
	logging.FromContext(ctx).Info("hello", zap.String("http.route", "line"))
	if got := out.fields(t); got["n"] != 1.0 || got["http.route"] != "line" || got["deep"] != nil {
		t.Errorf("outer context: %v", got)
	}
}

// lazySource counts how often it is asked.
type lazySource struct{ asked int }

func (s *lazySource) AppendAttrs(dst []slog.Attr) []slog.Attr {
	s.asked++
	return append(dst, slog.Int("asked", s.asked))
}

func TestContextIsAskedOnlyWhenALineIsWritten(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	source := &lazySource{}
	ctx := logctx.WithSource(logging.NewContext(context.Background(), l), source)
	request := logging.FromContext(ctx).With(zap.Int("n", 1))
	request.Debug("not written")
	slog.New(logging.NewSlogHandler(l)).DebugContext(ctx, "not written")
	if source.asked != 0 {
		t.Errorf("asked %d times", source.asked)
	}
	request.Info("first")
	request.Info("second")
	if diff := cmp.Diff(map[string]any{"asked": 2.0, "n": 1.0}, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

// brokenSource dies.
type brokenSource struct{}

func (brokenSource) AppendAttrs([]slog.Attr) []slog.Attr { panic("oh") }

func TestSourceThatPanicsCostsOnlyItsAttributes(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	ctx := logctx.WithSource(spanned(logging.NewContext(context.Background(), l)), brokenSource{})
	logging.FromContext(ctx).Info("hello", zap.Int("n", 1))
	if got := out.fields(t); got["n"] != 1.0 || got["log.context"] != "PANIC=oh" || got["trace_id"] != traceID {
		t.Errorf("got %v", got)
	}
}

func TestFieldOfTheContextThatPanicsCostsOnlyItself(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	ctx := logging.With(logging.NewContext(context.Background(), l), zap.Int("a", 1), zap.Stringer("b", &brokenString{}), zap.Int("c", 3))
	logging.FromContext(ctx).Info("hello")
	if diff := cmp.Diff(map[string]any{"a": 1.0, "b": "PANIC=no string", "c": 3.0}, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestFromContextFallsBackToTheDefault(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	restore := logging.SetDefault(l)
	logging.FromContext(spanned(context.Background())).Info("hello")
	if got := out.last(t)["trace_id"]; got != traceID {
		t.Errorf("trace id %v", got)
	}
	restore()
	logging.FromContext(context.Background()).Error("nobody hears it")
	if n := len(out.all(t)); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestSpanAndFieldsPassThroughWrappedCores(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	seen, log := observer.New(zap.InfoLevel)
	tee := l.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewTee(c, seen) })).WithLazy(zap.Int("lazy", 1))
	ctx := logging.With(spanned(logging.NewContext(context.Background(), tee)), zap.String("tenant", "acme"))
	logging.FromContext(ctx).Info("hello", zap.Int("n", 1))
	slog.New(logging.NewSlogHandler(tee)).With("a", 1).WithGroup("g").InfoContext(ctx, "hello", "b", 2)
	for i, want := range []map[string]any{{"n": 1.0}, {"a": 1.0, "g": map[string]any{"b": 2.0}}} {
		line := out.all(t)[i]
		for key, value := range want {
			if diff := cmp.Diff(value, line[key]); diff != "" {
				t.Errorf("line %d, %s: %s", i, key, diff)
			}
		}
		if line["trace_id"] != traceID || line["tenant"] != "acme" || line["lazy"] != 1.0 {
			t.Errorf("line %d: %v", i, line)
		}
	}
	if diff := cmp.Diff([]map[string]any{{"lazy": int64(1), "n": int64(1)}, {"lazy": int64(1), "a": int64(1), "g": map[string]any{"b": int64(2)}}},
		[]map[string]any{log.All()[0].ContextMap(), log.All()[1].ContextMap()}); diff != "" {
		t.Error(diff)
	}
	if logging.LevelsOf(tee) != logging.LevelsOf(l) || logging.LevelsOf(l) == nil {
		t.Error("the levels are not found through a wrapped core")
	}
}

func TestForeignLoggerIsUsedAsItIs(t *testing.T) {
	seen, log := observer.New(zap.InfoLevel)
	ctx := logging.NewContext(spanned(context.Background()), zap.New(seen))
	logging.FromContext(ctx).Info("hello", zap.Int("n", 1))
	if diff := cmp.Diff(map[string]any{"n": int64(1)}, log.All()[0].ContextMap()); diff != "" {
		t.Error(diff)
	}
	if logging.LevelsOf(zap.New(seen)) != nil {
		t.Error("a foreign logger has levels")
	}
}

func TestLineWinsOverLoggerAndContextHoweverManyFieldsThereAre(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	ctx := logging.NewContext(context.Background(), l.With(zap.String("k1", "logger"), zap.String("who", "logger")))
	want := map[string]any{"who": "line"}
	for i := range 100 {
		key := fmt.Sprint("k", i)
		ctx = logging.With(ctx, zap.String(key, "context"))
		want[key] = "context"
	}
	want["k1"], want["k2"] = "logger", "line"
	logging.FromContext(ctx).Info("hello", zap.String("who", "line"), zap.String("k2", "line"))
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestContextAndLoggerLeaveRoomForTheLine(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true, MaxEntryBytes: 10_000})
	big := strings.Repeat("x", 4500)
	ctx := logging.With(logging.NewContext(context.Background(), l.With(zap.String("logger", big))), zap.String("c1", big), zap.String("c2", big), zap.Int("c3", 3))
	logging.FromContext(ctx).Info("hello", zap.Int("a", 1), zap.String("b", strings.Repeat("y", 1500)))
	got := out.fields(t)
	if got["a"] != 1.0 || got["b"] == nil || got["c3"] != 3.0 || got["logger"] != big || got["log.dropped_fields"] != 2.0 {
		t.Errorf("%v fields were dropped", got["log.dropped_fields"])
	}
	if n := len(out.String()); n > 10_000 {
		t.Errorf("%d bytes", n)
	}
}

func TestNamespaceThatAFieldOfTheContextOpensHoldsNobodyElses(t *testing.T) {
	for _, format := range []logging.Format{logging.FormatJSON, logging.FormatConsole} {
		l, out := newLogger(t, logging.Config{NoCaller: true, Format: format})
		opens := zap.Inline(zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
			enc.OpenNamespace("deep")
			return nil
		}))
		ctx := logging.With(logging.NewContext(context.Background(), l.With(zap.Int("logger", 1))), opens, zap.Int("context", 2))
		logging.FromContext(ctx).Info("hello", zap.Int("line", 3))
		if format == logging.FormatConsole {
			if want := "hello deep={} context=2 logger=1 line=3\n"; !strings.HasSuffix(out.String(), want) {
				t.Errorf("got %q, want %q", out, want)
			}
			continue
		}
		want := map[string]any{"deep": map[string]any{}, "context": 2.0, "logger": 1.0, "line": 3.0}
		if diff := cmp.Diff(want, out.fields(t)); diff != "" {
			t.Error(diff)
		}
	}
}

// prefixing is a core that puts a field before those of each line.
type prefixing struct{ zapcore.Core }

func (p prefixing) With(fields []zapcore.Field) zapcore.Core { return prefixing{p.Core.With(fields)} }

func (p prefixing) Check(ent zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(ent, p)
}

func (p prefixing) Write(ent zapcore.Entry, fields []zapcore.Field) error {
	return p.Core.Write(ent, append([]zapcore.Field{zap.Int("first", 1)}, fields...))
}

func TestSpanIsFoundBehindTheFieldOfAWrappingCore(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	l = l.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return prefixing{c} }))
	slog.New(logging.NewSlogHandler(l)).InfoContext(spanned(context.Background()), "hello")
	if got := out.last(t); got["trace_id"] != traceID || got["first"] != 1.0 {
		t.Errorf("got %v", got)
	}
}

func TestContextThatIsNilHasNothing(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	defer logging.SetDefault(l)()
	var none context.Context
	logging.FromContext(none).Info("hello")
	slog.InfoContext(none, "hello")
	for _, line := range out.all(t) {
		if line["body"] != "hello" || line["trace_id"] != nil {
			t.Errorf("got %v", line)
		}
	}
}
