// Package spans starts spans where somebody may see them.
//
// Without an SDK of OpenTelemetry a span and its attributes cost up to seven allocations for nothing. A [Source] finds
// out by what a span comes back as: a provider without an SDK gives back the parent's, whereas an SDK gives every span an
// id of its own, also one that it drops.
package spans

import (
	"context"
	"reflect"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
)

// Silence is for how long it is believed that the spans of the global provider come from nowhere: 1 s. An SDK that is
// installed makes the global provider another one, which is noticed at once. Instrumentation from outside of the process
// does not, so now and then a span is tried.
const Silence = time.Second

// Source starts the spans of one instrumentation scope. Its methods may be called concurrently.
type Source struct {
	configured trace.TracerProvider // nil: the global one, whichever it is then
	scope      string
	options    []trace.TracerOption
	state      atomic.Pointer[state]
}

// state is what is known of the provider; it is replaced, not changed.
type state struct {
	provider   trace.TracerProvider
	comparable bool // two of the provider's kind can be compared
	tracer     trace.Tracer
	idle       bool      // the last span came from nowhere
	silent     time.Time // until then that is believed without another try
}

// New returns the source of a scope's spans. A nil provider is the global one: the one of each moment, so that it does
// not matter whether telemetry or the source is made first.
func New(provider trace.TracerProvider, scope string, options ...trace.TracerOption) *Source {
	s := &Source{configured: provider, scope: scope, options: options}
	s.current()
	return s
}

func (s *Source) current() *state {
	known := s.state.Load()
	if known != nil && s.configured != nil {
		return known
	}
	provider := s.configured
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	if known != nil && known.of(provider) {
		return known
	}
	next := &state{
		provider:   provider,
		comparable: reflect.ValueOf(provider).Comparable(),
		tracer:     provider.Tracer(s.scope, s.options...),
	}
	s.state.Store(next)
	return next
}

// of reports whether the state is that of a provider. Of providers that cannot be compared all of a type are taken for
// the same one.
func (st *state) of(provider trace.TracerProvider) bool {
	if !st.comparable {
		return reflect.TypeOf(st.provider) == reflect.TypeOf(provider)
	}
	return st.provider == provider
}

// Silent reports whether nobody would see a span that starts now, so that its attributes need not be made. It is false
// for a provider that was configured: if that is the global one of before, it makes spans from when an SDK is installed.
func (s *Source) Silent(now time.Time) bool {
	return s.configured == nil && now.Before(s.current().silent)
}

// Idle reports whether the last span came from nowhere, with a configured provider as with the global one.
func (s *Source) Idle() bool { return s.current().idle }

// Start starts a span, silent or not.
func (s *Source) Start(ctx context.Context, now time.Time, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	st := s.current()
	parent := trace.SpanContextFromContext(ctx).SpanID()
	ctx, span := st.tracer.Start(ctx, name, options...)
	s.notice(st, span.SpanContext().SpanID() == parent, now)
	return ctx, span
}

func (s *Source) notice(st *state, idle bool, now time.Time) {
	again := idle && s.configured == nil && st.comparable // the silence begins anew
	if idle == st.idle && !again {
		return
	}
	next := *st
	next.idle, next.silent = idle, time.Time{}
	if again {
		next.silent = now.Add(Silence)
	}
	s.state.CompareAndSwap(st, &next) // of several at once one is enough
}
