package httpserver

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The README's tables name every field, and the values that the code has.
func TestReadmeTellsTheDefaults(t *testing.T) {
	config, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	health, err := HealthConfig{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	compareTable(t, string(readme), "## Defaults", reflect.ValueOf(config))
	compareTable(t, string(readme), "## Defaults of HealthConfig", reflect.ValueOf(health))
}

var tableRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.*?) \\| ")

func compareTable(t *testing.T, readme, heading string, config reflect.Value) {
	t.Helper()
	_, section, ok := strings.Cut(readme, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("README has no %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := make(map[string]string)
	for _, row := range tableRow.FindAllStringSubmatch(section, -1) {
		rows[row[1]] = row[2]
	}
	for i := range config.NumField() {
		field, value := config.Type().Field(i), config.Field(i)
		got, ok := rows[field.Name]
		delete(rows, field.Name)
		if !ok {
			t.Errorf("%s: no row for %s", heading, field.Name)
			continue
		}
		switch value.Kind() {
		case reflect.Pointer, reflect.Interface:
			continue // nil means what the words in the table say
		}
		want := fmt.Sprint(value.Interface())
		if want == "" {
			want = "none"
		}
		if got != want {
			t.Errorf("%s: %s is %q, the code says %q", heading, field.Name, got, want)
		}
	}
	for name := range rows {
		t.Errorf("%s: %s is no field", heading, name)
	}
}
