package errors

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

// Format implements [fmt.Formatter]: %s and %v print [Error.Error], %q quotes it, and %+v adds the
// stack, a frame on two lines as a panic prints it.
func (e *Error) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'q':
		_, _ = io.WriteString(f, strconv.Quote(e.Error()))
	case verb == 'v' && f.Flag('+'):
		_, _ = io.WriteString(f, e.Error())
		for frame := range StackTrace(e) {
			_, _ = fmt.Fprintf(f, "\n%s\n\t%s:%d", frame.Function, frame.File, frame.Line)
		}
	case verb == 's', verb == 'v':
		_, _ = io.WriteString(f, e.Error())
	default:
		_, _ = fmt.Fprintf(f, "%%!%c(*errors.Error=%s)", verb, e.Error())
	}
}

// LogValue implements [slog.LogValuer] with [LogAttrs] as a group.
func (e *Error) LogValue() slog.Value { return slog.GroupValue(LogAttrs(e)...) }

// LogAttrs returns what a log line about err should carry: message (the whole text), code, reason and
// domain of the error that decides, retry_exhausted where it holds, and the attributes of every error
// in the tree, outermost first, each key once. It returns nil if err is nil.
func LogAttrs(err error) []slog.Attr {
	if err == nil {
		return nil
	}
	d := decide(err)
	attrs := []slog.Attr{slog.String("message", err.Error()), slog.String("code", d.code.String())}
	if e, ok := d.node.(interface {
		Reason() string
		Domain() string
	}); ok && e.Reason() != "" {
		attrs = append(attrs, slog.String("reason", e.Reason()), slog.String("domain", e.Domain()))
	}
	if Exhausted(err) {
		attrs = append(attrs, slog.Bool("retry_exhausted", true))
	}
	return appendAttrs(attrs, err)
}

func appendAttrs(attrs []slog.Attr, err error) []slog.Attr {
	taken := make(map[string]bool, len(attrs))
	for _, a := range attrs {
		taken[a.Key] = true
	}
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
