package logging

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/internal/redact"
)

// An encoder builds one line, or the part of all lines that a logger carries. It implements zap's
// ObjectEncoder and ArrayEncoder, so that whatever zap can log goes through it, and every text through
// redaction and bounds.
//
// It knows the keys of the objects that are open: of two fields with one key in one object the later
// stays. Encoders are pooled; none is used by two goroutines at once.
type encoder struct {
	out     *output
	buf     []byte
	keys    []keyAt
	open    []object
	human   bool // what is written next stands at the top level of a line for people
	limit   int  // of buf; negative: none
	dropped int  // fields that did not fit
	inlined int  // groups without a name, one in the other
	trailer []byte
	line    bool // a whole line, not a logger's part
	attrs   []slog.Attr
	marks   []position
	clock   clock
}

const (
	maxDepth    = 32      // of objects in objects: a value that holds itself ends somewhere
	manyKeys    = 32      // from here on keys are found by a map
	maxPooled   = 1 << 16 // bytes that an idle encoder may keep
	renamed     = "attributes."
	placeholder = redact.Placeholder
)

func (o *output) encoder() *encoder {
	e := o.encoders.Get().(*encoder)
	e.buf, e.keys, e.open, e.trailer = e.buf[:0], e.keys[:0], append(e.open[:0], object{}), e.trailer[:0]
	e.human, e.limit, e.dropped, e.line = o.human, o.maxEntry, 0, false
	return e
}

func (e *encoder) free() {
	if cap(e.buf) > maxPooled {
		return
	}
	e.marks = e.marks[:0]
	clear(e.open)
	clear(e.attrs) // keys are short, and most are the program's own: they may stay
	e.out.encoders.Put(e)
}

// field encodes a field; one that does not fit any more, or panics, leaves nothing half-written.
func (e *encoder) field(f *zapcore.Field) {
	switch f.Type {
	case zapcore.SkipType:
		return
	case zapcore.NamespaceType:
		e.OpenNamespace(f.Key)
		return
	}
	if e.full() {
		e.dropped++
		return
	}
	if e.short(f) {
		return
	}
	e.mark()
	switch f.Type {
	case zapcore.ArrayMarshalerType, zapcore.ObjectMarshalerType, zapcore.InlineMarshalerType,
		zapcore.ReflectType, zapcore.StringerType, zapcore.ErrorType:
		e.guarded(f)
	default:
		f.AddTo(e)
	}
	e.release()
}

// short encodes the usual fields, if they are sure to fit, without a mark to go back to.
func (e *encoder) short(f *zapcore.Field) bool {
	const factor, rest = len(`\u0000`), 256 // of escaping, of keys and numbers
	if e.limit >= 0 && len(e.buf)+factor*(len(f.Key)+len(f.String))+rest > e.limit {
		return false
	}
	switch f.Type {
	case zapcore.StringType:
		e.AddString(f.Key, f.String)
	case zapcore.Int64Type, zapcore.Int32Type, zapcore.Int16Type, zapcore.Int8Type:
		e.AddInt64(f.Key, f.Integer)
	case zapcore.BoolType:
		e.AddBool(f.Key, f.Integer == 1)
	case zapcore.DurationType:
		e.AddDuration(f.Key, time.Duration(f.Integer))
	case zapcore.Float64Type:
		e.AddFloat64(f.Key, math.Float64frombits(uint64(f.Integer)))
	default:
		return false
	}
	return true
}

// guarded encodes what calls foreign code. A logger must not be what ends the program.
func (e *encoder) guarded(f *zapcore.Field) {
	depth := len(e.marks)
	defer func() {
		if p := recover(); p != nil {
			e.rewind(depth)
			e.AddString(cmp.Or(f.Key, "log.panic"), panicText(f.Interface, p)) // what is inlined has no key
		}
	}()
	if v, ok := selfDescribed(f); ok {
		e.attr(slog.Any(f.Key, v))
		return
	}
	switch f.Type {
	case zapcore.ErrorType:
		e.addError(f.Key, f.Interface.(error))
	case zapcore.ArrayMarshalerType:
		if errs, ok := errorsOf(f.Interface); ok {
			e.addErrors(f.Key, errs)
			return
		}
		f.AddTo(e)
	case zapcore.StringerType:
		if raw, ok := f.Interface.(json.RawMessage); ok { // from Go 1.27 on it has a String, which zap.Any prefers
			_ = e.AddReflected(f.Key, raw) // never fails
			return
		}
		e.AddString(f.Key, f.Interface.(fmt.Stringer).String())
	default:
		f.AddTo(e)
	}
}

// selfDescribed knows a value that says by slog's LogValue how it is to be logged, often because it is a
// secret. zap does not ask, and a form that is zap's own comes first.
func selfDescribed(f *zapcore.Field) (v slog.LogValuer, ok bool) {
	if f.Type != zapcore.ReflectType && f.Type != zapcore.StringerType {
		return nil, false
	}
	v, ok = f.Interface.(slog.LogValuer)
	return v, ok && !isNil(v)
}

func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil()
}

// panicText says <nil> of nil, and of a nil pointer whose method cannot cope with it.
func panicText(v, p any) string {
	if isNil(v) {
		return "<nil>"
	}
	return fmt.Sprintf("PANIC=%v", p)
}

// position is a point to which the encoder can go back.
type position struct {
	buf, keys, open, trailer int
	human                    bool
}

// mark notes the place where a field begins.
func (e *encoder) mark() {
	e.marks = append(e.marks, position{len(e.buf), len(e.keys), len(e.open), len(e.trailer), e.human})
}

// release forgets the last mark, and what was written since then if it does not fit.
func (e *encoder) release() {
	if e.full() {
		e.rewind(len(e.marks))
		e.dropped++
	}
	e.marks = e.marks[:len(e.marks)-1]
}

// rewind takes back what was written since the mark at that depth. An older field of the same key that
// was replaced since then is lost.
func (e *encoder) rewind(depth int) {
	e.marks = e.marks[:depth]
	p := e.marks[depth-1]
	e.buf, e.keys, e.open, e.trailer, e.human = e.buf[:p.buf], e.keys[:p.keys], e.open[:p.open], e.trailer[:p.trailer], p.human
	e.open[p.open-1].index = nil
}

func (e *encoder) full() bool { return e.limit >= 0 && len(e.buf) > e.limit }

// separate writes what stands between two fields, or two elements.
func (e *encoder) separate() {
	if e.human {
		e.buf = append(e.buf, ' ')
		return
	}
	if n := len(e.buf); n > 0 {
		switch e.buf[n-1] {
		case '{', '[', ':':
			return
		}
	}
	if len(e.buf) > 0 || !e.line {
		e.buf = append(e.buf, ',')
	}
}

// literal returns buf with a text that needs no look: a constant, a number that is no JSON number.
func (e *encoder) literal(s string) []byte {
	if e.human {
		return appendBare(e.buf, s)
	}
	return appendQuoted(e.buf, s)
}

// text writes a text, without its secrets and bounded.
func (e *encoder) text(s string) { e.buf = e.literal(e.shortened(s)) }

// shortened returns s without its secrets and bounded, and says in it what was cut off.
func (e *encoder) shortened(s string) string {
	s, cut := e.clean(s)
	if cut > 0 {
		s += fmt.Sprintf("…[%d bytes cut]", cut)
	}
	return s
}

// overlap is how much of a text is searched for secrets beyond its bound, so that a secret that reaches
// over the bound is still known by its form.
const overlap = 4 << 10

// clean returns s without its secrets and bounded, and how many bytes were cut off.
func (e *encoder) clean(s string) (clean string, cut int) {
	limit := e.out.maxField
	if limit < 0 || len(s) <= limit {
		return e.out.redact.text(s), 0
	}
	clean = bounded(e.out.redact.text(bounded(s, limit+overlap)), limit)
	return clean, max(1, len(s)-len(clean))
}

// push opens an object; pop closes it and what was opened inside.
func (e *encoder) push() (depth int, human bool) {
	depth, human = len(e.open), e.human
	e.buf = append(e.buf, '{')
	e.open = append(e.open, object{base: len(e.keys)})
	e.human = false
	return depth, human
}

func (e *encoder) pop(depth int, human bool) {
	for len(e.open) > depth {
		e.buf = append(e.buf, '}')
		e.keys = e.keys[:e.open[len(e.open)-1].base]
		e.open = e.open[:len(e.open)-1]
	}
	e.human = human
}

func (e *encoder) object(o zapcore.ObjectMarshaler) error {
	if len(e.open) > maxDepth {
		e.buf = e.literal("…")
		return nil
	}
	depth, human := e.push()
	defer e.pop(depth, human)
	if fields, ok := fieldsOf(o); ok {
		for i := range fields {
			e.field(&fields[i])
		}
		return nil
	}
	return o.MarshalLogObject(e)
}

// fieldsOf knows fields in an object of their own, such as that of zap.Dict. Encoded one by one their
// errors are printed as others are.
func fieldsOf(o zapcore.ObjectMarshaler) ([]zapcore.Field, bool) {
	fields := reflect.TypeFor[[]zapcore.Field]()
	if t := reflect.TypeOf(o); t == nil || t.Kind() != reflect.Slice || t.Elem() != fields.Elem() {
		return nil, false
	}
	return reflect.ValueOf(o).Convert(fields).Interface().([]zapcore.Field), true
}

func (e *encoder) array(a zapcore.ArrayMarshaler) error {
	if len(e.open) > maxDepth {
		e.buf = e.literal("…")
		return nil
	}
	human := e.human
	e.human = false
	e.buf = append(e.buf, '[')
	// An array is no object, but counts as one in depth: an array may hold itself, too.
	e.open = append(e.open, object{base: len(e.keys)})
	err := a.MarshalLogArray(e)
	e.open = e.open[:len(e.open)-1]
	e.buf = append(e.buf, ']')
	e.human = human
	return err
}
