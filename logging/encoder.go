package logging

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"
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
	trailer []byte
	line    bool // a whole line, not a logger's part
	attrs   []slog.Attr
	marks   []position
}

// keyAt is a field of an open object: its key, and where in buf it begins.
type keyAt struct {
	name string
	at   int
}

// object is an open object.
type object struct {
	base  int            // of its keys
	index map[string]int // of its keys, once there are many; nil: not built
}

const (
	maxDepth    = 32      // of objects in objects: a value that holds itself ends somewhere
	manyKeys    = 32      // from here on keys are found by a map
	maxPooled   = 1 << 16 // bytes that an idle encoder may keep
	renamed     = "attributes."
	placeholder = "REDACTED"
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
	clear(e.keys)
	clear(e.open)
	clear(e.attrs)
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
			e.AddString(f.Key, panicText(f.Interface, p))
		}
	}()
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
		e.AddString(f.Key, f.Interface.(fmt.Stringer).String())
	default:
		f.AddTo(e)
	}
}

// panicText says <nil> of a nil pointer whose method cannot cope with it.
func panicText(v, p any) string {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
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

// begin writes a key and reports whether its value is to be written: not if the line is full, and not
// if it is a secret, which is then replaced.
func (e *encoder) begin(key string) bool {
	info := e.name(key, true)
	if info == nil {
		return false
	}
	if info.secret {
		e.buf = e.literal(placeholder)
		return false
	}
	return true
}

// name writes a key; it returns nil if the line is full.
func (e *encoder) name(key string, remember bool) *keyInfo {
	if e.full() {
		return nil
	}
	info := e.out.key(key, remember)
	if info.reserved && len(e.open) == 1 {
		key = renamed + key
		info = e.out.key(key, remember)
	}
	if i := e.find(key); i >= 0 {
		e.remove(i)
	}
	e.addKey(key)
	e.separate()
	e.buf = append(e.buf, info.of(e.human)...)
	return info
}

func (e *encoder) addKey(key string) {
	current := &e.open[len(e.open)-1]
	if current.index != nil {
		current.index[key] = len(e.keys)
	}
	e.keys = append(e.keys, keyAt{key, len(e.buf)})
}

// find returns the innermost open object's field of that key, or -1.
func (e *encoder) find(key string) int {
	current := &e.open[len(e.open)-1]
	if len(e.keys)-current.base <= manyKeys {
		for i := len(e.keys) - 1; i >= current.base; i-- {
			if e.keys[i].name == key {
				return i
			}
		}
		return -1
	}
	if current.index == nil {
		current.index = make(map[string]int, 2*manyKeys)
		for i := current.base; i < len(e.keys); i++ {
			current.index[e.keys[i].name] = i
		}
	}
	if i, ok := current.index[key]; ok {
		return i
	}
	return -1
}

// remove takes a field of the innermost open object out again.
func (e *encoder) remove(i int) {
	from, to := e.keys[i].at, len(e.buf)
	if i+1 < len(e.keys) {
		to = e.keys[i+1].at
		if e.buf[from] != ',' && e.buf[from] != ' ' {
			to++ // the first of an object has no separator, nor may the next
		}
	}
	for m := range e.marks {
		if p := &e.marks[m]; p.buf > from {
			p.buf -= to - from
			p.keys--
		}
	}
	e.buf = append(e.buf[:from], e.buf[to:]...)
	e.keys = append(e.keys[:i], e.keys[i+1:]...)
	for j := i; j < len(e.keys); j++ {
		e.keys[j].at = max(from, e.keys[j].at-(to-from))
	}
	e.open[len(e.open)-1].index = nil
}

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
func (e *encoder) text(s string) {
	s, cut := e.clean(s)
	if cut > 0 {
		s += fmt.Sprintf("…[%d bytes cut]", cut)
	}
	e.buf = e.literal(s)
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

// OpenNamespace implements [zapcore.ObjectEncoder].
func (e *encoder) OpenNamespace(key string) {
	limit := e.limit
	e.limit = -1 // what follows belongs in it, so it cannot be left out
	e.name(key, true)
	e.limit = limit
	e.push()
}

// AddObject implements [zapcore.ObjectEncoder].
func (e *encoder) AddObject(key string, o zapcore.ObjectMarshaler) error {
	if !e.begin(key) {
		return nil
	}
	return e.object(o)
}

// AddArray implements [zapcore.ObjectEncoder].
func (e *encoder) AddArray(key string, a zapcore.ArrayMarshaler) error {
	if !e.begin(key) {
		return nil
	}
	return e.array(a)
}

// AddReflected implements [zapcore.ObjectEncoder].
func (e *encoder) AddReflected(key string, v any) error {
	if !e.begin(key) {
		return nil
	}
	e.reflected(v)
	return nil
}

// AddBinary implements [zapcore.ObjectEncoder].
func (e *encoder) AddBinary(key string, v []byte) {
	if e.begin(key) {
		e.binary(v)
	}
}

func (e *encoder) binary(v []byte) {
	cut := 0
	if limit := e.out.maxField; limit >= 0 && len(v) > limit {
		cut = len(v) - limit
		v = v[:limit]
	}
	s := base64.StdEncoding.EncodeToString(v)
	if cut > 0 {
		s += fmt.Sprintf("…[%d bytes cut]", cut)
	}
	e.buf = e.literal(s)
}

// AddBool implements [zapcore.ObjectEncoder]. Whether there is a secret is none.
func (e *encoder) AddBool(key string, v bool) {
	if e.name(key, true) != nil {
		e.buf = strconv.AppendBool(e.buf, v)
	}
}

// AddString implements [zapcore.ObjectEncoder].
func (e *encoder) AddString(key, v string) {
	if e.begin(key) {
		e.text(v)
	}
}

// AddByteString implements [zapcore.ObjectEncoder].
func (e *encoder) AddByteString(key string, v []byte) { e.AddString(key, string(v)) }

// AddDuration implements [zapcore.ObjectEncoder].
func (e *encoder) AddDuration(key string, v time.Duration) {
	if e.begin(key) {
		e.duration(v)
	}
}

// duration is in seconds, as OpenTelemetry's durations are; people get Go's form.
func (e *encoder) duration(v time.Duration) {
	if e.human {
		e.buf = append(e.buf, v.String()...)
		return
	}
	e.buf = appendFloat(e.buf, v.Seconds(), 64)
}

// AddTime implements [zapcore.ObjectEncoder].
func (e *encoder) AddTime(key string, v time.Time) {
	if e.begin(key) {
		e.time(v)
	}
}

func (e *encoder) time(v time.Time) {
	if e.human {
		e.buf = appendTime(e.buf, v)
		return
	}
	e.buf = append(appendTime(append(e.buf, '"'), v), '"')
}

// AddInt64 implements [zapcore.ObjectEncoder].
func (e *encoder) AddInt64(key string, v int64) {
	if e.begin(key) {
		e.buf = strconv.AppendInt(e.buf, v, 10)
	}
}

// AddUint64 implements [zapcore.ObjectEncoder].
func (e *encoder) AddUint64(key string, v uint64) {
	if e.begin(key) {
		e.buf = strconv.AppendUint(e.buf, v, 10)
	}
}

// AddFloat64 implements [zapcore.ObjectEncoder].
func (e *encoder) AddFloat64(key string, v float64) {
	if e.begin(key) {
		e.buf = appendFloat(e.buf, v, 64)
	}
}

// AddFloat32 implements [zapcore.ObjectEncoder].
func (e *encoder) AddFloat32(key string, v float32) {
	if e.begin(key) {
		e.buf = appendFloat(e.buf, float64(v), 32)
	}
}

// AddComplex128 implements [zapcore.ObjectEncoder].
func (e *encoder) AddComplex128(key string, v complex128) {
	if e.begin(key) {
		e.complex(v)
	}
}

// AddComplex64 implements [zapcore.ObjectEncoder].
func (e *encoder) AddComplex64(key string, v complex64) { e.AddComplex128(key, complex128(v)) }

// The rest of zap's interface is the same for numbers of other sizes.

func (e *encoder) AddInt(key string, v int)         { e.AddInt64(key, int64(v)) }
func (e *encoder) AddInt32(key string, v int32)     { e.AddInt64(key, int64(v)) }
func (e *encoder) AddInt16(key string, v int16)     { e.AddInt64(key, int64(v)) }
func (e *encoder) AddInt8(key string, v int8)       { e.AddInt64(key, int64(v)) }
func (e *encoder) AddUint(key string, v uint)       { e.AddUint64(key, uint64(v)) }
func (e *encoder) AddUint32(key string, v uint32)   { e.AddUint64(key, uint64(v)) }
func (e *encoder) AddUint16(key string, v uint16)   { e.AddUint64(key, uint64(v)) }
func (e *encoder) AddUint8(key string, v uint8)     { e.AddUint64(key, uint64(v)) }
func (e *encoder) AddUintptr(key string, v uintptr) { e.AddUint64(key, uint64(v)) }
