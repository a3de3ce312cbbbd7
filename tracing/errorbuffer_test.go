package tracing_test

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/tracing"
)

// request makes the spans of one request, of which the database's may fail.
func request(ctx context.Context, p *tracing.Providers, name string, failed bool) trace.SpanContext {
	tracer := p.TracerProvider().Tracer("test")
	ctx, server := tracer.Start(ctx, name)
	for _, step := range []string{"authenticate", "query"} {
		_, child := tracer.Start(ctx, name+" "+step)
		if failed && step == "query" {
			tracing.RecordError(child, errors.Unavailable.New("The database is down."))
		}
		child.End()
	}
	server.End()
	return server.SpanContext()
}

func TestTraceWithAnErrorIsExportedThoughItIsNotSampled(t *testing.T) {
	c := newCollector(t, "http/protobuf", nil)
	env := c.tracesOnly()
	env["OTEL_TRACES_SAMPLER"] = "always_off"
	config := quietly(time.Minute)
	config.ErrorBuffer = 1000
	providers := setup(t, env, config)

	request(t.Context(), providers, "fine", false)
	sc := request(t.Context(), providers, "broken", true)
	if sc.IsSampled() {
		t.Error("callees are told that the trace is sampled, which is not known yet")
	}
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := c.names()
	slices.Sort(got)
	if diff := cmp.Diff([]string{"broken", "broken authenticate", "broken query"}, got); diff != "" {
		t.Error(diff)
	}
	for _, s := range c.spans {
		if s.flags&1 == 0 || s.attributes["sdk.sampling.reason"] != "error" {
			t.Errorf("%s has flags %b and attributes %v", s.name, s.flags, s.attributes)
		}
	}
}

func TestParentThatIsNotSampledKeepsTheErrorsOfThisProcess(t *testing.T) {
	c := newCollector(t, "http/protobuf", nil)
	config := quietly(time.Minute)
	config.ErrorBuffer = 1000
	providers := setup(t, c.tracesOnly(), config) // parentbased_always_on
	remote := providers.Propagator().Extract(t.Context(), mapCarrier{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"})
	request(remote, providers, "broken", true)
	request(t.Context(), providers, "sampled", true)
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	marked := 0
	for _, s := range c.spans {
		if s.attributes["sdk.sampling.reason"] == "error" {
			marked++
		}
	}
	if len(c.spans) != 6 || marked != 3 {
		t.Errorf("%d spans, %d of them kept for an error; want 6 and 3", len(c.spans), marked)
	}
}

func TestWithoutErrorBufferTheSamplerDecides(t *testing.T) {
	c := newCollector(t, "http/protobuf", nil)
	env := c.tracesOnly()
	env["OTEL_TRACES_SAMPLER"] = "always_off"
	providers := setup(t, env, quietly(time.Minute))
	request(t.Context(), providers, "broken", true)
	if err := providers.Shutdown(t.Context()); err != nil || c.requests > 0 {
		t.Errorf("%d requests, %v", c.requests, err)
	}
}

// A sampler that takes no health checks and asks the environment's about the rest.
type noHealthChecks struct{ sdktrace.Sampler }

func (s noHealthChecks) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if p.Name == "GET /livez" {
		return sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	}
	return s.Sampler.ShouldSample(p)
}

func TestSamplerOfTheConfigRefinesThatOfTheEnvironment(t *testing.T) {
	for sampler, want := range map[string]bool{"always_on": true, "always_off": false} {
		providers := setup(t, map[string]string{"OTEL_TRACES_SAMPLER": sampler}, tracing.Config{
			Console: io.Discard,
			Sampler: func(s sdktrace.Sampler) sdktrace.Sampler { return noHealthChecks{s} },
		})
		for name, want := range map[string]bool{"GET /livez": false, "GET /orders": want} {
			_, span := providers.TracerProvider().Tracer("test").Start(t.Context(), name)
			if span.SpanContext().IsSampled() != want {
				t.Errorf("%s, %s: sampled is %t", sampler, name, !want)
			}
			span.End()
		}
	}
}

// What other libraries record on a span goes out without the secrets that are known by their form, and a
// bare End in a panic records nothing of its value.
func TestErrorsOfOtherLibrariesAreExportedWithoutTheirSecrets(t *testing.T) {
	c := newCollector(t, "http/protobuf", nil)
	providers := setup(t, c.tracesOnly(), quietly(time.Minute))
	tracer := providers.TracerProvider().Tracer("test")
	_, span := tracer.Start(t.Context(), "recorded", trace.WithAttributes(attribute.String("kept", "as it is")))
	span.RecordError(errors.New("dial postgres://orders:hush@db: refused"))
	span.SetStatus(codes.Error, "password=hush")
	span.End()
	func() {
		defer func() { _ = recover() }()
		_, span := tracer.Start(t.Context(), "panics")
		defer span.End()
		panic("hush hush")
	}()
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range c.spans {
		switch s.name {
		case "recorded":
			event := s.events[0]
			if s.message != "password=REDACTED" || event["exception.message"] != "dial postgres://orders:REDACTED@db: refused" || s.attributes["kept"] != "as it is" {
				t.Errorf("got %+v", s)
			}
		case "panics":
			if len(s.events) > 0 {
				t.Errorf("got %+v", s.events)
			}
		}
	}
	if len(c.spans) != 2 {
		t.Errorf("%d spans, want 2", len(c.spans))
	}
}
