package tracing

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// keptAttribute marks the spans that are exported for an error, so that whoever computes rates from
// spans can leave them out: they are no fair sample.
var keptAttribute = attribute.String("sdk.sampling.reason", "error")

// recordAll lets spans be recorded that its sampler drops. They are not sampled: no exporter gets them,
// and callees are told so.
type recordAll struct{ sdktrace.Sampler }

func (s recordAll) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := s.Sampler.ShouldSample(p)
	if result.Decision == sdktrace.Drop {
		result.Decision = sdktrace.RecordOnly
	}
	return result
}

func (s recordAll) Description() string { return "ErrorBuffer{" + s.Sampler.Description() + "}" }

// An errorBuffer holds the spans that are recorded and not sampled, trace by trace, until the last open
// span of the trace in this process has ended. The first span that fails hands on those that are held;
// what ends later in that trace, such as the span's parents, is handed on at once.
//
// At most limit spans are held, a tenth of them of one trace, and at most limit traces are known. What is
// beyond pushes out the oldest: of its own trace, or the oldest trace. A trace that was pushed out while it
// was open is as one that begins anew.
type errorBuffer struct {
	next    []sdktrace.SpanProcessor
	limit   int
	evicted atomic.Int64 // spans

	mu     sync.Mutex
	held   int
	traces map[trace.TraceID]*heldTrace
	oldest *heldTrace // the ends of a list in the order of their beginning
	newest *heldTrace
}

type heldTrace struct {
	id         trace.TraceID
	open       int  // spans that have started and not ended
	failed     bool // then spans is empty
	spans      []sdktrace.ReadOnlySpan
	prev, next *heldTrace
}

func newErrorBuffer(limit int, next []sdktrace.SpanProcessor) *errorBuffer {
	return &errorBuffer{next: next, limit: limit, traces: make(map[trace.TraceID]*heldTrace)}
}

func (b *errorBuffer) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	sc := span.SpanContext()
	if sc.IsSampled() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.traces[sc.TraceID()]
	if t == nil {
		if len(b.traces) >= b.limit {
			b.evict(b.oldest)
		}
		t = b.add(sc.TraceID())
	}
	t.open++
}

func (b *errorBuffer) OnEnd(span sdktrace.ReadOnlySpan) {
	if span.SpanContext().IsSampled() {
		return
	}
	for _, kept := range b.end(span) {
		for _, p := range b.next {
			p.OnEnd(keptSpan{kept})
		}
	}
}

// end returns the spans to hand on.
func (b *errorBuffer) end(span sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	failed := span.Status().Code == codes.Error
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.traces[span.SpanContext().TraceID()]
	if t == nil { // pushed out
		if failed {
			return []sdktrace.ReadOnlySpan{span}
		}
		return nil
	}
	t.open--
	if failed || t.failed {
		kept := t.spans
		b.held -= len(kept)
		t.failed, t.spans = true, nil
		if t.open <= 0 {
			b.remove(t)
		}
		return append(kept, span)
	}
	if t.open <= 0 {
		b.remove(t)
		return nil
	}
	b.hold(t, span)
	return nil
}

func (b *errorBuffer) hold(t *heldTrace, span sdktrace.ReadOnlySpan) {
	if len(t.spans) >= max(1, b.limit/10) {
		t.spans[0] = nil
		t.spans = t.spans[1:]
		b.held--
		b.evicted.Add(1)
	}
	t.spans = append(t.spans, span)
	b.held++
	for b.held > b.limit {
		b.evict(b.oldest)
	}
}

func (b *errorBuffer) add(id trace.TraceID) *heldTrace {
	t := &heldTrace{id: id, prev: b.newest}
	if b.newest == nil {
		b.oldest = t
	} else {
		b.newest.next = t
	}
	b.newest = t
	b.traces[id] = t
	return t
}

func (b *errorBuffer) evict(t *heldTrace) {
	b.evicted.Add(int64(len(t.spans)))
	b.remove(t)
}

func (b *errorBuffer) remove(t *heldTrace) {
	b.held -= len(t.spans)
	delete(b.traces, t.id)
	if t.prev == nil {
		b.oldest = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		b.newest = t.prev
	} else {
		t.next.prev = t.prev
	}
}

// Shutdown forgets the traces that are still open; the processors that get the kept spans are shut down
// by their provider.
func (b *errorBuffer) Shutdown(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held, b.oldest, b.newest = 0, nil, nil
	clear(b.traces)
	return nil
}

// ForceFlush does nothing: what is held is not decided.
func (b *errorBuffer) ForceFlush(context.Context) error { return nil }

// A keptSpan is a span as though it were sampled.
type keptSpan struct{ sdktrace.ReadOnlySpan }

func (s keptSpan) SpanContext() trace.SpanContext {
	sc := s.ReadOnlySpan.SpanContext()
	return sc.WithTraceFlags(sc.TraceFlags().WithSampled(true))
}

func (s keptSpan) Attributes() []attribute.KeyValue {
	return append(slices.Clip(s.ReadOnlySpan.Attributes()), keptAttribute)
}
