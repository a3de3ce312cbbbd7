package service

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestReadmeStatesTheDefaults(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Config{}.resolve(environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{
		"Name": "the main package's", "Listener": "none", "AdminListener": "none",
		"DrainDelay": cfg.drainDelay(true).String() + " with a handler",
		"HTTP":       "httpserver's", "Logging": "logging's", "Tracing": "tracing's",
	}
	_, table, _ := strings.Cut(string(readme), "\n## Defaults of Config\n")
	stated := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.*?) \\|").FindAllStringSubmatch(table, -1) {
		stated[row[1]] = row[2]
	}
	value := reflect.ValueOf(cfg)
	for i := range value.NumField() {
		field := value.Type().Field(i).Name
		want, ok := words[field]
		if !ok {
			want = fmt.Sprint(value.Field(i))
		}
		if stated[field] != want {
			t.Errorf("%s: the README says %q, the code %q", field, stated[field], want)
		}
		delete(stated, field)
	}
	for field := range stated {
		t.Errorf("Config has no field %s", field)
	}
}
