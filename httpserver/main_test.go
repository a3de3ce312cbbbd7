package httpserver_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
)

// TestMain keeps the default logger, which a nil Logger means, out of the tests' output; or the binary
// is a service, which a test has started.
func TestMain(m *testing.M) {
	if kind := os.Getenv(processKey); kind != "" {
		if err := serveAsProcess(kind); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
