package logging_test

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/backend-platform/sdk/logging"
)

func TestSlogHandlerKeepsSlogsRules(t *testing.T) {
	var out *lines
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		var l *zap.Logger
		l, out = newLogger(t, logging.Config{Names: logging.Names{Time: slog.TimeKey, Level: slog.LevelKey, Message: slog.MessageKey, File: slog.SourceKey}})
		return logging.NewSlogHandler(l)
	}, func(t *testing.T) map[string]any { return out.last(t) })
}

func TestSlogHandlerOfAnyCoreKeepsSlogsRules(t *testing.T) {
	var seen *observer.ObservedLogs
	slogtest.Run(t, func(*testing.T) slog.Handler {
		var c zapcore.Core
		c, seen = observer.New(zap.InfoLevel)
		return logging.NewSlogHandler(zap.New(c))
	}, func(*testing.T) map[string]any {
		entry := seen.All()[0]
		m := entry.ContextMap()
		m[slog.LevelKey], m[slog.MessageKey] = entry.Level.String(), entry.Message
		if !entry.Time.IsZero() {
			m[slog.TimeKey] = entry.Time
		}
		return m
	})
}

// zapslog's handler opened a group without a name, and wrote groups in which nothing is (zap #1591, #1401).
func TestGroupWithoutANameOrAnythingInItIsNone(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	h := logging.NewSlogHandler(l).WithGroup("").WithAttrs(nil).WithGroup("in").WithGroup("")
	slog.New(h.WithGroup("deeper")).Info("hello")
	if diff := cmp.Diff(map[string]any{}, out.fields(t)); diff != "" {
		t.Error(diff)
	}
	slog.New(h).With("a", 1).Info("hello", "b", 2, slog.Group("empty"), slog.Group("", slog.Int("c", 3)))
	if diff := cmp.Diff(map[string]any{"in": map[string]any{"a": 1.0, "b": 2.0, "c": 3.0}}, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestSlogLineLooksLikeAZapLine(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	ctx := logging.With(spanned(context.Background()), zap.String("tenant", "acme"))
	logger := slog.New(logging.NewSlogHandler(l.Named("kafka")))
	logger.With("a", 1).WarnContext(ctx, "hello", slog.Group("g", slog.Duration("took", time.Second), slog.String("api_key", "x")),
		"when", time.Unix(0, 0), "link", point{1, "s"}, "f", 1.5, "u", uint64(7), "ok", true)
	got := out.last(t)
	if got["severity_text"] != "WARN" || got["otel.scope.name"] != "kafka" || got["code.file.path"] != "logging/slog_test.go" {
		t.Errorf("line %v", got)
	}
	fields := out.fields(t)
	delete(fields, "otel.scope.name")
	want := map[string]any{
		"trace_id": traceID, "span_id": "00f067aa0ba902b7", "trace_flags": "01", "tenant": "acme", "a": 1.0,
		"g": map[string]any{"took": 1.0, "api_key": "REDACTED"}, "when": "1970-01-01T00:00:00.000000000Z",
		"link": map[string]any{"x": 1.0, "s": "s"}, "f": 1.5, "u": 7.0, "ok": true,
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
}

func TestSlogGroupsHoldAllThatFollows(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	s := slog.New(logging.NewSlogHandler(l)).WithGroup("g").WithGroup("h")
	s.Info("hello", "a", 1, slog.Group("empty"), "b", 2)
	if diff := cmp.Diff(map[string]any{"g": map[string]any{"h": map[string]any{"a": 1.0, "b": 2.0}}}, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestSlogKeysStandOnce(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	slog.New(logging.NewSlogHandler(l)).With("a", 1, "b", 1).Info("hello", "a", 2, slog.Group("g", "x", 1, "x", 2), "a", 3)
	if diff := cmp.Diff(map[string]any{"a": 3.0, "b": 1.0, "g": map[string]any{"x": 2.0}}, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

// otelzap exports debug lines under a core at warn (opentelemetry-go-contrib #6985).
func TestSlogHandlerDoesNotWriteBelowTheLevelEvenIfNobodyAsked(t *testing.T) {
	l, out := newLogger(t, logging.Config{Level: "kafka=debug,*=warn"})
	h := logging.NewSlogHandler(l)
	if h.Enabled(context.Background(), slog.LevelInfo) || !h.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("Enabled")
	}
	_ = h.Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelDebug, "hidden", 0))
	if got := out.String(); got != "" {
		t.Error(got)
	}
	named := logging.NewSlogHandler(l.Named("kafka.consumer"))
	_ = named.Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelDebug, "shown", 0))
	if got := out.last(t)["body"]; got != "shown" {
		t.Error(got)
	}
	if named.Enabled(context.Background(), slog.LevelDebug-1) {
		t.Error("trace is enabled at debug")
	}
}

func TestSlogLevelsAreRoundedDown(t *testing.T) {
	l, out := newLogger(t, logging.Config{Level: "trace"})
	logger := slog.New(logging.NewSlogHandler(l))
	for level, want := range map[slog.Level]string{-8: "TRACE", -5: "TRACE", -4: "DEBUG", -1: "DEBUG", 0: "INFO", 2: "INFO", 4: "WARN", 8: "ERROR", 12: "ERROR"} {
		logger.Log(context.Background(), level, "hello")
		if got := out.last(t)["severity_text"]; got != want {
			t.Errorf("level %d is %v, want %s", level, got, want)
		}
	}
}

func TestDefaultTakesSlogAndTheStandardLog(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	before, flags := slog.Default(), log.Flags()
	restore := logging.SetDefault(l)
	slog.Info("from slog")
	log.Printf("from %s, password=%s", "log", "hunter2")
	zap.L().Info("from zap")
	restore()
	if slog.Default() != before || log.Flags() != flags {
		t.Error("not restored")
	}
	var bodies []any
	for _, line := range out.all(t) {
		bodies = append(bodies, line["body"])
		if line["code.file.path"] != "logging/slog_test.go" {
			t.Errorf("%v comes from %v", line["body"], line["code.file.path"])
		}
	}
	if diff := cmp.Diff([]any{"from slog", "from log, password=REDACTED", "from zap"}, bodies); diff != "" {
		t.Error(diff)
	}
}

// nobody's LogValue dies.
type nobody struct{}

func (*nobody) LogValue() slog.Value { panic("nobody") }

func TestSlogValueThatPanicsCostsOnlyItself(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	slog.New(logging.NewSlogHandler(l)).Info("hello", "a", &nobody{}, "err", error((*brokenError)(nil)), "c", 3)
	if got := out.fields(t); got["c"] != 3.0 || got["err"] != "<nil>" {
		t.Errorf("got %v", got)
	}
}

// brokenError dies as a nil pointer.
type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

func TestSlogErrorsArePrintedLikeZaps(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	err := errors.New("boom")
	l.Error("zap", zap.Error(err), zap.NamedError("other", err))
	want := out.fields(t)
	slog.New(logging.NewSlogHandler(l)).Error("slog", "err", err, "other", err)
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestStringThatPanicsIsSaidUnderItsKeyThroughSlogToo(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	slog.New(logging.NewSlogHandler(l)).Info("hello", "a", &brokenString{}, slog.Group("g", "b", &brokenString{}, "c", 3))
	want := map[string]any{"a": "PANIC=no string", "g": map[string]any{"b": "PANIC=no string", "c": 3.0}}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

// selfSaying describes itself by a group of itself.
type selfSaying string

func (e selfSaying) LogValue() slog.Value { return slog.GroupValue(slog.Any(string(e), e)) }

func TestValueThatDescribesItselfByItselfEnds(t *testing.T) {
	for _, name := range []selfSaying{"", "again"} {
		l, out := newLogger(t, logging.Config{})
		slog.New(logging.NewSlogHandler(l)).Info("hello", "v", name, "w", slog.GroupValue(slog.Any("", name)), "left", 3)
		if line := out.last(t); line["body"] != "hello" || line["left"] != 3.0 {
			t.Errorf("%q: %v", name, line)
		}
	}
}
