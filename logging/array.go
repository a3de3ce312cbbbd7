package logging

import (
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"
)

// element reports whether another element of an array fits, and separates it from the one before.
func (e *encoder) element() bool {
	if e.full() {
		return false
	}
	e.separate()
	return true
}

// AppendObject implements [zapcore.ArrayEncoder].
func (e *encoder) AppendObject(o zapcore.ObjectMarshaler) error {
	if !e.element() {
		return nil
	}
	return e.object(o)
}

// AppendArray implements [zapcore.ArrayEncoder].
func (e *encoder) AppendArray(a zapcore.ArrayMarshaler) error {
	if !e.element() {
		return nil
	}
	return e.array(a)
}

// AppendReflected implements [zapcore.ArrayEncoder].
func (e *encoder) AppendReflected(v any) error {
	if e.element() {
		e.reflected(v)
	}
	return nil
}

// AppendBool implements [zapcore.ArrayEncoder].
func (e *encoder) AppendBool(v bool) {
	if e.element() {
		e.buf = strconv.AppendBool(e.buf, v)
	}
}

// AppendString implements [zapcore.ArrayEncoder].
func (e *encoder) AppendString(v string) {
	if e.element() {
		e.text(v)
	}
}

// AppendByteString implements [zapcore.ArrayEncoder].
func (e *encoder) AppendByteString(v []byte) { e.AppendString(string(v)) }

// AppendDuration implements [zapcore.ArrayEncoder].
func (e *encoder) AppendDuration(v time.Duration) {
	if e.element() {
		e.duration(v)
	}
}

// AppendTime implements [zapcore.ArrayEncoder].
func (e *encoder) AppendTime(v time.Time) {
	if e.element() {
		e.time(v)
	}
}

// AppendInt64 implements [zapcore.ArrayEncoder].
func (e *encoder) AppendInt64(v int64) {
	if e.element() {
		e.buf = strconv.AppendInt(e.buf, v, 10)
	}
}

// AppendUint64 implements [zapcore.ArrayEncoder].
func (e *encoder) AppendUint64(v uint64) {
	if e.element() {
		e.buf = strconv.AppendUint(e.buf, v, 10)
	}
}

// AppendFloat64 implements [zapcore.ArrayEncoder].
func (e *encoder) AppendFloat64(v float64) {
	if e.element() {
		e.buf = appendFloat(e.buf, v, 64)
	}
}

// AppendFloat32 implements [zapcore.ArrayEncoder].
func (e *encoder) AppendFloat32(v float32) {
	if e.element() {
		e.buf = appendFloat(e.buf, float64(v), 32)
	}
}

// AppendComplex128 implements [zapcore.ArrayEncoder].
func (e *encoder) AppendComplex128(v complex128) {
	if e.element() {
		e.complex(v)
	}
}

func (e *encoder) complex(v complex128) {
	e.buf = e.literal(strconv.FormatComplex(v, 'g', -1, 128))
}

// The rest of zap's interface is the same for numbers of other sizes.

func (e *encoder) AppendComplex64(v complex64) { e.AppendComplex128(complex128(v)) }
func (e *encoder) AppendInt(v int)             { e.AppendInt64(int64(v)) }
func (e *encoder) AppendInt32(v int32)         { e.AppendInt64(int64(v)) }
func (e *encoder) AppendInt16(v int16)         { e.AppendInt64(int64(v)) }
func (e *encoder) AppendInt8(v int8)           { e.AppendInt64(int64(v)) }
func (e *encoder) AppendUint(v uint)           { e.AppendUint64(uint64(v)) }
func (e *encoder) AppendUint32(v uint32)       { e.AppendUint64(uint64(v)) }
func (e *encoder) AppendUint16(v uint16)       { e.AppendUint64(uint64(v)) }
func (e *encoder) AppendUint8(v uint8)         { e.AppendUint64(uint64(v)) }
func (e *encoder) AppendUintptr(v uintptr)     { e.AppendUint64(uint64(v)) }
