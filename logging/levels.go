package logging

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// traceLevel is below zap's lowest. slog has room there, and libraries use it.
const traceLevel = zapcore.DebugLevel - 1

// Levels decide which lines of a logger, and of all that were derived from it, are written. They can be
// changed while the program runs. Methods are safe for concurrent use.
type Levels struct {
	current atomic.Pointer[rules]

	mu      sync.Mutex
	lasting *rules      // what holds when no temporary change does
	timer   *time.Timer // ends the temporary change; nil: there is none
	until   time.Time
	changes int
}

// LevelsOf returns the levels of a logger that was made by [New] or derived from one, also if its core
// was wrapped (zap.WrapCore, zapcore.NewTee). For any other logger it returns nil.
func LevelsOf(l *zap.Logger) *Levels {
	p := &levelsProbe{}
	l.Core().With([]zapcore.Field{{Type: zapcore.SkipType, Interface: p}})
	return p.levels
}

// levelsProbe travels through wrapped cores in a field that prints nothing; our core fills it in.
type levelsProbe struct{ levels *Levels }

// Set replaces the levels for good and ends a temporary change. The form is a level (trace, debug, info,
// warn, error, dpanic, panic, fatal), or a list of name=level such as "kafka=debug,*=info": a name
// stands for the loggers of that name (zap's Named) and all below it (kafka.consumer), the longest name
// decides, and * or a level alone stands for all others. Others are at info if the list does not say.
// If the form is wrong, nothing changes and the error says what is.
func (l *Levels) Set(spec string) error { return l.SetFor(spec, 0) }

// SetFor is [Levels.Set] for a time: after d the levels fall back to what they were set to for good.
// Zero or less is for good. A temporary change replaces the one before.
func (l *Levels) SetFor(spec string, d time.Duration) error {
	r, err := parseRules(spec)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.changes++
	l.current.Store(r)
	if d <= 0 {
		l.lasting = r
		return nil
	}
	change := l.changes
	l.until = time.Now().Add(d)
	l.timer = time.AfterFunc(d, func() { l.fallBack(change) })
	return nil
}

// String returns the levels in force, in the form that [Levels.Set] takes.
func (l *Levels) String() string { return l.current.Load().String() }

// Temporary returns when a temporary change ends and what holds afterwards; ok is false if there is
// none.
func (l *Levels) Temporary() (until time.Time, fallback string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil {
		return time.Time{}, "", false
	}
	return l.until, l.lasting.String(), true
}

// fallBack knows that a timer that was stopped too late must not undo a later change.
func (l *Levels) fallBack(change int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changes == change {
		l.timer = nil
		l.current.Store(l.lasting)
	}
}

func newLevels(spec string) (*Levels, error) {
	l := &Levels{}
	return l, l.Set(spec)
}

// least is the lowest level that any logger writes.
func (l *Levels) least() zapcore.Level { return l.current.Load().least }

func (l *Levels) enabled(logger string, level zapcore.Level) bool {
	return level >= l.current.Load().level(logger)
}

// rules are immutable.
type rules struct {
	others zapcore.Level
	named  []rule // the longest name first
	least  zapcore.Level
}

type rule struct {
	name  string
	level zapcore.Level
}

func (r *rules) level(logger string) zapcore.Level {
	for i := range r.named {
		if below(logger, r.named[i].name) {
			return r.named[i].level
		}
	}
	return r.others
}

func below(logger, name string) bool {
	return strings.HasPrefix(logger, name) && (len(logger) == len(name) || logger[len(name)] == '.')
}

func (r *rules) String() string {
	if len(r.named) == 0 {
		return levelName(r.others)
	}
	parts := []string{"*=" + levelName(r.others)}
	for _, n := range r.named {
		parts = append(parts, n.name+"="+levelName(n.level))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// parseRules reports every fault at once.
func parseRules(spec string) (*rules, error) {
	r := &rules{others: zapcore.InfoLevel}
	seen := make(map[string]bool)
	var faults []error
	for part := range strings.SplitSeq(spec, ",") {
		name, text, named := strings.Cut(part, "=")
		if !named {
			name, text = "*", name
		}
		name = strings.TrimSpace(name)
		level, err := parseLevel(strings.TrimSpace(text))
		switch {
		case err != nil:
			faults = append(faults, err)
		case name == "":
			faults = append(faults, fmt.Errorf("%q names no logger before the =", part))
		case seen[name]:
			faults = append(faults, fmt.Errorf("%q has two levels", name))
		case name == "*":
			r.others = level
		default:
			r.named = append(r.named, rule{name, level})
		}
		seen[name] = true
	}
	slices.SortFunc(r.named, func(a, b rule) int {
		return cmp.Or(cmp.Compare(len(b.name), len(a.name)), cmp.Compare(a.name, b.name))
	})
	r.least = r.others
	for _, n := range r.named {
		r.least = min(r.least, n.level)
	}
	return r, errors.Join(faults...)
}

func parseLevel(text string) (zapcore.Level, error) {
	switch strings.ToLower(text) {
	case "trace":
		return traceLevel, nil
	case "warning":
		return zapcore.WarnLevel, nil
	case "":
		return 0, errors.New("a level is missing")
	}
	level, err := zapcore.ParseLevel(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no level: use trace, debug, info, warn, error, dpanic, panic or fatal", text)
	}
	return level, nil
}

func levelName(l zapcore.Level) string {
	if l == traceLevel {
		return "trace"
	}
	return l.String()
}

// levelText is the severity as it stands in a line.
func levelText(l zapcore.Level) string {
	if l == traceLevel {
		return "TRACE"
	}
	return l.CapitalString()
}
