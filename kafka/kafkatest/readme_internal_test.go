package kafkatest

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestReadmeStatesTheDefaults(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(readme), "\n## Defaults of kafkatest.Config\n")
	if !ok {
		t.Fatal("the README has no defaults of kafkatest.Config")
	}
	section, _, _ := strings.Cut(after, "\n## ")
	stated := map[string]string{}
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && strings.Contains(cells[1], "`") {
			stated[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[2])
		}
	}
	words := map[string]string{"Topics": "none", "Options": "none", "Port": "free ports"}
	value := reflect.ValueOf(cfg)
	for i := range value.NumField() {
		field := value.Type().Field(i).Name
		want, ok := words[field]
		if !ok {
			want = fmt.Sprint(value.Field(i))
		}
		if got := stated[field]; got != want {
			t.Errorf("Config.%s: the README says %q, the code %q", field, got, want)
		}
		delete(stated, field)
	}
	for field := range stated {
		t.Errorf("Config has no field %s", field)
	}
	if virtual, _ := (Config{Virtual: true}).withDefaults(); virtual.Port != 9092 {
		t.Errorf("the first virtual port is %d, and the README says 9092", virtual.Port)
	}
}
