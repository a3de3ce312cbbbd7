// Package loggingtest gives tests a logger that writes to the test's own output and remembers what was
// written.
//
// A line at error or above that nobody expected fails the test: code that logs an error where a test
// sees only success has a bug, or the test has. The logger is one of [logging.New], so a test sees what
// production would write, without secrets and under the same keys. [New] gives zap's logger, [NewSlog]
// slog's.
package loggingtest

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/logging"
)

// An Entry is a line as a log store would get it.
type Entry struct {
	// Level is the line's level.
	Level zapcore.Level
	// Logger is the logger's name; empty if it has none.
	Logger string
	// Message is the text of the line.
	Message string
	// Fields are all other members of the line but the time, with the types of encoding/json: float64,
	// string, bool, nil, []any, map[string]any.
	Fields map[string]any
}

// A Log remembers the lines of a logger. Methods are safe for concurrent use.
type Log struct {
	t testing.TB

	mu       sync.Mutex
	entries  []Entry
	expected []string
	out      io.Writer // nil: the test is over
}

// New returns a logger that writes every level to t's output, and the log of its lines. At the end of
// the test each line at error or above that [Log.ExpectError] did not announce fails t, and so does each
// announced one that did not come. Lines after the end of the test are dropped, so a goroutine that
// outlives it does no harm.
//
// The names of the keys are those of OpenTelemetry; the fields that say who logged where (service.name,
// code.file.path, code.line.number) are left out.
func New(t testing.TB) (*zap.Logger, *Log) {
	t.Helper()
	log := &Log{t: t, out: t.Output()}
	logger, err := logging.New("test", logging.Config{
		Level: "trace", Format: logging.FormatJSON, Output: log.writer(), NoCaller: true,
		Names: logging.Names{Time: "-", Service: "-", Version: "-"},
	})
	if err != nil {
		t.Fatalf("loggingtest: %v", err)
	}
	t.Cleanup(log.finish)
	return logger, log
}

// NewSlog is [New] for code that takes slog's logger.
func NewSlog(t testing.TB) (*slog.Logger, *Log) {
	t.Helper()
	logger, log := New(t)
	return slog.New(logging.NewSlogHandler(logger)), log
}

// Entries returns a copy of all lines so far, the oldest first.
func (l *Log) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := make([]Entry, len(l.entries))
	for i, e := range l.entries {
		e.Fields = maps.Clone(e.Fields)
		entries[i] = e
	}
	return entries
}

// ExpectError announces lines at error or above whose message, or the text of whose error, contains
// text. It may be called before or after they are written; at least one must come.
func (l *Log) ExpectError(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected = append(l.expected, text)
}

func (l *Log) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = nil
	came := make(map[string]bool)
	for _, e := range l.entries {
		if e.Level < zapcore.ErrorLevel {
			continue
		}
		known := false
		for _, text := range l.expected {
			if e.contains(text) {
				came[text], known = true, true
			}
		}
		if !known {
			l.t.Errorf("unexpected line: %s", e)
		}
	}
	for _, text := range l.expected {
		if !came[text] {
			l.t.Errorf("no error line contains %q", text)
		}
	}
}

func (e Entry) contains(text string) bool {
	cause, _ := e.Fields["exception.message"].(string)
	return strings.Contains(e.Message, text) || strings.Contains(cause, text)
}

// String returns the entry on one line; its stack, if there is one, on the lines below.
func (e Entry) String() string {
	rest := maps.Clone(e.Fields)
	stack, _ := rest["exception.stacktrace"].(string)
	delete(rest, "exception.stacktrace")
	text := "TRACE "
	if e.Level >= zapcore.DebugLevel {
		text = e.Level.CapitalString() + " "
	}
	if e.Logger != "" {
		text += e.Logger + ": "
	}
	text += e.Message
	if len(rest) > 0 {
		fields, _ := json.Marshal(rest) // it was JSON before
		text += " " + string(fields)
	}
	if stack != "" {
		text += "\n" + strings.TrimRight(stack, "\n")
	}
	return text
}

// writer gets one line a call, one at a time.
func (l *Log) writer() io.Writer { return writerFunc(l.add) }

type writerFunc func(line []byte) (int, error)

// Write implements [io.Writer].
func (f writerFunc) Write(line []byte) (int, error) { return f(line) }

func (l *Log) add(line []byte) (int, error) {
	e, err := parse(line)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out == nil {
		return len(line), nil
	}
	l.entries = append(l.entries, e)
	_, err = fmt.Fprintln(l.out, e)
	return len(line), err
}

func parse(line []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(line, &e.Fields); err != nil {
		return e, fmt.Errorf("loggingtest: the line is no JSON: %w", err)
	}
	level, _ := e.Fields["severity_text"].(string)
	if parsed, err := zapcore.ParseLevel(level); err == nil {
		e.Level = parsed
	} else {
		e.Level = zapcore.DebugLevel - 1 // trace, for which zap has no name
	}
	e.Message, _ = e.Fields["body"].(string)
	e.Logger, _ = e.Fields["otel.scope.name"].(string)
	for _, key := range []string{"severity_text", "body", "otel.scope.name"} {
		delete(e.Fields, key)
	}
	return e, nil
}
