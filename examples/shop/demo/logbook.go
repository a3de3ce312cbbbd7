package demo

import (
	"bytes"
	"encoding/json"
	"io"
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

// text returns a member as text, or "".
func (e entry) text(key string) string {
	s, _ := e[key].(string)
	return s
}

// find returns the first line that holds all the words, decoded, and the line itself.
func (l *logbook) find(words ...string) (entry, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if containsAll(line, words) {
			var e entry
			if json.Unmarshal([]byte(line), &e) == nil {
				return e, line
			}
		}
	}
	return nil, ""
}

func containsAll(line string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(line, word) {
			return false
		}
	}
	return true
}
