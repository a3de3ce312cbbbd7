//go:build !race

package logging_test

import (
	"context"
	"log/slog"
	"testing"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/internal/logctx"
	"github.com/backend-platform/sdk/logging"
)

var always lazySource

func realisticSlog(ctx context.Context, l *slog.Logger) {
	l.LogAttrs(ctx, slog.LevelInfo, longMessage, slog.String("path", longPath), slog.String("user_agent", userAgent), slog.Int("status", 200))
}

func TestAllocations(t *testing.T) {
	l := discarding(t)
	plain := logging.NewContext(context.Background(), l)
	ctx := logctx.With(spanned(plain), slog.String("http.route", "/v1/orders"), slog.Int("n", 3))
	request := logging.FromContext(ctx)
	lazy := logctx.WithSource(plain, &lazySource{})
	slogger := slog.New(logging.NewSlogHandler(l))
	for _, test := range []struct {
		name string
		most float64
		f    func()
	}{
		{"line of five fields", 2, func() { short(request) }},
		{"realistic line", 2, func() { realistic(request) }},
		{"logger of a request", 6, func() { logging.FromContext(ctx) }},
		{"logger of a context that says nothing", 0, func() { logging.FromContext(plain) }},
		{"line of slog", 0, func() { shortSlog(ctx, slogger) }},
		{"realistic line of slog", 0, func() { realisticSlog(ctx, slogger) }},
		{"attributes of a context", 3, func() { logctx.With(plain, slog.Int("n", 1)) }},
		{"attributes of a context that are asked for later", 1, func() { logctx.WithSource(plain, &always) }},
		{"disabled line of slog under a context with attributes", 0, func() { slogger.LogAttrs(lazy, slog.LevelDebug, "hello", slog.Int("n", 1)) }},
		{"disabled line of zap under a context with attributes", 1, func() { request.Debug("hello", zap.Int("n", 1)) }}, // zap's own, for the fields
		{"disabled line of slog", 0, func() { slogger.LogAttrs(ctx, slog.LevelDebug, "hello", slog.Int("n", 1)) }},
	} {
		if got := testing.AllocsPerRun(200, test.f); got > test.most {
			t.Errorf("%s: %v allocations, want at most %v", test.name, got, test.most)
		}
	}
}
