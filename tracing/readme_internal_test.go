package tracing

import (
	"fmt"
	"os"
	"path/filepath"
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
		"NoRuntimeMetrics": "`false`", "Console": "`os.Stdout`", "SpanProcessors": "none", "MetricReaders": "none",
	}
	if cfg.Console != os.Stdout || cfg.NoRuntimeMetrics || cfg.Logger != nil || cfg.Attributes != nil || cfg.SpanProcessors != nil || cfg.MetricReaders != nil || cfg.Version != "" {
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

// The variables that the code reads stand in the table, with the defaults that an empty environment gives.
func TestReadmeListsTheVariablesWithTheirDefaults(t *testing.T) {
	text := readme(t)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`"(OTEL_[A-Z_]*[A-Z])"|otlpVariable\(sig, "([A-Z_]+)"\)`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range variable.FindAllStringSubmatch(string(source), -1) {
			name := match[1]
			if match[2] != "" {
				name = "OTEL_EXPORTER_OTLP_" + match[2]
			}
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("README.md lacks %s, which %s reads", name, file)
			}
		}
	}

	e := &environment{lookup: func(name string) string {
		return map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}[name]
	}}
	s := e.settings()
	for name, want := range map[string]any{
		"OTEL_EXPORTER_OTLP_TIMEOUT":     s.traceOTLP.timeout.Milliseconds(),
		"OTEL_BSP_SCHEDULE_DELAY":        s.batch.delay.Milliseconds(),
		"OTEL_BSP_EXPORT_TIMEOUT":        s.batch.timeout.Milliseconds(),
		"OTEL_BSP_MAX_QUEUE_SIZE":        s.batch.queueSize,
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": s.batch.batchSize,
		"OTEL_METRIC_EXPORT_INTERVAL":    s.metricInterval.Milliseconds(),
		"OTEL_METRIC_EXPORT_TIMEOUT":     s.metricTimeout.Milliseconds(),
		"OTEL_EXPORTER_OTLP_ENDPOINT":    strings.TrimSuffix(s.traceOTLP.endpoint, "/v1/traces"),
		"OTEL_PROPAGATORS":               strings.Join(s.propagators, ","),
	} {
		if row := "| `" + name + "` | `" + fmt.Sprint(want) + "` |"; !strings.Contains(text, row) {
			t.Errorf("README.md lacks %s", row)
		}
	}
}

func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{"http://a", "https://a:4318/x", "a:4318", "http://me:hush@a", "http://[::1]:1", "http://a%", "http://a/?#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		e := &environment{lookup: func(name string) string {
			return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": value}[name]
		}}
		endpoint := e.endpoint(signalTraces)
		if (endpoint == "") != (len(e.faults) > 0) {
			t.Fatalf("%q gives %q and %v", value, endpoint, e.faults)
		}
		if endpoint != "" && !strings.HasPrefix(endpoint, "http://") && !strings.HasPrefix(endpoint, "https://") {
			t.Fatalf("%q gives %q", value, endpoint)
		}
	})
}

func FuzzPairs(f *testing.F) {
	f.Add("a=b,c=%20d, =x,y")
	f.Fuzz(func(t *testing.T, value string) {
		e := &environment{lookup: func(string) string { return value }}
		for name, header := range e.headers(signalTraces) {
			if !isToken(name) || strings.ContainsAny(header, "\r\n\x00") {
				t.Fatalf("%q gives the header %q: %q", value, name, header)
			}
		}
		e.resourceAttributes()
	})
}
