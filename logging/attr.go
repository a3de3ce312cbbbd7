package logging

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/errors"
)

// attr encodes an attribute of a context or of a record of slog, by the rules of [slog.Handler].
func (e *encoder) attr(a slog.Attr) {
	v := resolve(a.Value)
	if v.Kind() == slog.KindAny {
		if f, ok := v.Any().(*zapcore.Field); ok {
			e.field(f)
			return
		}
	}
	if e.full() {
		e.dropped++
		return
	}
	e.mark()
	switch v.Kind() {
	case slog.KindAny, slog.KindGroup, slog.KindLogValuer:
		e.guardedAttr(a.Key, v)
	default:
		addAttr(e, a.Key, v)
	}
	e.release()
}

// resolve leaves our own errors unresolved: their LogValue is for other handlers, and says less than a
// line of this package does.
func resolve(v slog.Value) slog.Value {
	if v.Kind() == slog.KindLogValuer {
		if _, ok := v.Any().(*errors.Error); ok {
			return v
		}
	}
	return v.Resolve()
}

func (e *encoder) guardedAttr(key string, v slog.Value) {
	depth := len(e.marks)
	defer func() {
		if p := recover(); p != nil {
			e.rewind(depth)
			e.AddString(key, panicText(v.Any(), p))
		}
	}()
	if err, ok := v.Any().(error); ok && v.Kind() != slog.KindGroup {
		e.addError(key, err)
		return
	}
	addAttr(e, key, v)
}

// addAttr writes a resolved value to an encoder of any core.
func addAttr(enc zapcore.ObjectEncoder, key string, v slog.Value) {
	switch v.Kind() {
	case slog.KindString:
		enc.AddString(key, v.String())
	case slog.KindInt64:
		enc.AddInt64(key, v.Int64())
	case slog.KindUint64:
		enc.AddUint64(key, v.Uint64())
	case slog.KindFloat64:
		enc.AddFloat64(key, v.Float64())
	case slog.KindBool:
		enc.AddBool(key, v.Bool())
	case slog.KindDuration:
		enc.AddDuration(key, v.Duration())
	case slog.KindTime:
		enc.AddTime(key, v.Time())
	case slog.KindGroup:
		addGroup(enc, key, v.Group())
	default:
		addAny(enc, key, v.Any())
	}
}

func addAny(enc zapcore.ObjectEncoder, key string, v any) {
	if key == "" && v == nil {
		return // slog: an empty attribute is ignored
	}
	field := zap.Any(key, v)
	// A type that knows its JSON is not asked for its String.
	if field.Type == zapcore.StringerType {
		switch v.(type) {
		case json.Marshaler, encoding.TextMarshaler:
			field = zap.Reflect(key, v)
		case fmt.Stringer:
		}
	}
	if e, ok := enc.(*encoder); ok {
		e.field(&field)
		return
	}
	field.AddTo(enc)
}

func addGroup(enc zapcore.ObjectEncoder, key string, attrs []slog.Attr) {
	if emptyGroup(attrs) {
		return
	}
	if key == "" {
		if e, ok := enc.(*encoder); ok {
			e.inline(attrs)
			return
		}
		_ = group(attrs).MarshalLogObject(enc) // never fails
		return
	}
	_ = enc.AddObject(key, group(attrs)) // never fails
}

// inline writes a group without a name, which opens no object: a value that describes itself by such groups of
// itself ends here.
func (e *encoder) inline(attrs []slog.Attr) {
	if e.inlined > maxDepth {
		return
	}
	e.inlined++
	defer func() { e.inlined-- }()
	_ = group(attrs).MarshalLogObject(e) // never fails
}

// group encodes attributes into an object.
type group []slog.Attr

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (g group) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for _, a := range g {
		addAttr(enc, a.Key, resolve(a.Value))
	}
	return nil
}

// emptyGroup reports whether nothing would be written. What a LogValuer resolves to is not asked.
func emptyGroup(attrs []slog.Attr) bool {
	for _, a := range attrs {
		if !emptyAttr(a) {
			return false
		}
	}
	return true
}

func emptyAttr(a slog.Attr) bool {
	if a.Value.Kind() == slog.KindGroup {
		return emptyGroup(a.Value.Group())
	}
	return a.Equal(slog.Attr{})
}
