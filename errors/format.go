package errors

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
)

// Format implements [fmt.Formatter]: %s and %v print [Error.Error], %q quotes it, and %+v adds the
// stack, a frame on two lines as a panic prints it. Flags, width and precision apply as to a string.
func (e *Error) Format(f fmt.State, verb rune) { format(e, e, f, verb) }

// Format implements [fmt.Formatter] as [Error] does.
func (m *marked) Format(f fmt.State, verb rune) { format(m, m.error, f, verb) }

// format prints err. With %+v another package's error below it prints itself.
func format(err, below error, f fmt.State, verb rune) {
	switch verb {
	case 's', 'q', 'x', 'X':
		_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), textOf(err))
	case 'v':
		if !f.Flag('+') {
			_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), textOf(err))
			return
		}
		printVerbose(f, err, below)
	default:
		_, _ = fmt.Fprintf(f, "%%!%c(%T=%s)", verb, below, textOf(err))
	}
}

func printVerbose(f fmt.State, err, below error) {
	if foreign, ok := below.(fmt.Formatter); ok && stackOf(below) == nil && !isOurs(below) {
		foreign.Format(f, 'v')
		return
	}
	_, _ = io.WriteString(f, textOf(err))
	for frame := range StackTrace(err) {
		_, _ = fmt.Fprintf(f, "\n%s\n\t%s:%d", frame.Function, frame.File, frame.Line)
	}
}

func isOurs(err error) bool {
	switch err.(type) {
	case *Error, *marked:
		return true
	}
	return false
}

// LogValue implements [slog.LogValuer]: [LogAttrs], and what else is known about the error, as a group.
// That is metadata and violations, for a remote error "remote" and the sender's "remote_trace_id", and
// where there is a stack the fingerprint and the stack.
func (e *Error) LogValue() slog.Value { return slog.GroupValue(logAll(e)...) }

// LogValue implements [slog.LogValuer] as [Error] does.
func (m *marked) LogValue() slog.Value { return slog.GroupValue(logAll(m)...) }

func logAll(err error) []slog.Attr {
	attrs := LogAttrs(err)
	taken := keys(attrs)
	add := func(a slog.Attr) {
		if !taken[a.Key] {
			attrs = append(attrs, a)
		}
	}
	if e, ok := decide(err).node.(*Error); ok {
		if more := e.rest(); len(more.metadata) > 0 {
			add(slog.Any("metadata", maps.Clone(more.metadata)))
		}
		if more := e.rest(); len(more.violations) > 0 {
			add(slog.Any("violations", slices.Clone(more.violations)))
		}
		if e.Remote() {
			add(slog.Bool("remote", true))
		}
		if id := e.TraceID(); id != "" {
			add(slog.String("remote_trace_id", id))
		}
	}
	if frames := frameTexts(err); len(frames) > 0 {
		add(slog.String("fingerprint", Fingerprint(err)))
		add(slog.Any("stack", frames))
	}
	return attrs
}

func frameTexts(err error) (texts []string) {
	for frame := range StackTrace(err) {
		texts = append(texts, frame.Function+" "+frame.File+":"+strconv.Itoa(frame.Line))
	}
	return texts
}

// LogAttrs returns what a log line about err should carry: message (the whole text), code, reason and
// domain of the error that decides, retry_exhausted where it holds, and the attributes of every error
// in the tree, outermost first, each key once. It returns nil if err is nil.
func LogAttrs(err error) []slog.Attr {
	if err == nil {
		return nil
	}
	d := decide(err)
	attrs := []slog.Attr{slog.String("message", textOf(err)), slog.String("code", d.code.String())}
	if reason, domain := owner(d.node); reason != "" {
		attrs = append(attrs, slog.String("reason", reason), slog.String("domain", domain))
	}
	if Exhausted(err) {
		attrs = append(attrs, slog.Bool("retry_exhausted", true))
	}
	return appendAttrs(attrs, err)
}

func appendAttrs(attrs []slog.Attr, err error) []slog.Attr {
	taken := keys(attrs)
	walk(err, func(err error) (stop bool) {
		e, ok := err.(*Error)
		if !ok {
			return false
		}
		for _, a := range e.rest().attrs {
			if !taken[a.Key] {
				taken[a.Key] = true
				attrs = append(attrs, a)
			}
		}
		return false
	})
	return attrs
}

func keys(attrs []slog.Attr) map[string]bool {
	taken := make(map[string]bool, len(attrs))
	for _, a := range attrs {
		taken[a.Key] = true
	}
	return taken
}
