package logging_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/internal/redact/redacttest"
	"github.com/backend-platform/sdk/logging"
)

// way is a way for a text into a line, and where it then stands.
type way struct {
	name string
	log  func(l *zap.Logger, text string)
	path []string
}

type noted struct {
	Note string `json:"note"`
}

func ways() []way {
	slogger := func(l *zap.Logger) *slog.Logger { return slog.New(logging.NewSlogHandler(l)) }
	return []way{
		{"message", func(l *zap.Logger, s string) { l.Info(s) }, []string{"body"}},
		{"field", func(l *zap.Logger, s string) { l.Info("", zap.String("note", s)) }, []string{"note"}},
		{"bytes", func(l *zap.Logger, s string) { l.Info("", zap.ByteString("note", []byte(s))) }, []string{"note"}},
		{"logger's field", func(l *zap.Logger, s string) { l.With(zap.String("note", s)).Info("") }, []string{"note"}},
		{"stringer", func(l *zap.Logger, s string) { l.Info("", zap.Stringer("note", text(s))) }, []string{"note"}},
		{"sugar", func(l *zap.Logger, s string) { l.Sugar().Infof("%s", s) }, []string{"body"}},
		{"map", func(l *zap.Logger, s string) { l.Info("", zap.Any("in", map[string]any{"note": s})) }, []string{"in", "note"}},
		{"struct", func(l *zap.Logger, s string) { l.Info("", zap.Any("in", noted{s})) }, []string{"in", "note"}},
		{"object", func(l *zap.Logger, s string) {
			l.Info("", zap.Object("in", zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
				enc.AddString("note", s)
				return nil
			})))
		}, []string{"in", "note"}},
		{"dict", func(l *zap.Logger, s string) { l.Info("", zap.Dict("in", zap.String("note", s))) }, []string{"in", "note"}},
		{"error", func(l *zap.Logger, s string) { l.Info("", zap.Error(errors.New(s))) }, []string{"exception.message"}},
		{"wrapped error", func(l *zap.Logger, s string) {
			l.Info("", zap.NamedError("cause", fmt.Errorf("%w", errors.New(s))))
		}, []string{"cause", "message"}},
		{"slog message", func(l *zap.Logger, s string) { slogger(l).Info(s) }, []string{"body"}},
		{"slog", func(l *zap.Logger, s string) { slogger(l).Info("", "note", s) }, []string{"note"}},
		{"slog with", func(l *zap.Logger, s string) { slogger(l).With("note", s).Info("") }, []string{"note"}},
		{"slog group", func(l *zap.Logger, s string) { slogger(l).WithGroup("in").Info("", "note", s) }, []string{"in", "note"}},
		{"slog any", func(l *zap.Logger, s string) { slogger(l).Info("", "in", noted{s}) }, []string{"in", "note"}},
		{"slog error", func(l *zap.Logger, s string) { slogger(l).Info("", "err", errors.New(s)) }, []string{"exception.message"}},
		{"context", func(l *zap.Logger, s string) {
			logging.FromContext(logging.With(logging.NewContext(context.Background(), l), zap.String("note", s))).Info("")
		}, []string{"note"}},
	}
}

// What names a field or a member may be somebody's text as well: sessions by their token.
func TestNamesAndBytesAreSearchedToo(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	for _, c := range redacttest.Corpus() {
		if len(c.Text) > 256 || !utf8.ValidString(c.Text) {
			continue
		}
		l.Info("", zap.Bool("-"+c.Text, true), zap.Any("in", map[string]bool{"-" + c.Text: true}), zap.Any("note", []byte("-"+c.Text)))
		l.Info("", zap.String("note", "-"+c.Text))
		want := out.last(t)["note"].(string)
		line := out.all(t)[0]
		if _, ok := line[want]; !ok {
			t.Errorf("field %q became %v", c.Text, line)
		}
		if _, ok := line["in"].(map[string]any)[want]; !ok {
			t.Errorf("member %q became %v", c.Text, line["in"])
		}
		if got, err := base64.StdEncoding.DecodeString(line["note"].(string)); err != nil || string(got) != want {
			t.Errorf("bytes %q became %q, %v", c.Text, got, err)
		}
		out.Reset()
	}
}

type text string

func (s text) String() string { return string(s) }

func TestEveryWayTakesOutWhatIsSecretAndKeepsTheRest(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	corpus := redacttest.Corpus()
	for _, way := range ways() {
		for _, c := range corpus {
			way.log(l, c.Text)
		}
	}
	lines := out.all(t)
	for _, way := range ways() {
		for _, c := range corpus {
			var got any = lines[0]
			for _, key := range way.path {
				got = got.(map[string]any)[key]
			}
			if got != c.Want {
				t.Errorf("%s: %q became %q, want %q", way.name, c.Text, got, c.Want)
			}
			lines = lines[1:]
		}
	}
}
