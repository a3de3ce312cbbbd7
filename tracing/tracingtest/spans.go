package tracingtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// A Span is a span that has ended. Its fields are the SDK's: Name, SpanKind, SpanContext, Parent,
// Attributes, Events, Links, Status and so on.
type Span struct{ tracetest.SpanStub }

// Attr returns the text of an attribute, such as "200" for a number, or "" where there is none.
func (s Span) Attr(key string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// TraceID returns the id of the span's trace as logs and headers show it.
func (s Span) TraceID() string { return s.SpanContext.TraceID().String() }

// Failed reports whether the span's status is error.
func (s Span) Failed() bool { return s.Status.Code == codes.Error }

// Duration returns how long the span took.
func (s Span) Duration() time.Duration { return s.EndTime.Sub(s.StartTime) }

// IsChildOf reports whether parent is the direct parent of the span, in this process or in another.
func (s Span) IsChildOf(parent Span) bool {
	return s.SpanContext.TraceID() == parent.SpanContext.TraceID() && s.Parent.SpanID() == parent.SpanContext.SpanID()
}

// Spans returns the spans that have ended, in the order of their start.
func (r *Recorder) Spans() []Span {
	stubs := tracetest.SpanStubsFromReadOnlySpans(r.spans.Ended())
	spans := make([]Span, len(stubs))
	for i, stub := range stubs {
		spans[i] = Span{stub}
	}
	slices.SortStableFunc(spans, func(a, b Span) int { return a.StartTime.Compare(b.StartTime) })
	return spans
}

// SpansNamed returns the spans with a name, in the order of their start.
func (r *Recorder) SpansNamed(name string) []Span {
	return slices.DeleteFunc(r.Spans(), func(s Span) bool { return s.Name != name })
}

// Span returns the one span with a name. Where there is none, or more than one, the test ends, and
// shows the spans that there are.
func (r *Recorder) Span(tb testing.TB, name string) Span {
	tb.Helper()
	found := r.SpansNamed(name)
	if len(found) != 1 {
		tb.Fatalf("%d spans are named %q, want 1; recorded:\n%s", len(found), name, r.Tree())
	}
	return found[0]
}

// Tree draws the spans, one on a line, each below its parent, in the order of their start:
//
//	POST /orders (server)
//	  GET inventory (client, error)
//	    GET /stock/{sku} (server)
//
// A span whose parent was not recorded starts a tree of its own.
func (r *Recorder) Tree() string {
	spans := r.Spans()
	recorded := make(map[trace.SpanID]bool, len(spans))
	children := make(map[trace.SpanID][]Span)
	for _, s := range spans {
		recorded[s.SpanContext.SpanID()] = true
	}
	var roots []Span
	for _, s := range spans {
		if recorded[s.Parent.SpanID()] {
			children[s.Parent.SpanID()] = append(children[s.Parent.SpanID()], s)
			continue
		}
		roots = append(roots, s)
	}
	var b strings.Builder
	var draw func(spans []Span, indent string)
	draw = func(spans []Span, indent string) {
		for _, s := range spans {
			b.WriteString(indent + s.Name + " (" + s.SpanKind.String())
			if s.Failed() {
				b.WriteString(", error")
			}
			b.WriteString(")\n")
			draw(children[s.SpanContext.SpanID()], indent+"  ")
		}
	}
	draw(roots, "")
	return b.String()
}
