package tracing

import (
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

func TestOnlyErrorsOfOpenTelemetrysOwnLogAreLogged(t *testing.T) {
	var lines strings.Builder
	failures := &failureLog{logger: textLogger(&lines)}
	logger := logr.FromSlogHandler(internalLog{failures: failures}).WithName("otel").WithValues("instrument", "orders")
	logger.V(1).Info("a warning")
	if lines.Len() > 0 {
		t.Errorf("logged %s", lines.String())
	}
	logger.Error(errStopped, "Using existing type definition.", "key", "token=hush")
	for _, want := range []string{"level=WARN", "Using existing type definition.", errStopped.Error(), "instrument=orders", "token=REDACTED"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("%s is missing in %s", want, lines.String())
		}
	}
}
