package kafka

import (
	"fmt"
	"os"
	"reflect"
	"testing"
)

// redriveWords stand for values that are no numbers.
var redriveWords = map[string]string{
	"From": "dlq.<topic>.<group>", "Filter": "all", "Repair": "none", "OnProgress": "none",
	"Limit": "no limit", "Rate": "no limit", "Connection": "see above", "Logger": "slog.Default()",
	"Topic": "everybody's", "Group": "everybody's",
}

func TestReadmeStatesTheDefaultsOfBrowseAndRedrive(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	brokers := []string{"kafka.example.com:9092"}
	browse, err := BrowseConfig{}.resolve(brokers, "orders", "shipping")
	if err != nil {
		t.Fatal(err)
	}
	redrive, err := RedriveConfig{}.resolve(brokers, "orders", "shipping")
	if err != nil {
		t.Fatal(err)
	}
	if want := "dlq.orders.shipping"; browse.From != want || redrive.From != want {
		t.Errorf("From is %q and %q, want %q", browse.From, redrive.From, want)
	}
	counting, err := CountConfig{}.resolve(brokers)
	if err != nil {
		t.Fatal(err)
	}
	if len(counting.From) != 0 {
		t.Errorf("From is %q, want none", counting.From)
	}
	for _, cfg := range []any{browse, redrive, counting} {
		value := reflect.ValueOf(cfg)
		name := value.Type().Name()
		stated := table(t, string(readme), name)
		for i := range value.NumField() {
			field := value.Type().Field(i).Name
			want, ok := redriveWords[field]
			if name == "CountConfig" && field == "From" {
				want, ok = "all dlq.… topics", true
			}
			if !ok {
				want = fmt.Sprint(value.Field(i))
			}
			resolved := field == "From" || field == "Connection" || field == "Logger"
			if !resolved && ok && !value.Field(i).IsZero() {
				t.Errorf("%s.%s is %v by default, which %q hides", name, field, value.Field(i), want)
			}
			if got := stated[field]; got != want {
				t.Errorf("%s.%s: the README says %q, the code %q", name, field, got, want)
			}
			delete(stated, field)
		}
		for field := range stated {
			t.Errorf("%s has no field %s", name, field)
		}
	}
}
