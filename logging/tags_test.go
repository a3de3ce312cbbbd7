package logging_test

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/backend-platform/sdk/logging"
)

type account struct {
	Name    string            `json:"name"`
	Born    string            `json:"born" log:"secret"`
	Pin     int               `log:"secret"`
	Missing *string           `json:"missing" log:"secret"`
	Answers map[string]string `json:"answers" log:"secret"`
	Next    *account          `json:"next,omitempty"`
	Any     any               `json:"any,omitempty"`
	audit
}

type audit struct {
	IP string `json:"ip" log:"secret"`
}

// selfMade writes its own JSON, so that its tags say nothing about that.
type selfMade struct {
	A string `log:"secret"`
}

func (s selfMade) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"A": s.A + "!"})
}

func TestTaggedFieldsOfStructsAreSecret(t *testing.T) {
	plain := account{Name: "Ada", Born: "1815", Pin: 1234, Answers: map[string]string{"pet": "x"}, audit: audit{"10.0.0.1"}}
	hidden := map[string]any{"name": "Ada", "born": "REDACTED", "Pin": "REDACTED", "missing": "REDACTED", "answers": "REDACTED", "ip": "REDACTED"}
	nested := account{Name: "Bob", Born: "1816", Next: &plain, Any: []any{&plain, map[string]any{"deep": plain}}}
	nestedHidden := map[string]any{"name": "Bob", "born": "REDACTED", "Pin": "REDACTED", "missing": "REDACTED", "answers": "REDACTED", "ip": "REDACTED",
		"next": hidden, "any": []any{hidden, map[string]any{"deep": hidden}}}
	type named string
	for _, test := range []struct {
		name      string
		got, want any
	}{
		{"struct", plain, hidden},
		{"pointer", &plain, hidden},
		{"nested", nested, nestedHidden},
		{"list", []account{plain, nested}, []any{hidden, nestedHidden}},
		{"map", map[string]any{"a": plain, "b": "c"}, map[string]any{"a": hidden, "b": "c"}},
		{"map with a type for its keys", map[named][1]*account{"a": {&plain}}, map[string]any{"a": []any{hidden}}},
		{"own JSON", selfMade{"a"}, map[string]any{"A": "a!"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, out := newLogger(t, logging.Config{NoCaller: true})
			l.Info("", zap.Any("v", test.got))
			slog.New(logging.NewSlogHandler(l)).Info("", "v", test.got)
			for _, line := range out.all(t) {
				if diff := cmp.Diff(test.want, line["v"]); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	open, out := newLogger(t, logging.Config{NoCaller: true, NoRedaction: true})
	open.Info("", zap.Any("v", plain))
	if born := out.fields(t)["v"].(map[string]any)["born"]; born != "1815" {
		t.Errorf("redaction is off, but it says %v", born)
	}
}
