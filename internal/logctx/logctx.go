// Package logctx carries attributes in a context to the log lines that are written under it.
//
// The HTTP server and the Kafka consumer put in what identifies the request or the record; the logging
// module reads it. Nothing is rendered until a line is written.
package logctx

import (
	"context"
	"log/slog"
)

// Key is the context key of the [Source]. It is exported for types that are contexts themselves and
// answer Value(logctx.Key{}) with a Source, which saves them an allocation.
type Key struct{}

// A Source appends attributes, oldest first, to a slice and returns it. Methods are called from many
// goroutines at once, and only when a line is written. A Source that stands in for an outer one
// appends the outer one's attributes first.
type Source interface {
	AppendAttrs(dst []slog.Attr) []slog.Attr
}

// With returns a context whose log lines also carry attrs. The slice must not be changed afterwards.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	if len(attrs) == 0 {
		return ctx
	}
	return context.WithValue(ctx, Key{}, &list{outer: From(ctx), attrs: attrs})
}

// WithSource returns a context whose log lines also carry what s appends at that time.
func WithSource(ctx context.Context, s Source) context.Context {
	if outer := From(ctx); outer != nil {
		s = pair{outer, s}
	}
	return context.WithValue(ctx, Key{}, s)
}

// From returns the context's source, or nil.
func From(ctx context.Context) Source {
	s, _ := ctx.Value(Key{}).(Source)
	return s
}

// Append appends the context's attributes to dst, oldest first. Of two attributes with one key the
// later is meant; Append leaves both in.
func Append(ctx context.Context, dst []slog.Attr) []slog.Attr {
	if s := From(ctx); s != nil {
		return s.AppendAttrs(dst)
	}
	return dst
}

type list struct {
	outer Source
	attrs []slog.Attr
}

func (l *list) AppendAttrs(dst []slog.Attr) []slog.Attr {
	if l.outer != nil {
		dst = l.outer.AppendAttrs(dst)
	}
	return append(dst, l.attrs...)
}

type pair struct{ outer, inner Source }

func (p pair) AppendAttrs(dst []slog.Attr) []slog.Attr {
	return p.inner.AppendAttrs(p.outer.AppendAttrs(dst))
}
