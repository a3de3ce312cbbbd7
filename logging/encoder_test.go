package logging_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/logging"
)

// TestOneKeyStandsOnceInALine is a model test: whatever fields are given, the line is what a map holds
// after they were put into it one after another (zap #622: zap writes a key twice).
func TestOneKeyStandsOnceInALine(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		l, out := newLogger(t, logging.Config{NoCaller: true})
		model := zapcore.NewMapObjectEncoder()
		for range r.IntN(4) {
			fields := randomFields(r, r.IntN(6), 4)
			l = l.With(fields...)
			addTo(model, fields)
		}
		fields := randomFields(r, r.IntN(80), 4)
		addTo(model, fields)
		l.Info("hello", fields...)
		want, err := decode(string(marshal(t, model.Fields)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, any(out.fields(t))); diff != "" {
			t.Fatalf("%s\nline %s", diff, out)
		}
	}
}

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func addTo(enc zapcore.ObjectEncoder, fields []zap.Field) {
	for _, f := range fields {
		f.AddTo(enc)
	}
}

func randomFields(r *rand.Rand, n, depth int) []zap.Field {
	fields := make([]zap.Field, 0, n)
	for range n {
		key := fmt.Sprintf("k%d", r.IntN(60))
		switch r.IntN(8) {
		case 0:
			if depth > 0 && r.IntN(4) == 0 {
				fields = append(fields, zap.Namespace(key))
			}
		case 1:
			if depth > 0 {
				fields = append(fields, zap.Dict(key, randomFields(r, []int{3, 3, 3, 50}[r.IntN(4)], depth-2)...))
			}
		case 2:
			fields = append(fields, zap.Any(key, map[string]any{"a": r.IntN(9), "b": []int{1, 2}}))
		case 3:
			fields = append(fields, zap.Strings(key, []string{"x", strings.Repeat("y", r.IntN(5))}))
		default:
			fields = append(fields, zap.Int(key, r.IntN(1000)))
		}
	}
	return fields
}

type point struct {
	X int    `json:"x"`
	S string `json:"s"`
}

func TestEveryTypeOfField(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	at := time.Date(2026, 1, 2, 3, 4, 5, 60, time.FixedZone("", 3600))
	l.Info("hello",
		zap.Bool("bool", true), zap.Int8("int", -3), zap.Uint64("uint", math.MaxUint64), zap.Float64("float", 0.1), zap.Float32("float32", 0.1),
		zap.Float64("nan", math.NaN()), zap.Float64s("inf", []float64{math.Inf(1), math.Inf(-1), 1e300, 1e-9}), zap.Complex128("complex", 1+2i),
		zap.Binary("binary", []byte{0xff, 0}), zap.ByteString("bytes", []byte("hey")), zap.Time("time", at), zap.Duration("took", 1500*time.Millisecond),
		zap.Stringer("stringer", time.Second), zap.Any("nil", nil), zap.Any("struct", point{3, "<&>\u2028\""}), zap.Any("bad", make(chan int)),
		zap.Inline(zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error { enc.AddInt("inline", 1); return nil })),
		zap.Object("failing", zapcore.ObjectMarshalerFunc(func(zapcore.ObjectEncoder) error { return errors.New("cannot") })),
		zap.Times("times", []time.Time{at}), zap.Durations("durations", []time.Duration{time.Millisecond}), zap.Bools("bools", nil),
		zap.Uintptr("ptr", 7), zap.String("utf8", "a\xffb\x00ü"), zap.Skip(),
	)
	want := map[string]any{
		"bool": true, "int": -3.0, "uint": float64(math.MaxUint64), "float": 0.1, "float32": 0.1, "nan": "NaN",
		"inf": []any{"+Inf", "-Inf", 1e300, 1e-9}, "complex": "(1+2i)", "binary": "/wA=", "bytes": "hey",
		"time": "2026-01-02T02:04:05.000000060Z", "took": 1.5, "stringer": "1s", "nil": nil,
		"struct": map[string]any{"x": 3.0, "s": "<&>\u2028\""}, "bad": "json: unsupported type: chan int", "inline": 1.0,
		"failing": map[string]any{}, "failingError": "cannot", "times": []any{"2026-01-02T02:04:05.000000060Z"}, "durations": []any{0.001},
		"bools": []any{}, "ptr": 7.0, "utf8": "a\ufffdb\x00ü",
	}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

// selfish holds itself.
type selfish struct{}

func (s selfish) MarshalLogObject(enc zapcore.ObjectEncoder) error { return enc.AddObject("me", s) }

// selfishArray holds itself.
type selfishArray struct{}

func (s selfishArray) MarshalLogArray(enc zapcore.ArrayEncoder) error { return enc.AppendArray(s) }

type brokenString struct{}

func (*brokenString) String() string { panic("no string") }

func TestForeignCodeThatPanicsOrNeverEndsCostsOnlyItsField(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	var nobody *time.Time
	l.With(zap.Int("keep", 1)).Info("hello", zap.Int("before", 1),
		zap.Object("object", zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
			enc.AddInt("half", 1)
			enc.OpenNamespace("deep")
			panic("oh")
		})),
		zap.Inline(zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
			enc.AddInt("keep", 2) // replaces a field, then dies
			panic("no")
		})),
		zap.Stringer("stringer", &brokenString{}), zap.Stringer("nil", nobody), zap.Object("self", selfish{}), zap.Array("selves", selfishArray{}),
		zap.Int("after", 1))
	got := out.fields(t)
	for key, want := range map[string]any{"before": 1.0, "after": 1.0, "object": "PANIC=oh", "stringer": "PANIC=no string", "nil": "<nil>"} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
}

func TestFieldThatReplacesAnotherAndFailsLeavesTheRest(t *testing.T) {
	l, out := newLogger(t, logging.Config{MaxEntryBytes: 1000})
	l.With(zap.String("keep", "a text"), zap.Int("other", 2)).Info("hello", zap.Int("before", 1),
		zap.Inline(zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
			enc.AddString("keep", "a text that is longer than the first")
			panic("no")
		})), zap.Int("after", 1), zap.String("other", strings.Repeat("x", 2000)))
	want := map[string]any{"before": 1.0, "log.panic": "PANIC=no", "after": 1.0, "log.dropped_fields": 1.0}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestFieldThatReplacesTheFirstOfAnObjectAndFailsLeavesTheRest(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	l.Info("hello", zap.Dict("d", zap.Int("a", 1), zap.Inline(zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
		enc.AddInt("b", 1)
		enc.AddInt("a", 2)
		panic("no")
	})), zap.Int("c", 3)))
	want := map[string]any{"d": map[string]any{"log.panic": "PANIC=no", "c": 3.0}}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestKeysThatAreWrittenAlikeAreOne(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	long := strings.Repeat("k", 256)
	l.With(zap.Int(long+"a", 1), zap.Int("\xff", 1)).Info("hello", zap.Int(long+"b", 2), zap.Int("\xfe", 2),
		zap.Any("m", map[string]int{long + "a": 1, long + "b": 2}), zap.Any("raw", json.RawMessage("{\"\xff\":1,\"\xfe\":2}")))
	want := map[string]any{long: 2.0, "\ufffd": 2.0, "m": map[string]any{long: 1.0}, "raw": map[string]any{"\ufffd": 1.0}}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestLongTextIsCutAndSaysSo(t *testing.T) {
	l, out := newLogger(t, logging.Config{MaxFieldBytes: 100})
	l.Info(strings.Repeat("ü", 100), zap.String("s", strings.Repeat("x", 1000)), zap.Any("any", []string{strings.Repeat("x", 101)}),
		zap.Binary("b", make([]byte, 103)), zap.String("fits", strings.Repeat("y", 100)))
	line := out.last(t)
	for key, want := range map[string]any{
		"body": strings.Repeat("ü", 50) + "…[100 bytes cut]", "s": strings.Repeat("x", 100) + "…[900 bytes cut]",
		"any": []any{strings.Repeat("x", 100) + "…[1 bytes cut]"}, "fits": strings.Repeat("y", 100),
	} {
		if diff := cmp.Diff(want, line[key]); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	if s := line["b"].(string); !strings.HasSuffix(s, "…[3 bytes cut]") {
		t.Errorf("binary %s", s)
	}
}

func TestEntryIsBoundedAndCountsWhatIsMissing(t *testing.T) {
	l, out := newLogger(t, logging.Config{MaxEntryBytes: 1000})
	big := strings.Repeat("x", 600)
	l.With(zap.String("first", "1"), zap.String("w1", big)).Info("hello", zap.Int("a", 1), zap.String("b", big), zap.String("c", big),
		zap.Any("d", make([]int, 10_000)), zap.Int("e", 2), zap.Dict("f", zap.String("x", big), zap.String("y", big)), zap.Namespace("ns"), zap.Int("g", 3))
	line := out.last(t)
	if n := len(out.String()); n > 1200 {
		t.Errorf("%d bytes", n)
	}
	if line["first"] != "1" || line["a"] != 1.0 || line["e"] != 2.0 || line["body"] != "hello" || line["log.dropped_fields"] != 5.0 {
		t.Errorf("line %v", line)
	}
	if diff := cmp.Diff(map[string]any{"g": 3.0}, line["ns"]); diff != "" {
		t.Error(diff)
	}
	unbounded, out := newLogger(t, logging.Config{MaxEntryBytes: -1, MaxFieldBytes: -1})
	unbounded.Info("hello", zap.String("s", strings.Repeat("x", 1<<20)))
	if n := len(out.last(t)["s"].(string)); n != 1<<20 {
		t.Errorf("%d bytes", n)
	}
}

func TestForeignDocumentWithOneNameTwiceKeepsTheFirst(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	l.Info("hello", zap.Any("raw", json.RawMessage(`{"a":1,"b":[{"a":{"x":"}"}},"]"],"a":{"c":["\"]"]},"a":3,"d":-1e5}`)))
	want := map[string]any{"raw": map[string]any{"a": 1.0, "b": []any{map[string]any{"a": map[string]any{"x": "}"}}, "]"}, "d": -1e5}}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func FuzzLineIsAlwaysJSON(f *testing.F) {
	f.Add("order placed", "order_id", "17", `{"a":[1,"x",null,{"b":true}]}`)
	f.Add("\xff\u2028", "a\"b", "password=hunter2", `{"password":{"a":1},"password":2}`)
	f.Add("", "", "", `[]`)
	f.Fuzz(func(t *testing.T, message, key, value, document string) {
		for _, plain := range []bool{false, true} {
			l, out := newLogger(t, logging.Config{NoRedaction: plain, MaxFieldBytes: 64, MaxEntryBytes: 2000})
			l.With(zap.String(key, value)).Info(message, zap.String(key, value), zap.Any(key+"2", json.RawMessage(document)), zap.Namespace(key), zap.String(value, key))
			line := out.last(t)
			if body := line["body"].(string); plain && len(message) <= 64 && utf8.ValidString(message) && body != message {
				t.Errorf("message %q became %q", message, body)
			}
		}
	})
}

// Lines of JSON are read on terminals, too, and in a line for people what is nested is JSON.
func TestNothingInALineDeceivesWhoReadsIt(t *testing.T) {
	const controls, marks = "\u0085\u009b", "\u009b31m\u0085\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"
	for _, format := range []logging.Format{logging.FormatJSON, logging.FormatConsole} {
		l, out := newLogger(t, logging.Config{Format: format, NoCaller: true})
		l.Named(marks).Info(marks, zap.String(marks, marks), zap.Any("any", map[string]any{marks: []string{marks}}), zap.Strings("list", []string{marks}),
			zap.Error(errors.Join(errors.New(marks))), zap.Dict("in", zap.String(marks, marks)))
		if strings.ContainsAny(out.String(), controls+marks[len("\u009b31m"):]) {
			t.Errorf("%s: %+q", format, out)
		}
		if format == logging.FormatJSON && out.last(t)["any"].(map[string]any)[marks].([]any)[0] != marks {
			t.Errorf("a program reads something else: %s", out)
		}
	}
}
