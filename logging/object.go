package logging

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"go.uber.org/zap/zapcore"
)

// OpenNamespace implements [zapcore.ObjectEncoder].
func (e *encoder) OpenNamespace(key string) {
	limit := e.limit
	e.limit = -1 // what follows belongs in it, so it cannot be left out
	info := e.name(key, true)
	e.limit = limit
	secret := info.secret || e.open[len(e.open)-1].secret
	e.push()
	e.open[len(e.open)-1].secret = secret
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

// binary writes bytes in base64, those of a text without its secrets: it can be read back.
func (e *encoder) binary(v []byte) {
	cut := 0
	if utf8.Valid(v) {
		var text string
		text, cut = e.clean(string(v))
		v = []byte(text)
	} else if limit := e.out.maxField; limit >= 0 && len(v) > limit {
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
	e.buf = appendDecimal(e.buf, int64(v), len("000000000"))
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
