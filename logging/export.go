package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newExportCore returns the core that encodes what [Config.Exports] get. It is one of its own because
// lines for people are encoded differently.
func newExportCore(cfg Config, service string, levels *Levels) *core {
	cfg.Format = FormatJSON
	return &core{out: newOutput(cfg, service, nil, func(string) string { return "" }), levels: levels}
}

// export hands a line to the cores of Config.Exports as it is in JSON: without secrets, bounded, no key
// twice, errors with all they know.
func (c *core) export(ent zapcore.Entry, fields []zapcore.Field) (err error) {
	e := c.out.encoder()
	e.line = true
	bound := c.bound
	for i := range fields {
		if b, ok := fields[i].Interface.(*binding); ok && fields[i].Type == zapcore.SkipType {
			bound = b.over(bound)
		}
	}
	e.buf = append(e.buf, '{')
	e.body(c, bound, fields)
	e.pop(1, false)
	e.droppedNote()
	line := exported(append(bytes.Clone(e.buf), '}'))
	ent.Message, ent.Stack = e.shortened(ent.Message), e.shortened(ent.Stack)
	e.free()

	for _, sink := range c.out.exports {
		err = errors.Join(err, write(sink, ent, []zapcore.Field{
			{Type: zapcore.SkipType, Interface: bound.context()}, // otelzap takes the context of any field
			zap.Inline(line),
		}))
	}
	return err
}

// context carries the span to where it is asked for in a context.
func (b *binding) context() context.Context {
	if b == nil || !b.hasSpan {
		return context.Background()
	}
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: b.traceID, SpanID: b.spanID, TraceFlags: b.flags,
	}))
}

// write lets a foreign core fail by itself.
func write(sink zapcore.Core, ent zapcore.Entry, fields []zapcore.Field) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("logging: export: panic: %v", p)
		}
	}()
	var faults failed
	if ce := sink.Check(ent, nil); ce != nil {
		ce.Caller, ce.Stack, ce.ErrorOutput = ent.Caller, ent.Stack, &faults
		ce.Write(fields...)
	}
	if len(faults) > 0 {
		return fmt.Errorf("logging: export: %s", bytes.TrimSpace(faults))
	}
	return nil
}

// failed is where a [zapcore.CheckedEntry] says that a core has failed.
type failed []byte

// Write implements [io.Writer].
func (f *failed) Write(p []byte) (int, error) {
	*f = append(*f, p...)
	return len(p), nil
}

// Sync implements [zapcore.WriteSyncer].
func (*failed) Sync() error { return nil }

// exported is a JSON object that this package wrote.
type exported []byte

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (o exported) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for data := o[1:]; data[0] != '}'; {
		if data[0] == ',' {
			data = data[1:]
		}
		key, rest := jsonString(data)
		value := rest[1:] // behind the colon
		data = skipJSON(value)
		if err := addJSON(enc, key, value[:len(value)-len(data)]); err != nil {
			return err
		}
	}
	return nil
}

func addJSON(enc zapcore.ObjectEncoder, key string, value []byte) error {
	switch value[0] {
	case '{':
		return enc.AddObject(key, exported(value))
	case '[':
		return enc.AddArray(key, exportedList(value))
	case '"':
		s, _ := jsonString(value)
		enc.AddString(key, s)
	case 't', 'f':
		enc.AddBool(key, value[0] == 't')
	case 'n':
		return enc.AddReflected(key, nil)
	default:
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			enc.AddInt64(key, n)
			return nil
		}
		enc.AddFloat64(key, number(value))
	}
	return nil
}

// number reads a number of JSON that is no int64.
func number(value []byte) float64 {
	f, _ := strconv.ParseFloat(string(value), 64) // it is one; beyond the range it is infinite
	return f
}

// exportedList is a JSON array that this package wrote.
type exportedList []byte

// MarshalLogArray implements [zapcore.ArrayMarshaler].
func (l exportedList) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for data := l[1:]; data[0] != ']'; {
		if data[0] == ',' {
			data = data[1:]
		}
		rest := skipJSON(data)
		if err := appendJSON(enc, data[:len(data)-len(rest)]); err != nil {
			return err
		}
		data = rest
	}
	return nil
}

func appendJSON(enc zapcore.ArrayEncoder, value []byte) error {
	switch value[0] {
	case '{':
		return enc.AppendObject(exported(value))
	case '[':
		return enc.AppendArray(exportedList(value))
	case '"':
		s, _ := jsonString(value)
		enc.AppendString(s)
	case 't', 'f':
		enc.AppendBool(value[0] == 't')
	case 'n':
		return enc.AppendReflected(nil)
	default:
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			enc.AppendInt64(n)
			return nil
		}
		enc.AppendFloat64(number(value))
	}
	return nil
}
