package httpserver

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/errors"
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

// rowsOf returns the cells of a table under a heading, by the first cell, without the back ticks.
func rowsOf(t *testing.T, heading string) (rows map[string][]string, order []string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(readme), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("README has no %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows = make(map[string][]string)
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i, cell := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cell), "`")
		}
		if len(cells) > 2 && cells[0] != "---" {
			rows[cells[0]] = cells[1:]
			order = append(order, cells[0])
		}
	}
	return rows, order
}

func TestReadmeTellsWhatEachCodeDoes(t *testing.T) {
	rows, _ := rowsOf(t, "## The table")
	for _, code := range errors.Codes() {
		span := "unset"
		if code.ServerFault() {
			span = "error"
		}
		want := []string{strconv.Itoa(code.HTTPStatus()), strings.ToLower(code.Level().String()), span}
		if !slices.Equal(rows[code.String()], want) {
			t.Errorf("%v: the README says %q, the table %q", code, rows[code.String()], want)
		}
		delete(rows, code.String())
	}
	for d := range catalogue.All() {
		if cells := rows[d.Reason()]; len(cells) == 0 || cells[0] != strconv.Itoa(d.Status()) {
			t.Errorf("%s: the README says %q, the code %d", d.Reason(), cells, d.Status())
		}
		delete(rows, d.Reason())
	}
	delete(rows, "Code")
	delete(rows, "Reason")
	for name := range rows {
		t.Errorf("%s is in the README and nowhere else", name)
	}
}

// README, the package's documentation and NewHandler's tell one order, and each name is a function.
func TestReadmeTellsTheOrderOfTheMiddleware(t *testing.T) {
	rows, order := rowsOf(t, "## Middleware")
	var readme []string
	for _, number := range order {
		if name := rows[number][0]; number != "order" {
			readme = append(readme, name)
		}
	}
	source, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	_, sentence, _ := strings.Cut(string(source), "The order is, outermost first:")
	sentence, _, _ = strings.Cut(sentence, "(if next is")
	var code []string
	for _, m := range regexp.MustCompile(`\[(\w+)\]`).FindAllStringSubmatch(sentence, -1) {
		code = append(code, m[1])
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "outermost first:\n")
	section, _, _ = strings.Cut(section, "// Each is exported")
	var pkg []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) `).FindAllStringSubmatch(section, -1) {
		pkg = append(pkg, m[1])
	}
	if !slices.Equal(readme, code) || !slices.Equal(pkg, code) || len(code) == 0 {
		t.Errorf("README %q, doc.go %q, NewHandler %q", readme, pkg, code)
	}
}
