package logging

import (
	"strconv"
	"strings"

	"go.uber.org/zap/zapcore"
)

// humanLine writes time, level, name, message, fields, place and trace; stacks on lines of their own.
func (e *encoder) humanLine(ent *zapcore.Entry, c *core, bound *binding, fields []zapcore.Field) {
	std := &e.out.std
	if std.Time != "" && !ent.Time.IsZero() {
		e.buf = append(ent.Time.Local().AppendFormat(e.buf, "15:04:05.000"), ' ')
	}
	if std.Level != "" {
		e.paint(levelColour(ent.Level), levelText(ent.Level))
		for range max(0, len("ERROR")-len(levelText(ent.Level))) {
			e.buf = append(e.buf, ' ')
		}
		e.buf = append(e.buf, ' ')
	}
	if std.Logger != "" && ent.LoggerName != "" {
		e.buf = append(appendVisible(e.buf, ent.LoggerName), ": "...)
	}
	if std.Message != "" {
		message, cut := e.clean(ent.Message)
		e.buf = appendVisible(e.buf, message)
		if cut > 0 {
			e.buf = append(strconv.AppendInt(append(e.buf, "…["...), int64(cut), 10), " bytes cut]"...)
		}
	}
	e.body(c, bound, fields)
	e.pop(1, true)
	e.droppedNote()
	if ent.Caller.Defined && std.File != "" {
		e.buf = append(e.buf, ' ')
		e.paint("2", shortFile(ent.Caller.File)+":"+strconv.Itoa(ent.Caller.Line))
	}
	e.buf = e.out.appendHead(e.buf, bound)
	if std.Stack != "" && ent.Stack != "" {
		e.addTrailer(ent.Stack)
	}
	e.buf = append(append(e.buf, e.trailer...), '\n')
}

func (e *encoder) paint(colour, text string) {
	if !e.out.colour {
		e.buf = append(e.buf, text...)
		return
	}
	e.buf = append(append(append(e.buf, "\x1b["...), colour...), 'm')
	e.buf = append(append(e.buf, text...), "\x1b[0m"...)
}

// addTrailer puts a stack on lines of its own.
func (e *encoder) addTrailer(text string) {
	clean, _ := e.clean(text)
	for line := range strings.SplitSeq(strings.TrimRight(clean, "\n"), "\n") {
		e.trailer = append(e.trailer, "\n    "...)
		e.trailer = appendVisible(e.trailer, strings.ReplaceAll(line, "\t", "    "))
	}
}

// shortFile keeps the last folder and the name.
func shortFile(file string) string {
	if i := strings.LastIndexByte(file, '/'); i >= 0 {
		if j := strings.LastIndexByte(file[:i], '/'); j >= 0 {
			return file[j+1:]
		}
	}
	return file
}
