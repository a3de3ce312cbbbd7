package logging_test

import (
	"context"
	"errors"
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

// exporting returns a logger and what a core of Config.Exports gets.
func exporting(t *testing.T, cfg logging.Config, least zapcore.Level) (*zap.Logger, *lines, *observer.ObservedLogs) {
	t.Helper()
	core, seen := observer.New(least)
	cfg.Exports = append(cfg.Exports, core)
	l, out := newLogger(t, cfg)
	return l, out, seen
}

func TestExportsGetWhatTheLineSays(t *testing.T) {
	for _, format := range []logging.Format{logging.FormatJSON, logging.FormatConsole} {
		l, _, seen := exporting(t, logging.Config{Format: format}, zap.DebugLevel)
		ctx := logctx.With(spanned(logging.NewContext(context.Background(), l.With(zap.String("token", secret)))), slog.String("route", "/x"))
		logging.FromContext(ctx).With(zap.Namespace("in")).Warn("password="+secret, zap.Int("n", 1), zap.Int("n", 2),
			zap.Float64("f", 1.5), zap.Bool("b", true), zap.Any("list", []any{"a", 1, 2.5, nil, false, map[string]any{"secret": secret}, []int{1}}))
		got := seen.TakeAll()[0]
		if got.Message != "password=REDACTED" || got.Level != zap.WarnLevel || !got.Caller.Defined {
			t.Errorf("%s: got %+v", format, got.Entry)
		}
		want := map[string]any{"token": "REDACTED", "route": "/x", "in": map[string]any{"n": int64(2), "f": 1.5, "b": true,
			"list": []any{"a", int64(1), 2.5, nil, false, map[string]any{"secret": "REDACTED"}, []any{int64(1)}}}}
		if diff := cmp.Diff(want, got.ContextMap()); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
		span := trace.SpanContextFromContext(got.Context[0].Interface.(context.Context))
		if !span.Equal(trace.SpanContextFromContext(ctx)) {
			t.Errorf("%s: span %v", format, span)
		}
	}
}

func TestExportsGetErrorsWithAllTheyKnow(t *testing.T) {
	l, out, seen := exporting(t, logging.Config{NoCaller: true}, zap.DebugLevel)
	err := errors.Join(errors.New("a"), errors.New("b"))
	l.Error("failed", zap.Error(err))
	slog.New(logging.NewSlogHandler(l)).Error("failed", "err", err)
	for i, got := range seen.TakeAll() {
		want := out.all(t)[i]
		for _, key := range []string{"timestamp", "severity_text", "body", "service.name"} {
			delete(want, key)
		}
		if diff := cmp.Diff(want, got.ContextMap()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestExportsObeyTheLevelsOfTheLoggerAndTheirOwn(t *testing.T) {
	l, _, seen := exporting(t, logging.Config{Level: "kafka=debug,*=warn"}, zap.InfoLevel)
	l.Info("no")
	l.Named("kafka").Debug("neither")
	l.Named("kafka").Info("yes")
	l.Warn("yes")
	if n := seen.FilterMessage("yes").Len(); n != 2 || seen.Len() != 2 {
		t.Errorf("got %v", seen.All())
	}
}

// faulty is a core that fails, or panics.
type faulty struct {
	zapcore.Core
	fault error
}

func (f faulty) Check(ent zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(ent, f)
}

func (f faulty) Write(zapcore.Entry, []zapcore.Field) error {
	if f.fault == nil {
		panic("foreign code")
	}
	return f.fault
}

func TestExportThatFailsIsReportedAndCostsOnlyItself(t *testing.T) {
	stderr := standardError(t)
	core, seen := observer.New(zap.DebugLevel)
	l, out := newLogger(t, logging.Config{Exports: []zapcore.Core{faulty{zapcore.NewNopCore(), errors.New("queue is full")}, faulty{zapcore.NewNopCore(), nil}, core}})
	l.Info("hello")
	if out.last(t)["body"] != "hello" || seen.Len() != 1 {
		t.Error("the line is missing")
	}
	for _, want := range []string{"queue is full", "panic: foreign code"} {
		if said := stderr(); !strings.Contains(said, want) {
			t.Errorf("standard error does not say %q: %q", want, said)
		}
	}
}
