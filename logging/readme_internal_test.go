package logging

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadmeDefaults compares the tables under the README's headings "## Defaults…" with what the code
// does.
func TestReadmeDefaults(t *testing.T) {
	cfg, err := Config{}.withDefaults("orders")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Output != os.Stdout {
		t.Error("the default output is not standard output")
	}
	want := map[string]string{}
	for field, value := range reflect.ValueOf(cfg).Fields() {
		switch field.Name {
		case "Names":
			for name, value := range value.Fields() {
				want["Names."+name.Name] = fmt.Sprintf("`%s`", value)
			}
		case "Format":
			want["Format"] = "JSON, or console on a terminal"
		case "Output":
			want["Output"] = "`os.Stdout`"
		case "Version":
			want["Version"] = "the build's"
		case "Level":
			want["Level"] = "`" + value.String() + "`"
		case "MaxFieldBytes", "MaxEntryBytes":
			want[field.Name] = fmt.Sprintf("%d KiB", value.Int()>>10)
		default:
			if !value.IsZero() {
				t.Errorf("%s has a default that this test does not know", field.Name)
			}
			want[field.Name] = "off"
			if value.Kind() == reflect.Slice {
				want[field.Name] = "none"
			}
		}
	}
	if diff := cmp.Diff(want, readmeTable(t)); diff != "" {
		t.Error(diff)
	}
}

func readmeTable(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	inside := false
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, "## ") {
			inside = strings.HasPrefix(line, "## Defaults")
		}
		cells := strings.Split(line, "|")
		if !inside || len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		table[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[2])
	}
	return table
}
