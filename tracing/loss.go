package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backend-platform/sdk/internal/redact"
)

// A LossError says what telemetry was lost, and why. [Providers.Shutdown] returns it.
type LossError struct {
	// Spans is the number of sampled spans that ended and that no exporter handed over: exports that
	// failed, a full queue, and what was still waiting when the time was up. Two exporters count twice.
	Spans int64

	// MetricExports is the number of exports of metrics that failed or of which the collector rejected a
	// part. Cumulative metrics, the default, make up for a failed export with the next one.
	MetricExports int64

	// LogRecords is the number of log records that no exporter handed over, as with Spans.
	LogRecords int64

	// Err joins the last failure of each exporter, and what stopped the shutdown.
	Err error
}

// Error names the counts and the failures, without secrets that are known by their form, and clipped.
func (e *LossError) Error() string {
	var lost []string
	if e.Spans > 0 {
		lost = append(lost, plural(e.Spans, "span"))
	}
	if e.MetricExports > 0 {
		lost = append(lost, plural(e.MetricExports, "export")+" of metrics")
	}
	if e.LogRecords > 0 {
		lost = append(lost, plural(e.LogRecords, "log record"))
	}
	text := "telemetry lost: " + strings.Join(lost, ", ")
	if e.Err != nil {
		text += ": " + errorText(e.Err)
	}
	return text
}

// Unwrap returns Err.
func (e *LossError) Unwrap() error { return e.Err }

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// errorText returns an error's text without secrets. A collector's answer is part of some texts, and
// may be a page.
func errorText(err error) string {
	const limit, overlap = 1024, 4096 // a secret across the bound is known by its form if it is seen whole
	return clip(redact.Text(clip(plainText(err), limit+overlap)), limit)
}

// reported is an error that says no more than errorText to a handler that prints its text.
type reported struct{ error }

// Error implements the error interface.
func (r reported) Error() string { return errorText(r.error) }

// Unwrap returns the error as it was.
func (r reported) Unwrap() error { return r.error }

// plainText returns an error's text, or what fmt makes of an error whose method panics, which is <nil> for
// a nil pointer: telemetry is not what ends a program.
func plainText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%v", err)
		}
	}()
	return err.Error()
}

// logEvery is how often the failures of one exporter are logged. A collector that is down fails an
// export every few seconds; one line a minute says the same.
const logEvery = time.Minute

// A failureLog logs the failures of one exporter, at most one a minute, and that it works again.
type failureLog struct {
	logger *slog.Logger // nil: the default one, looked up each time
	about  []slog.Attr

	mu       sync.Mutex
	last     time.Time // when a failure was logged
	unlogged int       // failures since then
	failing  bool
	logged   bool // whether the current row of failures was logged
	ended    bool // Shutdown has told what was lost; a service's last line is to be the last
}

func (l *failureLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

// failed takes note of a failure that cost a number of spans or log records.
func (l *failureLog) failed(err error, lost int) {
	l.mu.Lock()
	l.failing = true
	if l.ended || !l.last.IsZero() && time.Since(l.last) < logEvery {
		l.unlogged++
		l.mu.Unlock()
		return
	}
	unlogged := l.unlogged
	l.last, l.unlogged, l.logged = time.Now(), 0, true
	l.mu.Unlock() // before the logger, which is the service's code

	attrs := append([]slog.Attr{slog.Any("error", reported{err})}, l.about...)
	if lost > 0 {
		attrs = append(attrs, slog.Int("lost", lost))
	}
	if unlogged > 0 {
		attrs = append(attrs, slog.Int("failures_not_logged", unlogged))
	}
	l.log(slog.LevelWarn, "telemetry failed", attrs)
}

// succeeded ends a row of failures.
func (l *failureLog) succeeded() {
	l.mu.Lock()
	recovered := l.failing && l.logged
	l.failing, l.logged = false, false
	l.mu.Unlock()
	if recovered {
		l.log(slog.LevelInfo, "telemetry works again", l.about)
	}
}

// internalLog takes what OpenTelemetry logs about itself, which it would otherwise write to standard
// error. Its errors are failures like others; the rest is chatter.
type internalLog struct {
	failures *failureLog
	attrs    []slog.Attr
}

func (internalLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

func (l internalLog) Handle(_ context.Context, record slog.Record) error {
	text := record.Message
	add := func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range l.attrs {
		add(a)
	}
	record.Attrs(add)
	l.failures.failed(errors.New(text), 0)
	return nil
}

func (l internalLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return internalLog{l.failures, append(slices.Clip(l.attrs), attrs...)}
}

func (l internalLog) WithGroup(string) slog.Handler { return l }

func (l *failureLog) log(level slog.Level, message string, attrs []slog.Attr) {
	logger := l.logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(context.Background(), level, message, attrs...)
}
