package tracing_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"

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

// setting reports what was read, where it shows in nothing that a test could wait for.
func setting(what string) func(*tracing.Providers) string {
	return func(p *tracing.Providers) string { return p.Setting(what) }
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

const base, console = "http://collector:4318", "console"

type variables map[string]string

// What variables do that shows in what Setup returns.
var effects = []struct {
	env  variables
	of   func(*tracing.Providers) string
	want string
}{
	{variables{}, says("traces"), "[]"},
	{variables{}, says("metrics"), "[]"},
	{variables{}, says("propagators"), "[tracecontext baggage]"},
	{variables{}, says("sampler"), "ParentBased{root:AlwaysOnSampler,remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}"},
	{variables{}, sampled, "sampled"},

	{variables{"OTEL_SDK_DISABLED": "True"}, says("disabled"), "true"},
	{variables{"OTEL_SDK_DISABLED": "true"}, sampled, "no ids"},
	{variables{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "nonsense"}, sampled, "no ids"},
	{variables{"OTEL_SDK_DISABLED": "true"}, fields, "baggage traceparent tracestate"},
	{variables{"OTEL_SDK_DISABLED": "false"}, sampled, "sampled"},

	{variables{"OTEL_TRACES_EXPORTER": "none"}, says("traces"), "[]"},
	{variables{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": base}, says("traces"), "[]"},
	{variables{"OTEL_TRACES_EXPORTER": "otlp"}, says("traces_endpoint"), "http://localhost:4318/v1/traces"},
	{variables{"OTEL_TRACES_EXPORTER": " console , otlp "}, says("traces"), "[console otlp]"},
	{variables{"OTEL_TRACES_EXPORTER": console}, says("metrics"), "[]"},
	{variables{"OTEL_METRICS_EXPORTER": "otlp"}, says("metrics_endpoint"), "http://localhost:4318/v1/metrics"},
	{variables{"OTEL_METRICS_EXPORTER": console}, says("metrics"), "[console]"},

	{variables{"OTEL_EXPORTER_OTLP_ENDPOINT": base}, says("traces_endpoint"), base + "/v1/traces"},
	{variables{"OTEL_EXPORTER_OTLP_ENDPOINT": base + "/base/"}, says("metrics_endpoint"), base + "/base/v1/metrics"},
	{variables{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces/in"}, says("traces_endpoint"), "https://traces/in"},
	{variables{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces/in"}, says("metrics"), "[]"},
	{variables{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://metrics"}, says("metrics_endpoint"), "https://metrics"},
	{variables{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://metrics", "OTEL_EXPORTER_OTLP_ENDPOINT": base}, says("traces_endpoint"), base + "/v1/traces"},
	{variables{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://logs"}, says("logs_endpoint"), "https://logs"},
	{variables{"OTEL_LOGS_EXPORTER": "otlp"}, says("logs_endpoint"), "http://localhost:4318/v1/logs"},
	{variables{"OTEL_LOGS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": base}, says("logs"), "[]"},
	{variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "nonsense"}, says("traces"), "[]"}, // of no effect without an exporter
	{variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "otlp"}, says("traces_endpoint"), "http://localhost:4317"},
	{variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": base}, says("traces_endpoint"), base},
	{variables{"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": base}, says("traces_protocol"), "http/protobuf"},
	{variables{"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": base}, says("metrics_protocol"), "grpc"},
	{variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, says("traces_endpoint"), "https://collector:4317"},
	{variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317", "OTEL_EXPORTER_OTLP_INSECURE": "true"}, says("traces_endpoint"), "http://collector:4317"},
	{variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector", "OTEL_EXPORTER_OTLP_INSECURE": "true"}, setting("target"), "collector:443"},
	{variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1]"}, setting("target"), "[::1]:80"},
	{variables{"OTEL_EXPORTER_OTLP_ENDPOINT": base}, setting("timeout"), "10s"},
	{variables{"OTEL_EXPORTER_OTLP_ENDPOINT": base, "OTEL_EXPORTER_OTLP_TIMEOUT": "2500"}, setting("timeout"), "2.5s"},
	{variables{"OTEL_EXPORTER_OTLP_ENDPOINT": base, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}, setting("timeout"), "1ms"},
	{variables{"OTEL_METRIC_EXPORT_INTERVAL": "7"}, setting("metric interval"), "7ms"},
	{variables{"OTEL_METRIC_EXPORT_TIMEOUT": "7"}, setting("metric timeout"), "7ms"},
	{variables{"OTEL_BSP_SCHEDULE_DELAY": "7", "OTEL_BSP_EXPORT_TIMEOUT": "8", "OTEL_BSP_MAX_QUEUE_SIZE": "9", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "3"}, setting("spans"), "7ms 8ms 9 3"},
	{variables{"OTEL_BSP_MAX_QUEUE_SIZE": "9"}, setting("spans"), "5s 30s 9 9"},
	{variables{"OTEL_BLRP_SCHEDULE_DELAY": "7", "OTEL_BLRP_EXPORT_TIMEOUT": "8", "OTEL_BLRP_MAX_QUEUE_SIZE": "9", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "3"}, setting("logs"), "7ms 8ms 9 3"},
	{variables{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "otlp"}, says("traces"), "[otlp]"},

	{variables{"OTEL_TRACES_SAMPLER": "always_on"}, says("sampler"), "AlwaysOnSampler"},
	{variables{"OTEL_TRACES_SAMPLER": "always_off"}, sampled, "not sampled"},
	{variables{"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "not for it"}, sampled, "sampled"},
	{variables{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, sampled, "not sampled"},
	{variables{"OTEL_TRACES_SAMPLER": "traceidratio"}, sampled, "sampled"},
	{variables{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, says("sampler"), "TraceIDRatioBased{0.25}"},
	{variables{"OTEL_TRACES_SAMPLER": "ParentBased_Always_Off"}, sampled, "not sampled"},
	{variables{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, sampled, "not sampled"},

	{variables{"OTEL_PROPAGATORS": "baggage"}, fields, "baggage"},
	{variables{"OTEL_PROPAGATORS": "tracecontext"}, fields, "traceparent tracestate"},
	{variables{"OTEL_PROPAGATORS": "none"}, fields, ""},
	{variables{"OTEL_PROPAGATORS": "b3"}, fields, "b3"},
	{variables{"OTEL_PROPAGATORS": "tracecontext,b3multi"}, fields, "traceparent tracestate x-b3-flags x-b3-sampled x-b3-spanid x-b3-traceid"},
	{variables{"OTEL_PROPAGATORS": "TraceContext"}, fields, "traceparent tracestate"},
	{variables{"OTEL_TRACES_EXPORTER": "OTLP", "OTEL_EXPORTER_OTLP_PROTOCOL": "HTTP/Protobuf"}, says("traces"), "[otlp]"},
	{variables{"OTEL_TRACES_EXPORTER": "None", "OTEL_EXPORTER_OTLP_ENDPOINT": base}, says("traces"), "[]"},

	{variables{}, resource("service.name"), "orders"},
	{variables{"OTEL_SERVICE_NAME": "orders-eu"}, resource("service.name"), "orders-eu"},
	{variables{"OTEL_RESOURCE_ATTRIBUTES": "service.name=orders-us"}, resource("service.name"), "orders-us"},
	{variables{"OTEL_SERVICE_NAME": "orders-eu", "OTEL_RESOURCE_ATTRIBUTES": "service.name=orders-us"}, (*tracing.Providers).ServiceName, "orders-eu"},
	{variables{"OTEL_RESOURCE_ATTRIBUTES": "service.name=,team="}, resource("service.name"), "orders"},
	{variables{"OTEL_RESOURCE_ATTRIBUTES": "team=a%2Cb , deployment.environment.name=test"}, resource("team"), "a,b"},
	{variables{"OTEL_RESOURCE_ATTRIBUTES": "team=a=b,service.instance.id=7"}, resource("team"), "a=b"},
	{variables{"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=7"}, resource("service.instance.id"), "7"},
}

func TestEnvironmentTakesEffect(t *testing.T) {
	for _, c := range effects {
		t.Run(strings.Join(environ(c.env), " "), func(t *testing.T) {
			if got := c.of(setup(t, c.env, tracing.Config{Console: io.Discard})); strings.Join(strings.Fields(got), " ") != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// What a variable does that shows in what a collector gets.
var onTheWire = []struct {
	name, value string
	of          func(c *collector) int
	want        int
}{
	{"OTEL_ATTRIBUTE_COUNT_LIMIT", "2", func(c *collector) int { return len(c.rawSpans[0].GetAttributes()) }, 2},
	{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1", func(c *collector) int { return len(c.rawSpans[0].GetAttributes()) }, 1},
	{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4", func(c *collector) int { return len(c.rawSpans[0].GetAttributes()[0].GetValue().GetStringValue()) }, 4},
	{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3", func(c *collector) int { return len(c.rawSpans[0].GetAttributes()[0].GetValue().GetStringValue()) }, 3},
	{"OTEL_SPAN_EVENT_COUNT_LIMIT", "2", func(c *collector) int { return len(c.rawSpans[0].GetEvents()) }, 2},
	{"OTEL_SPAN_LINK_COUNT_LIMIT", "2", func(c *collector) int { return len(c.rawSpans[0].GetLinks()) }, 2},
	{"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "2", func(c *collector) int { return len(c.rawSpans[0].GetEvents()[0].GetAttributes()) }, 2},
	{"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "2", func(c *collector) int { return len(c.rawSpans[0].GetLinks()[0].GetAttributes()) }, 2},
	{"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "2", func(c *collector) int { return len(c.rawLogs[0].GetAttributes()) }, 2},
	{"OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3", func(c *collector) int { return len(c.rawLogs[0].GetAttributes()[0].GetValue().GetStringValue()) }, 3},
	{"OTEL_METRICS_EXEMPLAR_FILTER", "", func(c *collector) int { return c.exemplars() }, 1},
	{"OTEL_METRICS_EXEMPLAR_FILTER", "always_off", func(c *collector) int { return c.exemplars() }, 0},
	{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "", func(c *collector) int { return int(c.metric("duration").GetHistogram().GetAggregationTemporality()) }, 2},
	{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", func(c *collector) int { return int(c.metric("duration").GetHistogram().GetAggregationTemporality()) }, 1},
	{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram", func(c *collector) int {
		return len(c.metric("duration").GetExponentialHistogram().GetDataPoints())
	}, 1},
	{"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", func(c *collector) int {
		if c.headers[0].Get("Content-Encoding")+c.headers[0].Get("Grpc-Accept-Encoding") == "" {
			return 0
		}
		return 1
	}, 1},
	{"OTEL_EXPORTER_OTLP_HEADERS", "n=5", func(c *collector) int { return len(c.headers[0].Get("N")) }, 1},
	{"OTEL_EXPORTER_OTLP_LOGS_HEADERS", "n=5", func(c *collector) int { return len(c.headers) }, 3},
}

func (c *collector) metric(name string) *metricsv1.Metric {
	for _, m := range c.rawMetrics {
		if m.GetName() == name {
			return m
		}
	}
	return nil
}

func (c *collector) exemplars() int {
	n := 0
	for _, p := range c.metric("duration").GetHistogram().GetDataPoints() {
		n += len(p.GetExemplars())
	}
	return n
}

func TestEnvironmentTakesEffectOnTheWire(t *testing.T) {
	three := []attribute.KeyValue{attribute.String("a", "0123456789"), attribute.String("b", "0123456789"), attribute.String("c", "0123456789")}
	for _, row := range onTheWire {
		for _, protocol := range protocols {
			t.Run(row.name+"="+row.value+" "+protocol, func(t *testing.T) {
				c := newCollector(t, protocol, nil)
				providers := setup(t, c.env(row.name, row.value), quietly(time.Minute))
				duration, err := providers.MeterProvider().Meter("test").Float64Histogram("duration")
				if err != nil {
					t.Fatal(err)
				}
				ctx, span := providers.TracerProvider().Tracer("test").Start(t.Context(), "span", trace.WithAttributes(three...))
				for range 3 {
					span.AddEvent("event", trace.WithAttributes(three...))
					span.AddLink(trace.Link{SpanContext: span.SpanContext(), Attributes: three})
				}
				duration.Record(ctx, 1)
				var record log.Record
				record.AddAttributes(three...)
				providers.LoggerProvider().Logger("test").Emit(ctx, record)
				span.End()
				if err := providers.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := row.of(c); got != row.want {
					t.Errorf("got %d, want %d", got, row.want)
				}
				if id := span.SpanContext().TraceID(); string(c.rawLogs[0].GetTraceId()) != string(id[:]) {
					t.Errorf("the log record has trace %x, want %v", c.rawLogs[0].GetTraceId(), id)
				}
			})
		}
	}
}

// Every variable that is read has a row in one of the tables; what is about certificates has its own test.
func TestEveryVariableHasATestOfItsEffect(t *testing.T) {
	tested := map[string]bool{
		"OTEL_CONFIG_FILE": true, "OTEL_EXPORTER_OTLP_CERTIFICATE": true,
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": true, "OTEL_EXPORTER_OTLP_CLIENT_KEY": true,
	}
	for _, c := range effects {
		for name := range c.env {
			tested[name] = true
		}
	}
	for _, row := range onTheWire {
		tested[row.name] = true
	}
	for name, reads := range tracing.Specified {
		if reads && !tested[name] {
			t.Errorf("no test shows what %s does", name)
		}
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
		{"OTEL_METRICS_EXPORTER", "prometheus", `"prometheus": "prometheus" is not supported: must be of otlp, console, none; for Prometheus give Config.MetricReaders a handler of package tracing/prometheus`},
		{"OTEL_LOGS_EXPORTER", "stdout", `"stdout": "stdout" is not supported: must be of otlp, console, none`},
		{"OTEL_METRICS_EXPORTER", "otlp,otlp", `"otlp,otlp": otlp is there twice`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", `"localhost:4318": has no scheme: write http://localhost:4318 or https://localhost:4318`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "10.0.0.1:4318", `"10.0.0.1:4318": has no scheme: write http://10.0.0.1:4318 or https://10.0.0.1:4318`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector", `"collector": has no scheme: write http://collector or https://collector`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://collector:4317", `"grpc://collector:4317": the scheme must be http or https`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://", `"http://": has no host`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://]0", `"http://]0": the host is not valid`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:99999", `"http://a:99999": the port must be from 1 to 65535`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a b", `"http://a b": is not a URL`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:hush@a", `"http://REDACTED@a": must not hold credentials: set OTEL_EXPORTER_OTLP_HEADERS`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:hush?@a b", `"http://REDACTED@a b": is not a URL`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a?key=hush", `"http://a?REDACTED": must not have a query or a fragment`},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", `"http/json": not supported: must be http/protobuf, which goes to the same endpoint, or grpc`},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "tcp", `"tcp": must be one of http/protobuf, grpc`},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", `"brotli": must be one of none, gzip`},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", `"10s": must be a whole number of milliseconds above zero`},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", `"0": must be a whole number of milliseconds above zero`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=1,hush", `: pair 2 is not name=value (not shown, it may be secret)`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "Bearer hush=", `: pair 1 is not name=value (not shown, it may be secret)`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "api-key=hush%zz", `: the value of "api-key" is not a percent-encoded header value (not shown, it may be secret)`},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=hush%0d", `: the value of "api-key" is not a percent-encoded header value (not shown, it may be secret)`},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem", `"ca.pem": the endpoint http://localhost:4318/v1/traces is not https`},
		{"OTEL_TRACES_SAMPLER", "sometimes", `"sometimes": must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio`},
		{"OTEL_PROPAGATORS", "tracecontext,jaeger", `"tracecontext,jaeger": "jaeger" is not supported: must be of tracecontext, baggage, b3, b3multi, none`},
		{"OTEL_RESOURCE_ATTRIBUTES", "a=b,c", `: pair 2, "c", is not key=value`},
		{"OTEL_RESOURCE_ATTRIBUTES", "=b", `: pair 1, "", is not key=value`},
		{"OTEL_RESOURCE_ATTRIBUTES", "a=%", `: the value of "a" is not percent-encoded`},
		{"OTEL_BSP_SCHEDULE_DELAY", "soon", `"soon": must be a whole number of milliseconds above zero`},
		{"OTEL_BSP_EXPORT_TIMEOUT", "-1", `"-1": must be a whole number of milliseconds above zero`},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0", `"0": must be a whole number above zero`},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", `"4096": must not be above OTEL_BSP_MAX_QUEUE_SIZE, which is 2048`},
		{"OTEL_BLRP_MAX_QUEUE_SIZE", "many", `"many": must be a whole number above zero`},
		{"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "4096", `"4096": must not be above OTEL_BLRP_MAX_QUEUE_SIZE, which is 2048`},
		{"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "few", `"few": must be a whole number; below zero: no limit`},
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
		{map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector/v1"}, `OTEL_EXPORTER_OTLP_ENDPOINT="https://collector/v1": must not have a path, which gRPC does not use`},
		{map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "unix:///run/otel"}, `OTEL_EXPORTER_OTLP_ENDPOINT="unix:///run/otel": the scheme must be http or https`},
		{map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "me:hush@collector:4317"}, `OTEL_EXPORTER_OTLP_ENDPOINT="REDACTED@collector:4317": must not hold credentials: set OTEL_EXPORTER_OTLP_HEADERS`},
		{map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317", "OTEL_EXPORTER_OTLP_INSECURE": "yes"}, `OTEL_EXPORTER_OTLP_INSECURE="yes": must be true or false`},
		{map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=h%C3%BCsh"}, `OTEL_EXPORTER_OTLP_HEADERS: gRPC cannot send "api-key": `},
		{map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_HEADERS": "grpc-timeout=1"}, `OTEL_EXPORTER_OTLP_HEADERS: gRPC cannot send "grpc-timeout": `},
	} {
		setenv(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector"})
		for name, value := range c.env {
			t.Setenv(name, value)
		}
		_, err := tracing.Setup(t.Context(), "orders", tracing.Config{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %s", c.env, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("the secret is shown: %v", err)
		}
	}
}

func TestSetupReturnsEveryFaultAtOnceAndEachOnce(t *testing.T) {
	setenv(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", // serves traces and metrics
		"OTEL_TRACES_SAMPLER":         "sometimes",
		"OTEL_PROPAGATORS":            "xray",
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
