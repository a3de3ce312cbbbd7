package resilience

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// defaults are all configs with what their zero value means.
func defaults(t *testing.T) map[string]any {
	t.Helper()
	must := func(v any, err error) any {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	all := map[string]any{}
	for _, cfg := range []any{
		func() any { c, err := StandardConfig{}.resolve(); return must(c, err) }(),
		func() any { c, err := RetryConfig{}.resolve(); return must(c, err) }(),
		func() any { c, err := Backoff{}.resolve(); return must(c, err) }(),
		func() any { c, err := BudgetConfig{}.resolve(); return must(c, err) }(),
		func() any { c, err := BreakerConfig{}.resolve(); return must(c, err) }(),
		func() any { c, err := BulkheadConfig{}.resolve(); return must(c, err) }(),
		func() any { c, err := HedgeConfig{Idempotent: true}.resolve(); return must(c, err) }(),
		func() any { c, err := RateLimitConfig{PerSecond: 1}.resolve(); return must(c, err) }(),
		func() any { c, err := ThrottleConfig{}.resolve(); return must(c, err) }(),
		FallbackConfig{},
		func() any { c, err := AdaptiveConfig{}.resolve(); return must(c, err) }(),
		func() any { c, err := RegistryConfig{}.resolve(); return must(c, err) }(),
	} {
		all[reflect.TypeOf(cfg).Name()] = cfg
	}
	return all
}

// words stand for values that are not numbers.
var words = map[string]string{
	"Logger":        "slog.Default()",
	"MeterProvider": "OpenTelemetry's global",
	"SharedBudget":  "none",
	"OnStateChange": "none",
	"When":          "no answer",
	// These have to be given.
	"PerSecond":              "required",
	"HedgeConfig.Idempotent": "required",
	// Their default depends on others.
	"Burst": "PerSecond",
	"Delay": "Percentile",
}

func TestReadmeStatesTheDefaults(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := defaults(t)
	tables := strings.Split(string(readme), "\n## Defaults of ")[1:]
	if len(tables) != len(all) {
		t.Errorf("%d tables for %d configs", len(tables), len(all))
	}
	for _, table := range tables {
		name, rows, _ := strings.Cut(table, "\n")
		cfg, ok := all[name]
		if !ok {
			t.Errorf("%q is no config", name)
			continue
		}
		stated := parseTable(rows)
		value := reflect.ValueOf(cfg)
		for i := range value.NumField() {
			field := value.Type().Field(i).Name
			if got, want := stated[field], expected(name, field, value.Field(i)); got != want {
				t.Errorf("%s.%s: the README says %q, the code %q", name, field, got, want)
			}
			delete(stated, field)
		}
		for field := range stated {
			t.Errorf("%s has no field %s", name, field)
		}
	}
}

func expected(config, field string, value reflect.Value) string {
	if word, ok := words[config+"."+field]; ok {
		return word
	}
	if word, ok := words[field]; ok {
		return word
	}
	switch value.Kind() {
	case reflect.Struct:
		return "see"
	case reflect.Pointer:
		return "none"
	}
	return fmt.Sprint(value.Interface())
}

// parseTable returns the default of each field; "see" stands for a table elsewhere.
func parseTable(text string) map[string]string {
	stated := map[string]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		value := strings.TrimSpace(cells[2])
		if value == "see below" || value == "see above" {
			value = "see"
		}
		stated[strings.Trim(cells[1], " `")] = value
	}
	return stated
}
