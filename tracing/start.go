package tracing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/errors"
)

// scope is the instrumentation scope of the spans that Start starts, and of this module's metrics.
const scope = "github.com/backend-platform/sdk/tracing"

// A Span is a span that [Start] started. It is a [trace.Span] but for End, which takes the error.
// Its methods are safe for concurrent use.
type Span struct{ trace.Span }

// Start starts an internal span named name and returns a context that holds it. The caller ends it:
//
//	func (s *Store) Reserve(ctx context.Context, sku string) (err error) {
//		ctx, span := tracing.Start(ctx, "reserve", attribute.String("sku", sku))
//		defer span.End(&err)
//
// The span comes from the provider of the span in ctx if that one is recorded, else from OpenTelemetry's
// global one. The attributes are set after the sampler has decided, and not even copied where the span
// is not recorded.
func Start(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, Span) {
	ctx, span := tracerOf(ctx).Start(ctx, name)
	if len(attrs) > 0 && span.IsRecording() {
		span.SetAttributes(slices.Clone(attrs)...) // a copy, so that the caller's slice stays on its stack
	}
	return ctx, Span{span}
}

func tracerOf(ctx context.Context) trace.Tracer {
	if parent := trace.SpanFromContext(ctx); parent.IsRecording() {
		return parent.TracerProvider().Tracer(scope)
	}
	if global := otel.GetTracerProvider(); global != unsetProvider {
		return global.Tracer(scope)
	}
	return unsetTracer
}

// Where nobody has set a global provider, looking up the tracer costs as much as a third of the span
// (measured). Once one is set, the look-up is small beside the span, and has to be made: the tracer of
// the provider that was there at first goes to the first one that was set, for ever.
var (
	unsetProvider = otel.GetTracerProvider()
	unsetTracer   = unsetProvider.Tracer(scope)
)

// End records the error that err points to, as [RecordError] does, and ends the span. A nil pointer and
// a pointer to nil are no error. Deferred directly, it also records a panic, and lets it go on.
func (s Span) End(err *error) {
	if !s.IsRecording() {
		s.Span.End()
		return
	}
	// Not deferred itself: the SDK's End would then record the panic once more, secrets and all.
	defer func() { s.Span.End() }()
	if p := recover(); p != nil {
		recordFault(s.Span, "panic", panicError(p))
		panic(p)
	}
	if err != nil {
		RecordError(s.Span, *err)
	}
}

func panicError(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", p)
}

// RecordError writes an error on a span. It sets error.type to the error's code (errors.CodeOf). Where
// the code is a fault of the service (Code.ServerFault), it also sets the status to error, and adds an
// exception event with the stack if the error has one: a not_found is an answer, not a failure.
//
// The texts are the error's with its private cause, clipped to 1 KiB, without the secrets that are
// known by their form. A nil error does nothing. It does not end the span.
func RecordError(span trace.Span, err error) {
	if err == nil || !span.IsRecording() {
		return
	}
	code := errors.CodeOf(err)
	if code.ServerFault() {
		recordFault(span, code.String(), err)
		return
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(code.String()))
}

func recordFault(span trace.Span, errorType string, err error) {
	text := errorText(err)
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType))
	span.SetStatus(codes.Error, text)
	event := []attribute.KeyValue{
		semconv.ExceptionType(rootType(err)),
		semconv.ExceptionMessage(text),
	}
	if stack := stackText(err); stack != "" {
		event = append(event, semconv.ExceptionStacktrace(stack))
	}
	span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(event...))
}

// rootType names the type of the innermost error: those around it are all wrappers.
func rootType(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Sprintf("%T", err)
		}
		err = inner
	}
}

// stackText renders the stack as Go's own traces look.
func stackText(err error) string {
	var b strings.Builder
	for frame := range errors.StackTrace(err) {
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", frame.Function, frame.File, frame.Line)
	}
	return b.String()
}
