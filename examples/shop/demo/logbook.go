package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// logbook keeps the log lines of all services, and passes them on where somebody wants to read along.
type logbook struct {
	also io.Writer // nil: nobody

	mu    sync.Mutex
	lines []string
}

// Write takes one or more whole lines, as a logger writes them.
func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(p) {
		l.lines = append(l.lines, strings.TrimSpace(string(line)))
	}
	if l.also != nil {
		return l.also.Write(p)
	}
	return len(p), nil
}

// entry is a log line, decoded.
type entry map[string]any

// brief returns the line for people who want to see what it is about: service, level, text, and the
// fields but for where in the code it was written.
func (e entry) brief() string {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%-10s %-5s %s", e.text("service.name"), e.text("severity_text"), e.text("body"))
	for _, key := range slices.Sorted(maps.Keys(e)) {
		switch key {
		case "service.name", "service.version", "severity_text", "body", "timestamp", "trace_flags", "code.file.path", "code.line.number", "code.function.name":
		default:
			fmt.Fprintf(b, "  %s=%s", key, compact(e[key]))
		}
	}
	return b.String()
}

// compact returns a text as it is and anything else as JSON.
func compact(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// text returns a member as text, or "".
func (e entry) text(key string) string {
	s, _ := e[key].(string)
	return s
}

// find returns the first line that holds all the words, or nil.
func (l *logbook) find(words ...string) entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if containsAll(line, words) {
			var e entry
			if json.Unmarshal([]byte(line), &e) == nil {
				return e
			}
		}
	}
	return nil
}

func containsAll(line string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(line, word) {
			return false
		}
	}
	return true
}
