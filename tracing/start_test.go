package tracing_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/tracing"
	"github.com/backend-platform/sdk/tracing/tracingtest"
)

func TestEndRecordsEveryCodeByTheTable(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	recorder.SetGlobal(t)
	for _, code := range errors.Codes() {
		name := code.String()
		func() (err error) {
			_, span := tracing.Start(t.Context(), name)
			defer span.End(&err)
			return fmt.Errorf("reserve: %w", code.New("Something."))
		}()
		span := recorder.Span(t, name)
		if got := span.Attr("error.type"); got != name {
			t.Errorf("%s: error.type is %q", name, got)
		}
		if span.Failed() != code.ServerFault() {
			t.Errorf("%s: status is error: %t, want %t", name, span.Failed(), code.ServerFault())
		}
		if got, want := len(span.Events) == 1, code.ServerFault(); got != want {
			t.Errorf("%s: has an exception event: %t, want %t", name, got, want)
		}
	}
}

func TestEndWithoutErrorLeavesTheStatusUnset(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	recorder.SetGlobal(t)
	var none error
	for _, err := range []*error{nil, &none} {
		recorder.Reset()
		_, span := tracing.Start(t.Context(), "reserve", attribute.String("sku", "17"), attribute.Int("quantity", 3))
		span.End(err)
		got := recorder.Span(t, "reserve")
		if got.Status.Code != codes.Unset || got.Attr("error.type") != "" || len(got.Events) > 0 {
			t.Errorf("status is %v, attributes are %v", got.Status, got.Attributes)
		}
		if got.Attr("sku") != "17" || got.Attr("quantity") != "3" {
			t.Errorf("attributes are %v", got.Attributes)
		}
	}
}

func TestExceptionEventHasTypeMessageAndStackAndNoSecret(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	recorder.SetGlobal(t)
	err := errors.Internal.Wrap(&fs.PathError{Op: "open", Path: "password=hush", Err: fs.ErrNotExist}, "Cannot read the stock.")
	_, span := tracing.Start(t.Context(), "reserve")
	span.End(&err)

	got := recorder.Span(t, "reserve")
	event := map[string]string{}
	for _, a := range got.Events[0].Attributes {
		event[string(a.Key)] = a.Value.String()
	}
	if got.Events[0].Name != "exception" || event["exception.type"] != "*errors.errorString" {
		t.Errorf("event %s is %v", got.Events[0].Name, event)
	}
	if !strings.Contains(event["exception.message"], "file does not exist") || strings.Contains(event["exception.message"], "hush") {
		t.Errorf("message is %q", event["exception.message"])
	}
	if diff := cmp.Diff(event["exception.message"], got.Status.Description); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(event["exception.stacktrace"], "TestExceptionEventHasTypeMessageAndStackAndNoSecret\n\t") {
		t.Errorf("stack is %q", event["exception.stacktrace"])
	}
}

func TestLongTextsAreClipped(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	recorder.SetGlobal(t)
	err := errors.New(strings.Repeat("ä", 100_000))
	_, span := tracing.Start(t.Context(), "reserve")
	span.End(&err)
	if n := len(recorder.Span(t, "reserve").Status.Description); n > 1100 {
		t.Errorf("the description has %d bytes", n)
	}
}

func TestEndRecordsAPanicAndLetsItGoOn(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	recorder.SetGlobal(t)
	func() {
		defer func() {
			if p := recover(); p != "no stock" {
				t.Errorf("recovered %v", p)
			}
		}()
		var err error
		_, span := tracing.Start(t.Context(), "reserve")
		defer span.End(&err)
		panic("no stock")
	}()
	span := recorder.Span(t, "reserve")
	if !span.Failed() || span.Attr("error.type") != "panic" || span.Status.Description != "panic: no stock" {
		t.Errorf("status is %v, error.type is %q", span.Status, span.Attr("error.type"))
	}
}

func TestStartUsesTheProviderOfTheParent(t *testing.T) {
	recorder := tracingtest.NewRecorder() // not global
	ctx, parent := recorder.TracerProvider().Tracer("test").Start(t.Context(), "parent")
	_, child := tracing.Start(ctx, "child")
	child.End(nil)
	parent.End()
	if !recorder.Span(t, "child").IsChildOf(recorder.Span(t, "parent")) {
		t.Errorf("recorded:\n%s", recorder.Tree())
	}
}

func TestRecordErrorOnASpanOfOnesOwn(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	_, span := recorder.TracerProvider().Tracer("test").Start(t.Context(), "reserve")
	tracing.RecordError(span, nil)
	tracing.RecordError(span, errors.NotFound.New("No such item."))
	span.End()
	if got := recorder.Span(t, "reserve"); got.Attr("error.type") != "not_found" || got.Failed() {
		t.Errorf("error.type is %q, status is %v", got.Attr("error.type"), got.Status)
	}
}

func TestSpanThatIsNotSampledEndsQuietly(t *testing.T) {
	provider := trace.NewTracerProvider(trace.WithSampler(trace.NeverSample()))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "parent")
	defer parent.End()
	_, span := tracing.Start(ctx, "child", attribute.Bool("ok", true))
	err := error(errors.Internal)
	span.End(&err)
}

// Without an SDK a span costs the allocations of a bare OpenTelemetry span and none more.
func TestStartAllocatesNothingOfItsOwnWithoutSDK(t *testing.T) {
	before := otel.GetTracerProvider()
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	otel.SetTracerProvider(tracenoop.NewTracerProvider())
	ctx := context.Background()
	tracer := otel.Tracer("test")
	bare := testing.AllocsPerRun(100, func() {
		_, span := tracer.Start(ctx, "span")
		span.End()
	})
	ours := testing.AllocsPerRun(100, func() {
		var err error
		_, span := tracing.Start(ctx, "span", attribute.String("sku", "17"), attribute.Int("quantity", 3))
		defer span.End(&err)
	})
	if ours > bare {
		t.Errorf("%v allocations, bare OpenTelemetry makes %v", ours, bare)
	}
}

func BenchmarkStart(b *testing.B) {
	ctx := context.Background()
	b.Run("bare", func(b *testing.B) {
		tracer := otel.Tracer("test")
		b.ReportAllocs()
		for b.Loop() {
			_, span := tracer.Start(ctx, "span")
			span.End()
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var err error
			_, span := tracing.Start(ctx, "span", attribute.String("sku", "17"))
			span.End(&err)
		}
	})
}

func TestPanicIsRecordedOnceAndWithoutItsSecret(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	recorder.SetGlobal(t)
	func() {
		defer func() { _ = recover() }()
		_, span := tracing.Start(t.Context(), "reserve")
		defer span.End(nil)
		panic("password=hush")
	}()
	span := recorder.Span(t, "reserve")
	if len(span.Events) != 1 {
		t.Fatalf("%d events, want 1", len(span.Events))
	}
	if text := fmt.Sprint(span.Events, span.Status); strings.Contains(text, "hush") {
		t.Errorf("the secret is in %s", text)
	}
}

type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

// A function that returns a nil pointer as an error is wrong, but works until somebody asks for the text.
func TestErrorThatIsANilPointerIsRecorded(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	recorder.SetGlobal(t)
	func() (err error) {
		_, span := tracing.Start(t.Context(), "reserve")
		defer span.End(&err)
		var none *brokenError
		return none
	}()
	if got := recorder.Span(t, "reserve").Status.Description; got != "<nil>" {
		t.Errorf("the description is %q", got)
	}
}

func TestSecretAcrossTheBoundOfATextIsNotShown(t *testing.T) {
	recorder := tracingtest.NewRecorder()
	recorder.SetGlobal(t)
	token := "eyJ" + strings.Repeat("a", 30) + "." + strings.Repeat("b", 600) + "." + strings.Repeat("c", 40)
	err := errors.New(strings.Repeat("x ", 300) + token)
	_, span := tracing.Start(t.Context(), "reserve")
	span.End(&err)
	if got := recorder.Span(t, "reserve").Status.Description; strings.Contains(got, "eyJ") {
		t.Errorf("the description is %q", got)
	}
}
