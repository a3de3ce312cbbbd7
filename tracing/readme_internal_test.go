package tracing

import (
	"fmt"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadmeShowsTheDefaults(t *testing.T) {
	cfg, err := Config{}.withDefaults("orders")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Version": "the build's", "Attributes": "none", "Logger": "`slog.Default()`", "ShutdownTimeout": "`" + cfg.ShutdownTimeout.String() + "`",
		"NoRuntimeMetrics": "`false`", "Console": "`os.Stdout`", "Sampler": "the variable's", "ErrorBuffer": "none",
		"SpanProcessors": "none", "SpanExporters": "none", "MetricReaders": "none", "MetricExporters": "none", "Views": "none",
		"LogProcessors": "none", "LogExporters": "none",
	}
	known := Config{ShutdownTimeout: DefaultShutdownTimeout, Console: os.Stdout}
	if !reflect.DeepEqual(cfg, known) {
		t.Errorf("the defaults are %+v", cfg)
	}
	_, table, _ := strings.Cut(readme(t), "\n## Defaults")
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.*?) \\|").FindAllStringSubmatch(table, -1)
	var fields []string
	for _, row := range rows {
		fields = append(fields, row[1])
		if row[2] != want[row[1]] {
			t.Errorf("README.md says that the default of %s is %s, the code says %s", row[1], row[2], want[row[1]])
		}
	}
	for field := range reflect.TypeFor[Config]().Fields() {
		if name := field.Name; !slices.Contains(fields, name) {
			t.Errorf("README.md lacks the field %s", name)
		}
	}
	if len(fields) != reflect.TypeFor[Config]().NumField() {
		t.Errorf("README.md has the fields %v", fields)
	}
}

// Specified is what the specification has ("OpenTelemetry Environment Variable Specification" and "OpenTelemetry
// Protocol Exporter"), and whether this module reads it.
var Specified = map[string]bool{
	"OTEL_SDK_DISABLED": true, "OTEL_SERVICE_NAME": true, "OTEL_RESOURCE_ATTRIBUTES": true, "OTEL_PROPAGATORS": true,
	"OTEL_TRACES_EXPORTER": true, "OTEL_METRICS_EXPORTER": true, "OTEL_LOGS_EXPORTER": true,
	"OTEL_TRACES_SAMPLER": true, "OTEL_TRACES_SAMPLER_ARG": true,
	"OTEL_BSP_SCHEDULE_DELAY": true, "OTEL_BSP_EXPORT_TIMEOUT": true, "OTEL_BSP_MAX_QUEUE_SIZE": true, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": true,
	"OTEL_BLRP_SCHEDULE_DELAY": true, "OTEL_BLRP_EXPORT_TIMEOUT": true, "OTEL_BLRP_MAX_QUEUE_SIZE": true, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": true,
	"OTEL_METRIC_EXPORT_INTERVAL": true, "OTEL_METRIC_EXPORT_TIMEOUT": true, "OTEL_METRICS_EXEMPLAR_FILTER": true,
	"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": true, "OTEL_ATTRIBUTE_COUNT_LIMIT": true,
	"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": true, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": true,
	"OTEL_SPAN_EVENT_COUNT_LIMIT": true, "OTEL_SPAN_LINK_COUNT_LIMIT": true,
	"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": true, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": true,
	"OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": true, "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": true,
	"OTEL_EXPORTER_OTLP_ENDPOINT": true, "OTEL_EXPORTER_OTLP_PROTOCOL": true, "OTEL_EXPORTER_OTLP_HEADERS": true,
	"OTEL_EXPORTER_OTLP_TIMEOUT": true, "OTEL_EXPORTER_OTLP_COMPRESSION": true, "OTEL_EXPORTER_OTLP_INSECURE": true,
	"OTEL_EXPORTER_OTLP_CERTIFICATE": true, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": true, "OTEL_EXPORTER_OTLP_CLIENT_KEY": true,
	"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": true, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": true,
	"OTEL_CONFIG_FILE": true, // only to refuse it

	"OTEL_LOG_LEVEL": false, "OTEL_ENTITIES": false, "OTEL_SEMCONV_STABILITY_OPT_IN": false,
	"OTEL_EXPORTER_ZIPKIN_ENDPOINT": false, "OTEL_EXPORTER_ZIPKIN_TIMEOUT": false,
	"OTEL_EXPORTER_PROMETHEUS_HOST": false, "OTEL_EXPORTER_PROMETHEUS_PORT": false,
}

func TestReadmeListsTheVariablesThatAreReadAndThoseThatAreNot(t *testing.T) {
	supported, rest, _ := strings.Cut(readme(t), "Not supported:")
	unsupported, _, _ := strings.Cut(rest, "\n## ")
	for name, reads := range Specified {
		in := supported
		if !reads || name == "OTEL_CONFIG_FILE" {
			in = unsupported
		}
		if !strings.Contains(in, "`"+name+"`") {
			t.Errorf("README.md lacks %s, or has it in the wrong table", name)
		}
	}

	read := map[string]bool{}
	for _, values := range []map[string]string{
		{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "a:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "traceidratio"},
	} {
		e := &environment{lookup: func(name string) string {
			read[name] = true
			return values[name]
		}}
		e.settings()
		if len(e.faults) > 0 {
			t.Error(e.faults)
		}
	}
	signal := regexp.MustCompile("^OTEL_EXPORTER_OTLP_(TRACES|METRICS|LOGS)_")
	for name := range read {
		common := signal.ReplaceAllString(name, "OTEL_EXPORTER_OTLP_")
		if !Specified[name] && !Specified[common] {
			t.Errorf("%s is read", name)
		}
	}
	for name, reads := range Specified {
		if read[name] != reads {
			t.Errorf("%s is read: %t, want %t", name, read[name], reads)
		}
	}
}

func TestReadmeShowsTheDefaultsOfTheVariables(t *testing.T) {
	e := &environment{lookup: func(name string) string {
		return map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}[name]
	}}
	s := e.settings()
	text := readme(t)
	for name, want := range map[string]any{
		"OTEL_EXPORTER_OTLP_TIMEOUT":      s.traceOTLP.timeout.Milliseconds(),
		"OTEL_BSP_SCHEDULE_DELAY":         s.batch.delay.Milliseconds(),
		"OTEL_BSP_EXPORT_TIMEOUT":         s.batch.timeout.Milliseconds(),
		"OTEL_BSP_MAX_QUEUE_SIZE":         s.batch.queueSize,
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE":  s.batch.batchSize,
		"OTEL_BLRP_SCHEDULE_DELAY":        s.logBatch.delay.Milliseconds(),
		"OTEL_BLRP_EXPORT_TIMEOUT":        s.logBatch.timeout.Milliseconds(),
		"OTEL_BLRP_MAX_QUEUE_SIZE":        s.logBatch.queueSize,
		"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": s.logBatch.batchSize,
		"OTEL_METRIC_EXPORT_INTERVAL":     s.metricInterval.Milliseconds(),
		"OTEL_METRIC_EXPORT_TIMEOUT":      s.metricTimeout.Milliseconds(),
		"OTEL_EXPORTER_OTLP_ENDPOINT":     strings.TrimSuffix(s.traceOTLP.endpoint, "/v1/traces"),
		"OTEL_PROPAGATORS":                strings.Join(s.propagators, ","),
	} {
		if row := "| `" + name + "` | `" + fmt.Sprint(want) + "`"; !strings.Contains(text, row) {
			t.Errorf("README.md lacks %s", row)
		}
	}
}

// An environment is what whoever may set variables says; none may make Setup panic, show a secret, or
// let a header or an endpoint through that cannot be sent.
func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{"http://a", "https://a:4318/x", "a:4318", "http://me:hush@a", "http://[::1]:1", "[::1]:1", "http://a%", "http://a/?#", "unix:///a"} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, value string, grpc bool) {
		e := &environment{lookup: func(name string) string {
			return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": value}[name]
		}}
		endpoint := e.endpoint(signalTraces, grpc)
		if (endpoint == nil) != (len(e.faults) > 0) {
			t.Fatalf("%q gives %v and %v", value, endpoint, e.faults)
		}
		if endpoint == nil {
			return
		}
		if endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Hostname() == "" || endpoint.User != nil {
			t.Fatalf("%q gives %v", value, endpoint)
		}
		if _, port, err := net.SplitHostPort(hostPort(endpoint)); err != nil || port == "" {
			t.Fatalf("%q gives %q: %v", value, hostPort(endpoint), err)
		}
	})
}

func FuzzPairs(f *testing.F) {
	f.Add("a=b,c=%20d, =x,y", false)
	f.Add("a=b,c=%20d, =x,grpc-x=1", true)
	f.Fuzz(func(t *testing.T, value string, grpc bool) {
		e := &environment{lookup: func(string) string { return value }}
		for name, header := range e.headers(signalTraces, grpc) {
			if !isToken(name) || strings.ContainsAny(header, "\r\n\x00") || grpc && strings.ContainsFunc(header, notPrintable) {
				t.Fatalf("%q gives the header %q: %q", value, name, header)
			}
		}
		for _, a := range e.resourceAttributes() {
			if !a.Valid() {
				t.Fatalf("%q gives %v", value, a)
			}
		}
	})
}

func FuzzLists(f *testing.F) {
	f.Add(" console , otlp ")
	f.Add("none,NONE")
	f.Fuzz(func(t *testing.T, value string) {
		e := &environment{lookup: func(string) string { return value }}
		list, _ := e.list("OTEL_TRACES_EXPORTER", "otlp", "console")
		for i, word := range list {
			if word != "otlp" && word != "console" || slices.Contains(list[:i], word) {
				t.Fatalf("%q gives %q", value, list)
			}
		}
		for _, fault := range e.faults {
			if len(fault.Error()) > 2000 {
				t.Fatalf("a fault of %d bytes", len(fault.Error()))
			}
		}
	})
}
