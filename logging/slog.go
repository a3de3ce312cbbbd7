package logging

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewSlogHandler returns a handler that writes through l's core, so that lines of slog look like lines
// of zap: with the trace ids and the fields of the context that is given to the call, without secrets,
// and at the levels that hold for l's name:
//
//	slogger := slog.New(logging.NewSlogHandler(logger.Named("kafka")))
//
// Levels between slog's own are rounded down; what is below debug is trace. The source of the call is
// written if l writes callers. A core that was wrapped around that of [New] sees slog's attributes as
// one inlined field. Safe for concurrent use.
func NewSlogHandler(l *zap.Logger) slog.Handler {
	h := &slogHandler{core: l.Core(), name: l.Name(), shared: &slogShared{errors: complaintsTo(os.Stderr)}}
	h.own, _ = h.core.(*core)
	h.shared.source = callerWanted(l)
	return h
}

// callerWanted asks a logger whether it has zap.AddCaller, which only an entry tells.
func callerWanted(l *zap.Logger) bool {
	c := &callerProbe{}
	if ce := l.WithOptions(zap.WrapCore(func(zapcore.Core) zapcore.Core { return c })).Check(zapcore.InfoLevel, ""); ce != nil {
		ce.Write()
	}
	return c.defined
}

// callerProbe is a core that looks at one entry.
type callerProbe struct{ defined bool }

func (p *callerProbe) Enabled(zapcore.Level) bool        { return true }
func (p *callerProbe) With([]zapcore.Field) zapcore.Core { return p }
func (p *callerProbe) Sync() error                       { return nil }

func (p *callerProbe) Check(ent zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(ent, p)
}

func (p *callerProbe) Write(ent zapcore.Entry, _ []zapcore.Field) error {
	p.defined = ent.Caller.Defined
	return nil
}

type slogHandler struct {
	core    zapcore.Core
	own     *core // the core, if it is ours and nobody wrapped it
	name    string
	pending []string // groups without attributes so far, which may have to be left out
	shared  *slogShared
}

// slogShared is what a handler and all derived from it have in common.
type slogShared struct {
	source  bool
	callers cache[uintptr, zapcore.EntryCaller]
	records sync.Pool // of *slogRecord
	errors  zapcore.WriteSyncer
}

// slogRecord is a record on its way through a core.
type slogRecord struct {
	record  slog.Record
	pending []string
	bound   binding
	fields  [2]zapcore.Field
}

// Enabled implements [slog.Handler].
func (h *slogHandler) Enabled(_ context.Context, level slog.Level) bool {
	if h.own != nil {
		return h.own.levels.enabled(h.name, zapLevel(level))
	}
	return h.core.Enabled(zapLevel(level))
}

func zapLevel(l slog.Level) zapcore.Level {
	switch {
	case l >= slog.LevelError:
		return zapcore.ErrorLevel
	case l >= slog.LevelWarn:
		return zapcore.WarnLevel
	case l >= slog.LevelInfo:
		return zapcore.InfoLevel
	case l >= slog.LevelDebug:
		return zapcore.DebugLevel
	}
	return traceLevel
}

// Handle implements [slog.Handler]. What cannot be written is reported on standard error, as zap does.
func (h *slogHandler) Handle(ctx context.Context, r slog.Record) error {
	ent := zapcore.Entry{Level: zapLevel(r.Level), Time: r.Time, LoggerName: h.name, Message: r.Message}
	ce := h.core.Check(ent, nil)
	if ce == nil {
		return nil
	}
	ce.ErrorOutput = h.shared.errors
	if h.shared.source && r.PC != 0 {
		ce.Caller = h.shared.caller(r.PC)
	}
	p := h.record()
	p.record, p.pending, p.bound = r, h.pending, bindingOf(ctx)
	p.fields[0] = zapcore.Field{Type: zapcore.SkipType, Interface: &p.bound}
	p.fields[1] = zapcore.Field{Type: zapcore.SkipType}
	if r.NumAttrs() > 0 {
		p.fields[1] = zapcore.Field{Type: zapcore.InlineMarshalerType, Interface: p}
	}
	ce.Write(p.fields[:]...)
	if h.own != nil {
		p.record = slog.Record{}
		h.shared.records.Put(p)
	}
	return nil
}

// record returns a new record unless the core is known to keep none.
func (h *slogHandler) record() *slogRecord {
	if h.own != nil {
		if p, ok := h.shared.records.Get().(*slogRecord); ok {
			return p
		}
	}
	return &slogRecord{}
}

// WithAttrs implements [slog.Handler]. The attributes are encoded once, here.
func (h *slogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if emptyGroup(attrs) {
		return h
	}
	fields := make([]zapcore.Field, 0, len(h.pending)+len(attrs))
	for _, name := range h.pending {
		fields = append(fields, zap.Namespace(name))
	}
	for _, a := range attrs {
		fields = append(fields, zap.Inline(oneAttr(a)))
	}
	next := *h
	next.pending = nil
	next.core = h.core.With(fields)
	next.own, _ = next.core.(*core)
	return &next
}

// WithGroup implements [slog.Handler].
func (h *slogHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.pending = append(slices.Clip(h.pending), name)
	return &next
}

// oneAttr is an attribute as a field.
type oneAttr slog.Attr

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (a oneAttr) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	if e, ok := enc.(*encoder); ok {
		e.attr(slog.Attr(a))
		return nil
	}
	addAttr(enc, a.Key, a.Value.Resolve())
	return nil
}

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (p *slogRecord) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	opened := len(p.pending) == 0
	e, ours := enc.(*encoder)
	p.record.Attrs(func(a slog.Attr) bool {
		if !opened {
			if emptyAttr(a) {
				return true
			}
			for _, name := range p.pending {
				enc.OpenNamespace(name)
			}
			opened = true
		}
		if ours {
			e.attr(a)
		} else {
			addAttr(enc, a.Key, a.Value.Resolve())
		}
		return true
	})
	return nil
}

// caller looks up where a call stands. A program has few calls that log, so each is looked up once.
func (s *slogShared) caller(pc uintptr) zapcore.EntryCaller {
	if c, ok := s.callers.get(pc); ok {
		return c
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	c := zapcore.EntryCaller{Defined: frame.File != "", PC: frame.PC, File: frame.File, Line: frame.Line, Function: frame.Function}
	s.callers.put(pc, c)
	return c
}
