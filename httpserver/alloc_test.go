//go:build !race

package httpserver_test

import (
	"context"
	"log/slog"
	"testing"
)

// counted is a logger that takes every line and renders none: what is counted is the server's.
type counted struct{}

func (counted) Enabled(context.Context, slog.Level) bool  { return true }
func (counted) Handle(context.Context, slog.Record) error { return nil }
func (counted) WithAttrs([]slog.Attr) slog.Handler        { return counted{} }
func (counted) WithGroup(string) slog.Handler             { return counted{} }

func TestAllocationsOfARequest(t *testing.T) {
	for _, sdk := range []bool{false, true} {
		for _, path := range []string{"/json", "/error", "/fault"} {
			cfg, bar := quiet(), 4.0
			if sdk {
				cfg, bar = withSDK(t), 17
			}
			cfg.Logger = slog.New(counted{})
			call := cost(t, path, cfg)
			call() // fills pools and caches
			got := testing.AllocsPerRun(200, call)
			t.Logf("%s, SDK %v: %.0f", path, sdk, got)
			if got > bar {
				t.Errorf("%s, SDK %v: %.0f allocations, want at most %.0f", path, sdk, got, bar)
			}
		}
	}
}
