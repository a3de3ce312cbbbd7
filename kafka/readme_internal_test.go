package kafka

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// words stand for values that are no numbers.
var words = map[string]string{
	"Connection": "see below", "Backoff": "100ms doubling to 30s",
	"Logger": "slog.Default()", "TracerProvider": "OpenTelemetry's global", "MeterProvider": "OpenTelemetry's global", "Propagator": "OpenTelemetry's global",
	"TopicPattern": "none", "RetryDelays": "10s, 1m, 10m",
	"DeadLetterTopic": "dlq.<topic>.<group>", "InstanceID": "none",
	"ClientID": "the executable's name", "TLS": "none", "Dial": "a dialer", "CertFile": "none", "KeyFile": "none",
	"CAFile": "the system's authorities", "SASL": "no login", "Options": "none",
}

func TestReadmeStatesTheDefaults(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := ConsumerConfig{}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	producer, err := ProducerConfig{}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	if b := consumer.Backoff; b.Max != 30e9 || b.Base != 100e6 || b.Factor != 0 {
		t.Errorf("backoff is %+v", b)
	}
	delays := make([]string, 0, 3)
	for _, d := range defaultRetryDelays() {
		delays = append(delays, delayText(d))
	}
	if got := strings.Join(delays, ", "); got != words["RetryDelays"] {
		t.Errorf("retry delays are %s", got)
	}
	for _, cfg := range []any{consumer, producer, Connection{}} {
		value := reflect.ValueOf(cfg)
		stated := table(t, string(readme), value.Type().Name())
		for i := range value.NumField() {
			field := value.Type().Field(i).Name
			if !value.Type().Field(i).IsExported() {
				continue
			}
			want, ok := words[field]
			if !ok {
				want = strings.Replace(fmt.Sprint(value.Field(i)), "h0m0s", "h", 1)
			}
			if got := stated[field]; got != want {
				t.Errorf("%s.%s: the README says %q, the code %q", value.Type().Name(), field, got, want)
			}
			delete(stated, field)
		}
		for field := range stated {
			t.Errorf("%s has no field %s", value.Type().Name(), field)
		}
	}
}

// table reads the defaults of a config from the README.
func table(t *testing.T, readme, config string) map[string]string {
	t.Helper()
	_, after, ok := strings.Cut(readme, "\n## Defaults of "+config+"\n")
	if !ok {
		t.Fatalf("the README has no defaults of %s", config)
	}
	section, _, _ := strings.Cut(after, "\n## ")
	stated := map[string]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		stated[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[2])
	}
	return stated
}
