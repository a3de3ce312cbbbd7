package logging_test

import (
	"encoding/json"
	"fmt"
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

// selfMade writes its own JSON, as a pointer only.
type selfMade struct {
	A string `log:"secret"`
	b string `log:"secret"`
}

func (s *selfMade) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"A": s.A, "b": s.b, "c": "d"})
}

// region is a text with a text of its own.
type region string

func (r region) MarshalText() ([]byte, error) { return []byte("region " + string(r)), nil }

// pair is a text only by its method.
type pair [2]int

func (p pair) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d/%d", p[0], p[1]), nil }

// loop is a pointer to itself.
type loop *loop

type embedding struct {
	*audit
	Loop loop
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
		{"own JSON", &selfMade{"a", "b"}, map[string]any{"A": "REDACTED", "b": "REDACTED", "c": "d"}},
		{"own JSON that is not asked for", selfMade{"a", "b"}, map[string]any{"A": "REDACTED"}},
		{"map by number", map[int8]any{-1: &plain}, map[string]any{"-1": hidden}},
		{"map by number without sign", map[uint]account{1: plain}, map[string]any{"1": hidden}},
		{"map by text with a method", map[region]any{"a": plain}, map[string]any{"a": hidden}},
		{"map by what has a text", map[pair]any{{1, 2}: plain}, map[string]any{"1/2": hidden}},
		{"map by what is no text", map[string]*account{"\xff": &plain}, map[string]any{"\ufffd": hidden}},
		{"embedded pointer", embedding{audit: &audit{"10.0.0.1"}}, map[string]any{"ip": "REDACTED", "Loop": nil}},
		{"embedded nil", embedding{}, map[string]any{"Loop": nil}},
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
