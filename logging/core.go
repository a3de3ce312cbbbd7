package logging

import (
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// core is the zapcore.Core of this package. A core is immutable: With makes another.
type core struct {
	out    *output
	levels *Levels
	bound  *binding // to a span and a context's attributes; nil: to none
	head   []byte   // the ids of the span and the resource, as they stand in a line of JSON

	// What the logger's own fields look like in a line.
	fields  []byte
	keys    []keyAt
	open    []object
	dropped int

	exporter *core // encodes for Config.Exports; nil: there are none
}

// Enabled implements [zapcore.LevelEnabler]. It does not know the logger's name, so it answers for the
// most talkative one; Check decides.
func (c *core) Enabled(l zapcore.Level) bool { return l >= c.levels.least() }

// Level is what zap's Logger.Level reports.
func (c *core) Level() zapcore.Level { return c.levels.least() }

// Check implements [zapcore.Core].
func (c *core) Check(ent zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.levels.enabled(ent.LoggerName, ent.Level) {
		return ce
	}
	if s := c.out.sampler; s != nil && ent.Level < zapcore.ErrorLevel {
		ok, dropped := s.admit(&ent)
		c.noteDropped(dropped)
		if !ok {
			return ce
		}
	}
	return ce.AddCore(ent, c)
}

// Sync implements [zapcore.Core].
func (c *core) Sync() error {
	if s := c.out.sampler; s != nil {
		c.noteDropped(s.takeDropped())
	}
	err := c.out.sync()
	for _, export := range c.out.exports {
		err = errors.Join(err, export.Sync())
	}
	return err
}

// With implements [zapcore.Core]. Fields are encoded once, here, and not for each line.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	next := *c
	var e *encoder
	for i := range fields {
		f := &fields[i]
		if f.Type != zapcore.SkipType {
			if e == nil {
				e = next.loggerPart()
			}
			e.field(f)
			continue
		}
		switch message := f.Interface.(type) {
		case *binding:
			next.bind(message)
		case *levelsProbe:
			message.levels = c.levels
		}
	}
	if e != nil {
		next.keep(e)
	}
	if c.exporter != nil {
		next.exporter = c.exporter.With(fields).(*core)
	}
	return &next
}

// bind writes the ids once for all lines under a span.
func (c *core) bind(b *binding) {
	c.bound = b.over(c.bound)
	if !c.out.human && b.hasSpan {
		c.head = c.out.appendHead(make([]byte, 0, c.out.headSize), c.bound)
	}
}

// loggerPart returns an encoder that goes on where the logger's fields end.
func (c *core) loggerPart() *encoder {
	e := c.out.encoder()
	if e.limit > 0 {
		e.limit /= 2 // leaves room for what the lines say
	}
	e.dropped = c.dropped
	e.buf = append(e.buf, c.fields...)
	e.keys = append(e.keys, c.keys...)
	if len(c.open) > 0 {
		e.open = append(e.open[:0], c.open...)
		e.human = e.human && len(e.open) == 1
	}
	return e
}

func (c *core) keep(e *encoder) {
	for i := range e.open {
		e.open[i].index = nil
	}
	c.fields, c.keys, c.open = slices.Clone(e.buf), slices.Clone(e.keys), slices.Clone(e.open)
	c.dropped = e.dropped
	e.free()
}

// Write implements [zapcore.Core].
func (c *core) Write(ent zapcore.Entry, fields []zapcore.Field) error {
	e := c.out.encoder()
	e.line = true
	bound, head := c.bound, c.head
	for i := range fields { // a core around this one may have put its own before
		if fields[i].Type != zapcore.SkipType {
			continue
		}
		if b, ok := fields[i].Interface.(*binding); ok {
			bound, head = b.over(bound), nil
		}
	}
	if e.human {
		e.humanLine(&ent, c, bound, fields)
	} else {
		e.jsonHead(&ent, bound, head)
		e.jsonRest(&ent, c, bound, fields)
	}
	written, err := c.out.lines.write(e.buf)
	e.free()
	if written {
		c.noteLost()
	}
	if c.exporter != nil {
		err = errors.Join(err, c.exporter.export(ent, fields))
	}
	if ent.Level > zapcore.ErrorLevel {
		_ = c.Sync() // the program may end now; an error has nowhere to go
	}
	return err
}

// noteLost says how many lines could not be written before, now that one can.
func (c *core) noteLost() {
	if n := c.out.lines.takeLost(); n > 0 && !c.note("log lines were lost", zap.Int64("log.lost_lines", n)) {
		c.out.lines.lost.Add(n)
	}
}

func (c *core) noteDropped(n int64) {
	if n > 0 && !c.note("log lines were left out because they repeat", zap.Int64("log.dropped_lines", n)) {
		c.out.sampler.putBack(n)
	}
}

// note writes a line about the log itself, and reports whether it could.
func (c *core) note(message string, fields ...zapcore.Field) (written bool) {
	bare := &core{out: c.out}
	e := c.out.encoder()
	defer e.free()
	e.line = true
	ent := zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(), Message: message}
	if e.human {
		e.humanLine(&ent, bare, nil, fields)
	} else {
		e.jsonHead(&ent, nil, nil)
		e.jsonRest(&ent, bare, nil, fields)
	}
	written, _ = c.out.lines.write(e.buf) // an error is said when the next line fails
	if !written {
		c.out.lines.lost.Add(-1) // it was none of the service's
	}
	if written && c.exporter != nil {
		_ = (&core{out: c.exporter.out}).export(ent, fields) // an error is said when the next line fails
	}
	return written
}

func (e *encoder) jsonHead(ent *zapcore.Entry, bound *binding, head []byte) {
	std := &e.out.std
	e.buf = append(e.buf, '{')
	if std.Time != "" && !ent.Time.IsZero() {
		e.buf = append(e.clock.append(append(e.standard(std.Time), '"'), ent.Time), '"')
	}
	if std.Level != "" {
		e.buf = append(append(append(e.standard(std.Level), '"'), levelText(ent.Level)...), '"')
	}
	if std.Logger != "" && ent.LoggerName != "" {
		e.buf = appendQuoted(e.standard(std.Logger), ent.LoggerName)
	}
	if std.Message != "" {
		e.buf = e.standard(std.Message)
		e.text(ent.Message)
	}
	if ent.Caller.Defined {
		e.place(&ent.Caller)
	}
	start := len(e.buf)
	if head != nil {
		e.buf = append(e.buf, head...)
	} else {
		e.buf = e.out.appendHead(e.buf, bound)
	}
	if start == 1 && len(e.buf) > start {
		e.buf = append(e.buf[:start], e.buf[start+1:]...) // nothing stands before it, so no comma
	}
}

func (e *encoder) jsonRest(ent *zapcore.Entry, c *core, bound *binding, fields []zapcore.Field) {
	e.body(c, bound, fields)
	e.pop(1, false)
	if key := e.out.std.Stack; key != "" && ent.Stack != "" {
		e.buf = e.standard(key)
		e.text(ent.Stack)
	}
	e.droppedNote()
	e.buf = append(e.buf, '}', '\n')
}

// standard writes the key of what every line has.
func (e *encoder) standard(key string) []byte {
	if n := len(e.buf); n == 1 {
		return append(e.buf, key[1:]...) // the first has no comma
	}
	return append(e.buf, key...)
}

// place is where a call stands, as it is written.
type place struct {
	pc   uintptr
	file string
	line int
	json string
}

// place writes where the call stands. A program has few calls that log, so what is written is kept.
func (e *encoder) place(c *zapcore.EntryCaller) {
	slot := e.out.places.ofPC(c.PC)
	known := slot.Load()
	if known == nil || known.pc != c.PC || known.line != c.Line || known.file != c.File {
		known = e.out.newPlace(c)
		slot.Store(known)
	}
	if known.json != "" {
		e.buf = e.standard(known.json)
	}
}

func (o *output) newPlace(c *zapcore.EntryCaller) *place {
	var b []byte
	if o.std.File != "" {
		b = appendQuoted(append(b, o.std.File...), shortFile(c.File))
	}
	if o.std.Line != "" {
		b = appendInt(append(b, o.std.Line...), c.Line)
	}
	return &place{pc: c.PC, file: c.File, line: c.Line, json: string(b)}
}

// appendHead appends the ids of a span and the resource.
func (o *output) appendHead(b []byte, bound *binding) []byte {
	if bound != nil && bound.hasSpan {
		b = o.appendID(b, o.std.TraceID, bound.traceID[:])
		b = o.appendID(b, o.std.SpanID, bound.spanID[:])
		b = o.appendID(b, o.std.TraceFlags, []byte{byte(bound.flags)})
	}
	return append(b, o.resource...)
}

func (o *output) appendID(b []byte, key string, id []byte) []byte {
	if key == "" {
		return b
	}
	b = append(b, key...)
	if o.human {
		return hex.AppendEncode(b, id)
	}
	return append(hex.AppendEncode(append(b, '"'), id), '"')
}

// body writes the context's attributes, the logger's fields and the line's. Of one key the last stays.
func (e *encoder) body(c *core, bound *binding, fields []zapcore.Field) {
	if bound != nil && bound.source != nil {
		limit := e.limit
		if limit >= 0 {
			e.limit = max(0, limit-limit/4-len(c.fields)) // leaves room for the logger's fields and the line's
		}
		e.contextAttrs(bound)
		e.limit = limit
	}
	e.loggerFields(c)
	for i := range fields {
		e.field(&fields[i])
	}
}

func (e *encoder) contextAttrs(b *binding) {
	e.mark()
	depth := len(e.marks)
	defer func() {
		if p := recover(); p != nil {
			e.rewind(depth)
			e.AddString("log.context", panicText(b.source, p))
		}
		e.marks = e.marks[:depth-1] // each attribute has been released by itself
	}()
	e.attrs = b.source.AppendAttrs(e.attrs[:0])
	for i := range e.attrs {
		e.attr(e.attrs[i])
		e.pop(1, e.out.human) // a namespace that it opened must not swallow the fields of others
	}
}

// loggerFields copies what With encoded.
func (e *encoder) loggerFields(c *core) {
	e.dropped += c.dropped
	if len(c.fields) == 0 {
		return
	}
	outer := len(c.keys)
	if len(c.open) > 1 {
		outer = c.open[1].base
	}
	if len(e.keys) > 0 {
		for _, k := range c.keys[:outer] {
			if i := e.find(k.name); i >= 0 {
				e.remove(i)
			}
		}
	}
	fields, start, shift, base := c.fields, len(e.buf), len(e.buf), len(e.keys)
	if !e.human && len(e.buf) == 1 {
		fields = fields[1:]
		shift--
	}
	e.buf = append(e.buf, fields...)
	for _, k := range c.keys {
		e.keys = append(e.keys, keyAt{k.name, max(k.at+shift, start)})
	}
	e.open[len(e.open)-1].index = nil
	for _, o := range c.open[1:] {
		e.open = append(e.open, object{base: o.base + base, secret: o.secret})
		e.human = false
	}
}

func (e *encoder) droppedNote() {
	if e.dropped == 0 {
		return
	}
	e.limit = -1
	e.AddInt("log.dropped_fields", e.dropped)
}

var _ interface {
	zapcore.Core
	Level() zapcore.Level
} = (*core)(nil)
