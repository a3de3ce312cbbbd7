package demo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// spans is a span processor that keeps the spans of all services.
type spans struct {
	mu    sync.Mutex
	ended []sdktrace.ReadOnlySpan
}

func (s *spans) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

func (s *spans) OnEnd(span sdktrace.ReadOnlySpan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, span)
}

func (s *spans) Shutdown(context.Context) error   { return nil }
func (s *spans) ForceFlush(context.Context) error { return nil }

// of returns the spans of a trace in the order of their start.
func (s *spans) of(id trace.TraceID) []sdktrace.ReadOnlySpan {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []sdktrace.ReadOnlySpan
	for _, span := range s.ended {
		if span.SpanContext().TraceID() == id {
			found = append(found, span)
		}
	}
	slices.SortStableFunc(found, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	return found
}

// services returns which services took part in a trace.
func services(trace []sdktrace.ReadOnlySpan) []string {
	var names []string
	for _, span := range trace {
		names = append(names, serviceOf(span))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func serviceOf(span sdktrace.ReadOnlySpan) string {
	return attr(span, "service.name")
}

// attr looks among the span's attributes and its resource's.
func attr(span sdktrace.ReadOnlySpan, key string) string {
	for _, kv := range slices.Concat(span.Attributes(), span.Resource().Attributes()) {
		if string(kv.Key) == key {
			return kv.Value.String()
		}
	}
	return ""
}

// tree draws a trace: a line for each span below its parent, with when it began and how long it took.
func tree(trace []sdktrace.ReadOnlySpan) []string {
	if len(trace) == 0 {
		return nil
	}
	begin, end := trace[0].StartTime(), trace[0].EndTime()
	children := make(map[string][]sdktrace.ReadOnlySpan)
	known := make(map[string]bool)
	for _, span := range trace {
		known[span.SpanContext().SpanID().String()] = true
		if span.EndTime().After(end) {
			end = span.EndTime()
		}
	}
	for _, span := range trace {
		parent := span.Parent().SpanID().String()
		if !known[parent] {
			parent = ""
		}
		children[parent] = append(children[parent], span)
	}
	d := drawing{children: children, begin: begin, total: max(end.Sub(begin), 1)}
	d.below("", "")
	return d.lines
}

type drawing struct {
	children map[string][]sdktrace.ReadOnlySpan
	begin    time.Time
	total    time.Duration
	lines    []string
}

const barWidth = 30

func (d *drawing) below(parent, indent string) {
	list := d.children[parent]
	for i, span := range list {
		branch, next := "├─ ", "│  "
		if i == len(list)-1 {
			branch, next = "└─ ", "   "
		}
		if parent == "" {
			branch, next = "", ""
		}
		d.lines = append(d.lines, d.line(indent+branch+span.Name(), span))
		d.below(span.SpanContext().SpanID().String(), indent+next)
	}
}

func (d *drawing) line(name string, span sdktrace.ReadOnlySpan) string {
	took := span.EndTime().Sub(span.StartTime())
	from := d.column(span.StartTime())
	to := max(d.column(span.EndTime()), from+1)
	bar := strings.Repeat("·", from) + strings.Repeat("█", to-from) + strings.Repeat("·", barWidth-to)
	note := cmp.Or(attr(span, "error.type"), "")
	if n := attr(span, "http.request.resend_count"); n != "" {
		note = strings.TrimSpace(note + " retry " + n)
	}
	return strings.TrimRight(fmt.Sprintf("%-10s %-44s %s %7.1f ms  %s", serviceOf(span), name, bar, float64(took.Microseconds())/1000, note), " ")
}

func (d *drawing) column(t time.Time) int {
	return min(int(int64(t.Sub(d.begin))*barWidth/int64(d.total)), barWidth-1)
}
