package logging_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/logging"
)

func TestLineHasOpenTelemetryNames(t *testing.T) {
	l, out := newLogger(t, logging.Config{Version: "1.4.2"})
	l.Named("kafka").Warn("slow", zap.Int("n", 3))
	line := out.last(t)
	if _, err := time.Parse(time.RFC3339Nano, line["timestamp"].(string)); err != nil {
		t.Error(err)
	}
	if n, ok := line["code.line.number"].(float64); !ok || n == 0 {
		t.Errorf("line number %v", line["code.line.number"])
	}
	delete(line, "timestamp")
	delete(line, "code.line.number")
	want := map[string]any{
		"severity_text": "WARN", "otel.scope.name": "kafka", "body": "slow", "code.file.path": "logging/logger_test.go",
		"service.name": "orders", "service.version": "1.4.2", "n": 3.0,
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Error(diff)
	}
}

func TestNamesCanBeChangedAndLeftOut(t *testing.T) {
	l, out := newLogger(t, logging.Config{Names: logging.Names{Time: "-", Level: "level", Message: "msg", File: "-", Line: "-", Service: "-"}})
	l.Info("hello", zap.Int("n", 3))
	if got, want := out.String(), `{"level":"INFO","msg":"hello","n":3}`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLineWithoutAnyStandardNameIsValid(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true, Names: logging.Names{Time: "-", Level: "-", Message: "-", Service: "-"}})
	l.Info("hello")
	l.Info("hello", zap.Int("n", 3))
	l.With(zap.Int("a", 1)).Info("hello", zap.Int("a", 2), zap.Int("b", 3))
	l.With(zap.Int("a", 1), zap.Namespace("x")).Info("hello", zap.Int("a", 2))
	want := "{}\n" + `{"n":3}` + "\n" + `{"a":2,"b":3}` + "\n" + `{"a":1,"x":{"a":2}}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestFieldNamedLikeAPartOfTheLineIsKeptUnderAnotherName(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	l.With(zap.String("body", "<html>")).Info("hello", zap.String("trace_id", "theirs"), zap.Namespace("request"), zap.String("body", "in here"))
	want := map[string]any{
		"attributes.body": "<html>", "attributes.trace_id": "theirs", "request": map[string]any{"body": "in here"},
	}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestNewReportsEveryFaultAtOnce(t *testing.T) {
	_, err := logging.New("", logging.Config{Level: "kafka=loud,warn", Format: 9, Names: logging.Names{Message: "severity_text"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"service: must not be empty", `Config.Level: "loud" is no level`, "Config.Format: unknown format 9", `Config.Names.Message: "severity_text" is also the name of Level`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
}

func TestOpenTelemetryVariablesNameTheService(t *testing.T) {
	for _, test := range []struct {
		name, service, attributes string
		want                      []any
	}{
		{"code alone", "", "", []any{"orders", nil}},
		{"resource", "", "a=b, service.name=or%20ders ,service.version=7,broken,bad=%zz", []any{"or ders", "7"}},
		{"service name", "billing", "service.name=orders2", []any{"billing", nil}},
		{"space does not count", " billing ", "", []any{"billing", nil}},
		{"space alone is nothing", " ", "service.name=", []any{"orders", nil}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("OTEL_SERVICE_NAME", test.service)
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", test.attributes)
			l, out := newLogger(t, logging.Config{})
			l.Info("hello")
			line := out.last(t)
			if diff := cmp.Diff(test.want, []any{line["service.name"], line["service.version"]}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCallerHonoursZapsOptions(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	wrapped := func() { l.WithOptions(zap.AddCallerSkip(1)).Info("hello") }
	wrapped()
	direct := func() { l.Info("hello") }
	direct()
	all := out.all(t)
	if all[1]["code.line.number"].(float64)-all[0]["code.line.number"].(float64) != 1 {
		t.Errorf("lines %v and %v", all[0]["code.line.number"], all[1]["code.line.number"])
	}
	l.WithOptions(zap.WithCaller(false)).Info("hello")
	if _, ok := out.last(t)["code.file.path"]; ok {
		t.Error("caller written although it was switched off")
	}
	l.WithOptions(zap.AddStacktrace(zap.InfoLevel)).Info("hello")
	if stack, _ := out.last(t)["code.stacktrace"].(string); !strings.Contains(stack, "TestCallerHonoursZapsOptions") {
		t.Errorf("stack %q", stack)
	}
}

// syncing counts calls of Sync.
type syncing struct {
	lines
	synced int
}

func (s *syncing) Sync() error { s.synced++; return errors.New("full") }

func TestSyncReachesTheOutputAndPanicsSync(t *testing.T) {
	out := &syncing{}
	l, err := logging.New("orders", logging.Config{Output: out})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(); err == nil || out.synced != 1 {
		t.Errorf("error %v, synced %d times", err, out.synced)
	}
	func() {
		defer func() { _ = recover() }()
		l.Panic("the end")
	}()
	if out.synced != 2 {
		t.Errorf("synced %d times", out.synced)
	}
}

func TestFatalLineIsSynced(t *testing.T) {
	out := &syncing{}
	l, err := logging.New("orders", logging.Config{Output: out})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		l.WithOptions(zap.WithFatalHook(zapcore.WriteThenPanic)).Fatal("the end")
	}()
	if out.synced != 1 || out.last(t)["severity_text"] != "FATAL" {
		t.Errorf("synced %d times, wrote %s", out.synced, out)
	}
}

// A terminal cannot be synced either (zap #880); the null device is a character device as one is.
func TestSyncOfADeviceIsNoError(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	l, err := logging.New("orders", logging.Config{Output: device})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(); err != nil {
		t.Error(err)
	}
}

// A pipe cannot be synced; zap's own core reports that as an error (zap #328, #772).
func TestSyncOfAPipeIsNoError(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	l, err := logging.New("orders", logging.Config{Output: w})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(); err != nil {
		t.Error(err)
	}
}

func TestConsoleIsForPeople(t *testing.T) {
	l, out := newLogger(t, logging.Config{Format: logging.FormatConsole, NoCaller: true, Names: logging.Names{Time: "-"}})
	l.Named("kafka").Info("hello", zap.Int("n", 3), zap.String("who", "a b"), zap.Strings("list", []string{"x y"}), zap.Duration("took", time.Second))
	l.With(zap.Namespace("ns"), zap.Int("a", 1)).Warn("in\x1b[31mjected\nERROR fake", zap.Int("b", 2), zap.String("c", "\u202e"))
	want := "INFO  kafka: hello n=3 who=\"a b\" list=[\"x y\"] took=1s\n" +
		"WARN  in\\x1b[31mjected\\nERROR fake ns={\"a\":1,\"b\":2,\"c\":\"\\u202e\"}\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
