package logging

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/internal/logctx"
)

type loggerKey struct{}

// NewContext returns a context whose [FromContext] is derived from l. It is for a part of a program that
// logs under a name or with fields of its own; a program that has one logger calls [SetDefault] and
// needs no NewContext.
func NewContext(ctx context.Context, l *zap.Logger) context.Context {
	return context.WithValue(ctx, loggerKey{}, l)
}

// FromContext returns the logger for what happens under ctx: the one that [NewContext] put in, or else
// zap's global one, which [SetDefault] sets and which writes nothing before. Its lines carry the ids of
// ctx's current span, if there is one, and the fields that [With], the HTTP server or the Kafka consumer
// put into ctx. Those are asked for when a line is written, and cost nothing before.
//
// A handler asks once and keeps the logger as long as it keeps ctx; under a context with a new span it
// asks again. A line's own field wins over the logger's of the same key, and that over the context's.
// A logger that was not made by [New] is returned as it is. A nil ctx has nothing.
func FromContext(ctx context.Context) *zap.Logger {
	if ctx == nil {
		return zap.L() // as slog does
	}
	l, ok := ctx.Value(loggerKey{}).(*zap.Logger)
	if !ok || l == nil {
		l = zap.L()
	}
	b := bindingOf(ctx)
	if !b.hasSpan && b.source == nil {
		return l
	}
	bound := b // moves to the heap; b does not
	return l.With(zapcore.Field{Type: zapcore.SkipType, Interface: &bound})
}

// With returns a context whose lines carry more fields, through [FromContext] as well as through slog.
// They are encoded when a line is written: a value that changes until then is written as it then is.
func With(ctx context.Context, fields ...zap.Field) context.Context {
	if len(fields) == 0 {
		return ctx
	}
	return logctx.WithSource(ctx, contextFields(slices.Clone(fields)))
}

// contextFields travel among the attributes of a context as pointers, which need no memory.
type contextFields []zap.Field

// AppendAttrs implements [logctx.Source].
func (fs contextFields) AppendAttrs(dst []slog.Attr) []slog.Attr {
	for i := range fs {
		if fs[i].Type == zapcore.NamespaceType {
			return append(dst, slog.Any(fs[i].Key, namespace(fs[i+1:])))
		}
		dst = append(dst, slog.Any(fs[i].Key, &fs[i]))
	}
	return dst
}

// namespace holds the fields that follow a zap.Namespace, which must not swallow those of others.
type namespace []zap.Field

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (fs namespace) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for i := range fs {
		fs[i].AddTo(enc)
	}
	return nil
}

// binding is what a logger takes from a context: the span that was current, and where to ask for
// attributes. It travels to our core in a field that prints nothing, so that it passes through cores that
// somebody wrapped around ours. A binding is immutable.
type binding struct {
	source  logctx.Source
	traceID trace.TraceID
	spanID  trace.SpanID
	flags   trace.TraceFlags
	hasSpan bool
}

func bindingOf(ctx context.Context) (b binding) {
	if ctx == nil {
		return b
	}
	b.source = logctx.From(ctx)
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		b.traceID, b.spanID, b.flags, b.hasSpan = sc.TraceID(), sc.SpanID(), sc.TraceFlags(), true
	}
	return b
}

// over returns b, with what it does not say taken from below: a logger that was bound to a request keeps
// its span where it is used without one.
func (b *binding) over(below *binding) *binding {
	if below == nil || b.hasSpan && b.source != nil {
		return b
	}
	both := *below
	if b.hasSpan {
		both.traceID, both.spanID, both.flags, both.hasSpan = b.traceID, b.spanID, b.flags, true
	}
	if b.source != nil {
		both.source = b.source
	}
	return &both
}
