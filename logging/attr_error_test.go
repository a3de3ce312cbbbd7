package logging_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/logging"
)

// Our errors have a LogValue for other handlers; here they say all they know, wrapped or not, and in
// the group without a name in which the HTTP server puts a line's attributes.
func TestSlogPrintsAnErrorOfOursAsZapDoes(t *testing.T) {
	err := errors.Internal.New("broken").WithViolation("#/a", "wrong", "")
	for name, attr := range map[string]slog.Attr{
		"error":           slog.Any("error", err),
		"err":             slog.Any("err", err),
		"wrapped":         slog.Any("error", fmt.Errorf("w: %w", err)),
		"in a bare group": slog.Group("", slog.Any("error", err)),
	} {
		var out bytes.Buffer
		logger, setup := logging.New("orders", logging.Config{Output: &out, Format: logging.FormatJSON})
		if setup != nil {
			t.Fatal(setup)
		}
		slog.New(logging.NewSlogHandler(logger)).LogAttrs(t.Context(), slog.LevelError, "failed", attr)
		for _, want := range []string{`"error.type":"internal"`, `"exception.message"`, `"exception.stacktrace"`, `"violations"`, `"fingerprint"`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %s in %s", name, want, &out)
			}
		}
	}
}
