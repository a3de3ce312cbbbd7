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

func TestAllocations(t *testing.T) {
	l := discarding(t)
	plain := logging.NewContext(context.Background(), l)
	ctx := logctx.With(spanned(plain), slog.String("http.route", "/v1/orders"), slog.Int("n", 3))
	request := logging.FromContext(ctx)
	slogger := slog.New(logging.NewSlogHandler(l))
	for _, test := range []struct {
		name string
		most float64
		f    func()
	}{
		{"line of five fields", 2, func() { short(request) }},
		{"realistic line", 2, func() { realistic(request) }},
		{"disabled line", 1, func() { request.Debug("hello", zap.Int("n", 1)) }}, // zap's own, for the fields
		{"logger of a request", 6, func() { logging.FromContext(ctx) }},
		{"logger of a context that says nothing", 0, func() { logging.FromContext(plain) }},
		{"line of slog", 0, func() { shortSlog(ctx, slogger) }},
		{"disabled line of slog", 0, func() { slogger.LogAttrs(ctx, slog.LevelDebug, "hello", slog.Int("n", 1)) }},
	} {
		if got := testing.AllocsPerRun(200, test.f); got > test.most {
			t.Errorf("%s: %v allocations, want at most %v", test.name, got, test.most)
		}
	}
}
