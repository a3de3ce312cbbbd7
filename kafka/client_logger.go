package kafka

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/backend-platform/sdk/internal/redact"
	"github.com/twmb/franz-go/pkg/kgo"
)

// maxLogText bounds a text in a log line: an error may have the answers of many partitions
// in it, and a line of some kilobytes is cut by whoever collects it, at any place.
const maxLogText = 1 << 10

// clientLogger writes what kgo has to say into a slog.Logger, some levels lower:
// what kgo calls an error, such as a lost connection, it mends by itself. What it says
// again and again, at each try of each connection, is said every 10 s.
type clientLogger struct{ errorLog }

func newClientLogger(log *slog.Logger) *clientLogger { return &clientLogger{errorLog{log: log}} }

// Level implements kgo.Logger.
func (*clientLogger) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log implements kgo.Logger.
func (l *clientLogger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	if level == kgo.LogLevelError {
		to = slog.LevelWarn
	}
	ctx := context.Background()
	if !l.log.Enabled(ctx, to) || !l.due(shortText(msg+fmt.Sprint(keyvals...))) {
		return
	}
	short := make([]any, len(keyvals))
	for i, v := range keyvals {
		short[i] = shortValue(v)
	}
	l.log.Log(ctx, to, "kafka client: "+msg, short...)
}

// shortValue cuts what prints as a text that is too long.
func shortValue(v any) any {
	switch v := v.(type) {
	case error:
		return shortError{v}
	case string:
		return shortText(v)
	case bool, int, int16, int32, int64:
		return v
	}
	if text := fmt.Sprint(v); len(text) > maxLogText {
		return shortText(text)
	}
	return v
}

// shortError is an error with the same chain, whose text is bounded and without secrets.
type shortError struct{ err error }

func (e shortError) Error() string { return shortText(redact.Text(e.err.Error())) }

func (e shortError) Unwrap() error { return e.err }

func shortText(text string) string {
	if len(text) <= maxLogText {
		return text
	}
	return clampText(text, maxLogText) + "…"
}
