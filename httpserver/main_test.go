package httpserver_test

import (
	"log/slog"
	"os"
	"testing"
)

// TestMain keeps the default logger, which a nil Logger means, out of the tests' output.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
