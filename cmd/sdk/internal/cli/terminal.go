package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// terminal is a stream that may have somebody in front of it: only then it has colours and progress. It is safe for
// concurrent use.
type terminal struct {
	w      io.Writer
	live   bool // it is a terminal
	colour bool

	mu    sync.Mutex
	shown int // width of the line of progress that stands there
}

// newTerminal looks at the stream, at NO_COLOR (https://no-color.org) and at TERM.
func newTerminal(w io.Writer) *terminal {
	t := &terminal{w: w}
	if file, ok := w.(*os.File); ok {
		info, err := file.Stat()
		t.live = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	t.colour = t.live && os.Getenv("NO_COLOR") == ""
	return t
}

// Write removes the line of progress first.
func (t *terminal) Write(p []byte) (int, error) {
	t.clearProgress()
	return t.w.Write(p)
}

func (t *terminal) paint(code, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (t *terminal) bold(text string) string   { return t.paint("1", text) }
func (t *terminal) red(text string) string    { return t.paint("31", text) }
func (t *terminal) green(text string) string  { return t.paint("32", text) }
func (t *terminal) yellow(text string) string { return t.paint("33", text) }

// progress shows what is being downloaded, in one line that the next one overwrites. Elsewhere than on a terminal it is
// one line each, so that a log shows what a slow step waits for.
func (t *terminal) progress(module string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := "downloading " + module
	if !t.live {
		fmt.Fprint(t.w, text+"\n")
		return
	}
	if len(text) > 78 {
		text = text[:77] + "…"
	}
	fmt.Fprint(t.w, "\r"+text+strings.Repeat(" ", max(0, t.shown-len(text))))
	t.shown = len(text)
}

func (t *terminal) clearProgress() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shown > 0 {
		fmt.Fprint(t.w, "\r"+strings.Repeat(" ", t.shown)+"\r")
		t.shown = 0
	}
}
