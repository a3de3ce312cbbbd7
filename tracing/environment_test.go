package tracing_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/tracing"
)

// setenv makes env the only OTEL_ variables. An empty variable is an unset one.
func setenv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// setup sets up under env. The test must shut down what it wants to see; the rest is thrown away.
func setup(t *testing.T, env map[string]string, cfg tracing.Config) *tracing.Providers {
	t.Helper()
	setenv(t, env)
	providers, err := tracing.Setup(t.Context(), "orders", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = providers.Shutdown(ended)
	})
	return providers
}

func logged(p *tracing.Providers, key string) string {
	for _, a := range p.LogValue().Group() {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// traces reports what the set-up says of itself under key.
func says(key string) func(*tracing.Providers) string {
	return func(p *tracing.Providers) string { return logged(p, key) }
}

// resource reports an attribute of the resource.
func resource(key string) func(*tracing.Providers) string {
	return func(p *tracing.Providers) string {
		value, _ := p.Resource().Set().Value(attribute.Key(key))
		return value.String()
	}
}

func fields(p *tracing.Providers) string {
	return strings.Join(slices.Sorted(slices.Values(p.Propagator().Fields())), " ")
}

// sampled reports whether a root span is sampled, and has ids.
func sampled(p *tracing.Providers) string {
	_, span := p.TracerProvider().Tracer("test").Start(context.Background(), "span")
	switch sc := span.SpanContext(); {
	case !sc.IsValid():
		return "no ids"
	case sc.IsSampled():
		return "sampled"
	}
	return "not sampled"
}

func TestEnvironmentTakesEffect(t *testing.T) {
	const http, console = "http://collector:4318", "console"
	type env map[string]string
	for _, c := range []struct {
		env  env
		of   func(*tracing.Providers) string
		want string
	}{
		{env{}, says("traces"), "[]"},
		{env{}, says("metrics"), "[]"},
		{env{}, says("propagators"), "[tracecontext baggage]"},
		{env{}, says("sampler"), "ParentBased{root:AlwaysOnSampler,remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}"},
		{env{}, sampled, "sampled"},

		{env{"OTEL_SDK_DISABLED": "True"}, says("disabled"), "true"},
		{env{"OTEL_SDK_DISABLED": "true"}, sampled, "no ids"},
		{env{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "nonsense"}, sampled, "no ids"},
		{env{"OTEL_SDK_DISABLED": "true"}, fields, "baggage traceparent tracestate"},
		{env{"OTEL_SDK_DISABLED": "false"}, sampled, "sampled"},

		{env{"OTEL_TRACES_EXPORTER": "none"}, says("traces"), "[]"},
		{env{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": http}, says("traces"), "[]"},
		{env{"OTEL_TRACES_EXPORTER": "otlp"}, says("traces_endpoint"), "http://localhost:4318/v1/traces"},
		{env{"OTEL_TRACES_EXPORTER": " console , otlp "}, says("traces"), "[console otlp]"},
		{env{"OTEL_TRACES_EXPORTER": console}, says("metrics"), "[]"},
		{env{"OTEL_METRICS_EXPORTER": "otlp"}, says("metrics_endpoint"), "http://localhost:4318/v1/metrics"},
		{env{"OTEL_METRICS_EXPORTER": console}, says("metrics"), "[console]"},

		{env{"OTEL_EXPORTER_OTLP_ENDPOINT": http}, says("traces_endpoint"), http + "/v1/traces"},
		{env{"OTEL_EXPORTER_OTLP_ENDPOINT": http + "/base/"}, says("metrics_endpoint"), http + "/base/v1/metrics"},
		{env{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces/in"}, says("traces_endpoint"), "https://traces/in"},
		{env{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces/in"}, says("metrics"), "[]"},
		{env{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://metrics"}, says("metrics_endpoint"), "https://metrics"},
		{env{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://metrics", "OTEL_EXPORTER_OTLP_ENDPOINT": http}, says("traces_endpoint"), http + "/v1/traces"},
		{env{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, says("traces"), "[]"}, // of no effect without an exporter
		{env{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "otlp"}, says("traces"), "[otlp]"},

		{env{"OTEL_TRACES_SAMPLER": "always_on"}, says("sampler"), "AlwaysOnSampler"},
		{env{"OTEL_TRACES_SAMPLER": "always_off"}, sampled, "not sampled"},
		{env{"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "not for it"}, sampled, "sampled"},
		{env{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, sampled, "not sampled"},
		{env{"OTEL_TRACES_SAMPLER": "traceidratio"}, sampled, "sampled"},
		{env{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, says("sampler"), "TraceIDRatioBased{0.25}"},
		{env{"OTEL_TRACES_SAMPLER": "ParentBased_Always_Off"}, sampled, "not sampled"},
		{env{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, sampled, "not sampled"},

		{env{"OTEL_PROPAGATORS": "baggage"}, fields, "baggage"},
		{env{"OTEL_PROPAGATORS": "tracecontext"}, fields, "traceparent tracestate"},
		{env{"OTEL_PROPAGATORS": "none"}, fields, ""},
		{env{"OTEL_PROPAGATORS": "TraceContext"}, fields, "traceparent tracestate"},
		{env{"OTEL_TRACES_EXPORTER": "OTLP", "OTEL_EXPORTER_OTLP_PROTOCOL": "HTTP/Protobuf"}, says("traces"), "[otlp]"},
		{env{"OTEL_TRACES_EXPORTER": "None", "OTEL_EXPORTER_OTLP_ENDPOINT": http}, says("traces"), "[]"},

		{env{}, resource("service.name"), "orders"},
		{env{"OTEL_SERVICE_NAME": "orders-eu"}, resource("service.name"), "orders-eu"},
		{env{"OTEL_RESOURCE_ATTRIBUTES": "service.name=orders-us"}, resource("service.name"), "orders-us"},
		{env{"OTEL_SERVICE_NAME": "orders-eu", "OTEL_RESOURCE_ATTRIBUTES": "service.name=orders-us"}, (*tracing.Providers).ServiceName, "orders-eu"},
		{env{"OTEL_RESOURCE_ATTRIBUTES": "service.name=,team="}, resource("service.name"), "orders"},
		{env{"OTEL_RESOURCE_ATTRIBUTES": "team=a%2Cb , deployment.environment.name=test"}, resource("team"), "a,b"},
		{env{"OTEL_RESOURCE_ATTRIBUTES": "team=a=b,service.instance.id=7"}, resource("team"), "a=b"},
		{env{"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=7"}, resource("service.instance.id"), "7"},
	} {
		t.Run(strings.Join(environ(c.env), " "), func(t *testing.T) {
			if got := c.of(setup(t, c.env, tracing.Config{Console: io.Discard})); strings.Join(strings.Fields(got), " ") != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func environ(env map[string]string) []string {
	var all []string
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

func TestFaultyEnvironmentIsAnErrorThatNamesVariableAndValue(t *testing.T) {
	otlp := map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}
	for _, c := range []struct{ name, value, want string }{
		{"OTEL_SDK_DISABLED", "yes", `"yes": must be true or false`},
		{"OTEL_CONFIG_FILE", "/etc/otel.yaml", `"/etc/otel.yaml": declarative configuration is not supported: unset it`},
		{"OTEL_TRACES_EXPORTER", "zipkin", `"zipkin": "zipkin" is not supported: must be of otlp, console, none`},
		{"OTEL_TRACES_EXPORTER", "otlp,none", `"otlp,none": none does not go with others`},
		{"OTEL_METRICS_EXPORTER", "prometheus", `"prometheus": "prometheus" is not supported: must be of otlp, console, none`},
		{"OTEL_METRICS_EXPORTER", "otlp,otlp", `"otlp,otlp": otlp is there twice`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", `"localhost:4318": has no scheme: write http://localhost:4318 or https://localhost:4318`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "10.0.0.1:4318", `"10.0.0.1:4318": has no scheme: write http://10.0.0.1:4318 or https://10.0.0.1:4318`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector", `"collector": has no scheme: write http://collector or https://collector`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://collector:4317", `"grpc://collector:4317": the scheme must be http or https`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://", `"http://": has no host`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:99999", `"http://a:99999": the port must be from 1 to 65535`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a b", `"http://a b": is not a URL`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:hush@a", `"http://REDACTED@a": must not hold credentials: set OTEL_EXPORTER_OTLP_HEADERS`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:hush?@a b", `"http://REDACTED@a b": is not a URL`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a?key=hush", `"http://a?REDACTED": must not have a query or a fragment`},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", `"grpc": not supported: must be http/protobuf, which collectors take on port 4318`},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "tcp", `"tcp": must be http/protobuf`},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", `"brotli": must be one of none, gzip`},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", `"10s": must be a whole number of milliseconds above zero`},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", `"0": must be a whole number of milliseconds above zero`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=1,hush", `: pair 2 is not name=value (not shown, it may be secret)`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "Bearer hush=", `: pair 1 is not name=value (not shown, it may be secret)`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "api-key=hush%zz", `: the value of "api-key" is not a percent-encoded header value (not shown, it may be secret)`},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=hush%0d", `: the value of "api-key" is not a percent-encoded header value (not shown, it may be secret)`},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem", `"ca.pem": the endpoint http://localhost:4318/v1/traces is not https`},
		{"OTEL_TRACES_SAMPLER", "sometimes", `"sometimes": must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio`},
		{"OTEL_PROPAGATORS", "tracecontext,b3", `"tracecontext,b3": "b3" is not supported: must be of tracecontext, baggage, none`},
		{"OTEL_RESOURCE_ATTRIBUTES", "a=b,c", `: pair 2, "c", is not key=value`},
		{"OTEL_RESOURCE_ATTRIBUTES", "=b", `: pair 1, "", is not key=value`},
		{"OTEL_RESOURCE_ATTRIBUTES", "a=%", `: the value of "a" is not percent-encoded`},
		{"OTEL_BSP_SCHEDULE_DELAY", "soon", `"soon": must be a whole number of milliseconds above zero`},
		{"OTEL_BSP_EXPORT_TIMEOUT", "-1", `"-1": must be a whole number of milliseconds above zero`},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0", `"0": must be a whole number above zero`},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", `"4096": must not be above OTEL_BSP_MAX_QUEUE_SIZE, which is 2048`},
		{"OTEL_METRIC_EXPORT_INTERVAL", "99999999999999999", `"99999999999999999": must be a whole number of milliseconds above zero`},
		{"OTEL_METRIC_EXPORT_TIMEOUT", "1.5", `"1.5": must be a whole number of milliseconds above zero`},
		{"OTEL_METRICS_EXEMPLAR_FILTER", "some", `"some": must be one of always_on, always_off, trace_based`},
		{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", `"many": must be a whole number; below zero: no limit`},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			setenv(t, otlp)
			t.Setenv(c.name, c.value)
			_, err := tracing.Setup(t.Context(), "orders", tracing.Config{})
			if err == nil {
				t.Fatal("no error")
			}
			want := `set up tracing of "orders": ` + c.name
			if strings.HasPrefix(c.want, `"`) {
				want += "="
			}
			if diff := cmp.Diff(strings.Split(want+c.want, "\n")[0], strings.Split(err.Error(), "\n")[0]); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the secret is shown: %v", err)
			}
		})
	}
}

func TestFaultySettingsOfAnOTLPExporter(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file.pem")
	if err := os.WriteFile(file, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": file}, `OTEL_EXPORTER_OTLP_CERTIFICATE="` + file + `": holds no certificate in PEM`},
		{map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": dir + "/none"}, `OTEL_EXPORTER_OTLP_CERTIFICATE="` + dir + `/none": open `},
		{map[string]string{"OTEL_EXPORTER_OTLP_CLIENT_KEY": file}, `OTEL_EXPORTER_OTLP_CLIENT_KEY="` + file + `": needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE too`},
		{map[string]string{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": file}, `": needs OTEL_EXPORTER_OTLP_CLIENT_KEY too`},
		{map[string]string{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": file, "OTEL_EXPORTER_OTLP_CLIENT_KEY": file}, `with OTEL_EXPORTER_OTLP_CLIENT_KEY="` + file + `": tls: `},
		{map[string]string{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "none"}, `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="none": must be one of cumulative, delta, lowmemory`},
		{map[string]string{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "none"}, `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="none": must be one of `},
		{map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.1"}, `OTEL_TRACES_SAMPLER_ARG="1.1": must be a number from 0 to 1`},
		{map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "NaN"}, `OTEL_TRACES_SAMPLER_ARG="NaN": must be a number from 0 to 1`},
	} {
		setenv(t, c.env)
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector")
		_, err := tracing.Setup(t.Context(), "orders", tracing.Config{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %s", c.env, err, c.want)
		}
		for name := range c.env {
			t.Setenv(name, "")
		}
	}
}

func TestSetupReturnsEveryFaultAtOnceAndEachOnce(t *testing.T) {
	setenv(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", // serves traces and metrics
		"OTEL_TRACES_SAMPLER":         "sometimes",
		"OTEL_PROPAGATORS":            "b3",
	})
	_, err := tracing.Setup(t.Context(), "", tracing.Config{
		Attributes: []attribute.KeyValue{{}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"service: must not be empty", "Config.Attributes[0]", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_PROPAGATORS"} {
		if n := strings.Count(err.Error(), want); n != 1 {
			t.Errorf("%q is there %d times, want 1:\n%v", want, n, err)
		}
	}
}

func TestQuietWhenUnset(t *testing.T) {
	var console strings.Builder
	providers := setup(t, nil, tracing.Config{Console: &console})
	ctx, span := providers.TracerProvider().Tracer("test").Start(t.Context(), "span")
	if !trace.SpanContextFromContext(ctx).IsValid() {
		t.Error("the span has no ids")
	}
	span.End()
	if err := providers.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if console.Len() > 0 {
		t.Errorf("printed %s", console.String())
	}
}
