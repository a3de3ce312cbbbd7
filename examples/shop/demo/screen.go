package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// screen writes for people: with colour on a terminal, plain in a pipe or where NO_COLOR is set
// (https://no-color.org).
type screen struct {
	w      io.Writer
	colour bool
	failed []string
}

func newScreen(w io.Writer) *screen {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return &screen{w: w}
	}
	info, err := file.Stat()
	return &screen{w: w, colour: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	cyan  = "36"
)

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(s.w, format+"\n", args...)
}

func (s *screen) step(n int, title string) {
	s.printf("\n%s", s.paint(bold, fmt.Sprintf("%d  %s", n, title)))
}

func (s *screen) say(format string, args ...any) { s.printf("   "+format, args...) }

// quote shows what a program wrote, indented and dimmed.
func (s *screen) quote(text string) {
	for line := range strings.Lines(text) {
		s.printf("     %s", s.paint(dim, strings.TrimRight(line, "\n")))
	}
}

// check shows whether something holds, and remembers when it does not.
func (s *screen) check(ok bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if ok {
		s.printf("   %s %s", s.paint(green, "✓"), text)
		return
	}
	s.failed = append(s.failed, text)
	s.printf("   %s %s", s.paint(red, "✗"), s.paint(red, text))
}
