package tracing

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// A kept is a processor that notes what the buffer hands on.
type kept struct {
	sdktrace.SpanProcessor
	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
}

func (k *kept) OnEnd(s sdktrace.ReadOnlySpan) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, s)
}

func (k *kept) ids() []uint64 {
	var ids []uint64
	for _, s := range k.spans {
		id := s.SpanContext().SpanID()
		ids = append(ids, binary.BigEndian.Uint64(id[:]))
	}
	slices.Sort(ids)
	return ids
}

// started is a span as OnStart gets it; the buffer asks for no more than its context.
type started struct {
	sdktrace.ReadWriteSpan
	sc trace.SpanContext
}

func (s started) SpanContext() trace.SpanContext { return s.sc }

func spanContext(traceID, spanID uint64) trace.SpanContext {
	var t trace.TraceID
	var s trace.SpanID
	binary.BigEndian.PutUint64(t[8:], traceID)
	binary.BigEndian.PutUint64(s[:], spanID)
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t, SpanID: s})
}

func ended(sc trace.SpanContext, failed bool) sdktrace.ReadOnlySpan {
	stub := tracetest.SpanStub{SpanContext: sc}
	if failed {
		stub.Status.Code = codes.Error
	}
	return stub.Snapshot()
}

// check looks at what must hold at any time: the bounds, and that the account of the spans is right.
func (b *errorBuffer) check(t *testing.T) {
	t.Helper()
	held, n := 0, 0
	for trace := b.oldest; trace != nil; trace = trace.next {
		held += len(trace.spans)
		n++
		if trace.failed && len(trace.spans) > 0 || len(trace.spans) > max(1, b.limit/10) || b.traces[trace.id] != trace {
			t.Fatalf("trace %v is %+v", trace.id, trace)
		}
	}
	if held != b.held || held > b.limit || n != len(b.traces) || n > b.limit {
		t.Fatalf("%d spans are held, %d counted, of %d traces, %d listed; the limit is %d", held, b.held, len(b.traces), n, b.limit)
	}
}

// A trace of the model: what has ended in it since it had no open span.
type modelTrace struct {
	open   []uint64
	ended  []uint64
	failed bool
}

// Where there is room, exactly the spans of those traces are handed on in which one failed, from the
// trace's first open span to its last. Where there is not, every span that failed is handed on all the
// same, none twice, and none of a trace that did not fail.
func TestErrorBufferAgainstAModel(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		limit, roomy := 1+random.IntN(40), seed%2 == 0
		if roomy {
			limit = 100_000
		}
		traces := 1 + random.IntN(60) // more than the buffer may know, and enough to fill it
		out := &kept{}
		buffer := newErrorBuffer(limit, []sdktrace.SpanProcessor{out})
		model := map[uint64]*modelTrace{}
		var want, failures []uint64
		everFailed := map[uint64]bool{}
		for span := uint64(1); span < 400; {
			traceID := uint64(1 + random.IntN(traces))
			m := model[traceID]
			if m == nil {
				m = &modelTrace{}
				model[traceID] = m
			}
			if len(m.open) == 0 || random.IntN(2) == 0 {
				buffer.OnStart(context.Background(), started{sc: spanContext(traceID, span)})
				m.open = append(m.open, span)
				span++
				buffer.check(t)
				continue
			}
			i := random.IntN(len(m.open))
			id := m.open[i]
			m.open = slices.Delete(m.open, i, i+1)
			failed := random.IntN(15) == 0
			buffer.OnEnd(ended(spanContext(traceID, id), failed))
			buffer.check(t)
			m.ended = append(m.ended, id)
			if failed {
				m.failed, everFailed[traceID] = true, true
				failures = append(failures, id)
			}
			if m.failed {
				want = append(want, m.ended...)
				m.ended = nil
			}
			if len(m.open) == 0 {
				model[traceID] = nil
			}
		}
		got := out.ids()
		if roomy {
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
			continue
		}
		if len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("seed %d: a span is handed on twice: %v", seed, got)
		}
		for _, id := range failures {
			if !slices.Contains(got, id) {
				t.Fatalf("seed %d: span %d failed and is not handed on", seed, id)
			}
		}
		for _, s := range out.spans {
			id := s.SpanContext().TraceID()
			if !everFailed[binary.BigEndian.Uint64(id[8:])] {
				t.Fatalf("seed %d: a span of trace %v, in which nothing failed, is handed on", seed, id)
			}
		}
	}
}

func TestErrorBufferHoldsItsBoundsWhileManyUseIt(t *testing.T) {
	out := &kept{}
	buffer := newErrorBuffer(50, []sdktrace.SpanProcessor{out})
	var workers sync.WaitGroup
	const each, failEvery = 500, 10
	for w := range uint64(8) {
		workers.Go(func() {
			for i := range uint64(each) {
				sc := spanContext(i%7, w*each+i+1)
				buffer.OnStart(context.Background(), started{sc: sc})
				buffer.OnEnd(ended(sc, i%failEvery == 0))
			}
		})
	}
	workers.Wait()
	buffer.check(t)
	if n := len(out.spans); n < 8*each/failEvery {
		t.Errorf("%d spans are handed on, fewer than failed", n)
	}
}

func TestErrorBufferLeavesSampledSpansAlone(t *testing.T) {
	out := &kept{}
	buffer := newErrorBuffer(10, []sdktrace.SpanProcessor{out})
	sc := spanContext(1, 1).WithTraceFlags(trace.FlagsSampled)
	buffer.OnStart(context.Background(), started{sc: sc})
	buffer.OnEnd(ended(sc, true))
	if len(out.spans)+len(buffer.traces) > 0 {
		t.Error("a sampled span, which the exporters get anyway, is handed on")
	}
}

// A span that never ends is a leak of the service; it must not become one of the buffer.
func TestErrorBufferForgetsTracesThatNeverEnd(t *testing.T) {
	buffer := newErrorBuffer(10, nil)
	for i := range uint64(1000) {
		buffer.OnStart(context.Background(), started{sc: spanContext(i, 1)})
		buffer.check(t)
	}
	if err := buffer.Shutdown(context.Background()); err != nil || len(buffer.traces) > 0 {
		t.Errorf("%v, %d traces after the shutdown", err, len(buffer.traces))
	}
}
