package logging_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/logging"
)

const secret = "s3cr3tHunter2"

// everyWay logs a secret in every way there is (zap #993; zapslog loses redaction, zap #1468).
func everyWay(l *zap.Logger) {
	bearer := "Authorization: Bearer " + secret
	u, _ := url.Parse("https://user:" + secret + "@example.com/?token=" + secret)
	header := http.Header{"Authorization": {"Bearer " + secret}, "Accept": {"text/plain"}}
	l = l.With(zap.String("db_password", secret))
	l.Info("got "+bearer, zap.String("apiKey", secret), zap.String("header", bearer), zap.ByteString("client_secret", []byte(secret)),
		zap.Binary("private_key", []byte(secret)), zap.Any("request", map[string]any{"token": secret, "nested": []any{map[string]string{"Cookie": secret, "note": bearer}}}),
		zap.Any("secret", struct{ A string }{secret}), zap.Object("login", zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
			enc.AddString("password", secret)
			enc.OpenNamespace("deeper")
			enc.AddString("x-api-key", secret)
			return nil
		})), zap.Strings("password", []string{secret}), zap.Strings("lines", []string{bearer}), zap.Stringer("url", u), zap.Any("headers", header),
		zap.Error(fmt.Errorf("call: %w", errors.Join(errors.New(bearer), errors.New("dsn postgres://u:"+secret+"@db/x")))))
	s := slog.New(logging.NewSlogHandler(l)).With("token", secret).WithGroup("g").With("jwt", secret)
	s.Info("got "+bearer, "password", secret, slog.Group("in", "secret", secret, "note", bearer), "err", errors.New(bearer), "any", map[string]string{"cookie": secret}, "url", u)
	l.Sugar().Infow("got "+bearer, "password", secret)
	l.Sugar().Infof("password=%s", secret)
}

func TestNoSecretPasses(t *testing.T) {
	for _, format := range []logging.Format{logging.FormatJSON, logging.FormatConsole} {
		l, out := newLogger(t, logging.Config{Format: format})
		everyWay(l)
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, secret) || strings.Contains(line, "czNjcjN0") {
				t.Errorf("%s: a secret in %s", format, line)
			}
			if !strings.Contains(line, "REDACTED") {
				t.Errorf("%s: nothing was redacted in %s", format, line)
			}
		}
	}
}

func TestRedactionIsOffByOneSwitch(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoRedaction: true})
	everyWay(l)
	if strings.Contains(out.String(), "REDACTED") || strings.Count(out.String(), secret) < 20 {
		t.Errorf("got %s", out)
	}
}

func TestHarmlessFieldsPass(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	l.Info("a token bucket is no secret", zap.Int("max_tokens_count", 3), zap.Bool("has_password", true), zap.String("order_key", "17"), zap.String("time", "12:30:45"))
	want := map[string]any{"max_tokens_count": 3.0, "has_password": true, "order_key": "17", "time": "12:30:45"}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

func TestRedactionCanBeExtended(t *testing.T) {
	l, out := newLogger(t, logging.Config{
		SecretKeys: []string{"iban", "Tax-ID"}, PlainKeys: []string{"pass", "design_token"},
		SecretPatterns: []*regexp.Regexp{regexp.MustCompile(`\bemp-[0-9]{4}\b`)},
	})
	l.Info("asked by emp-1234", zap.String("IBAN", "DE1"), zap.Any("a", map[string]any{"taxId": 5, "pass": "third", "x": "emp-0000"}), zap.String("designToken", "blue"), zap.String("ibanx", "ok"))
	want := map[string]any{"IBAN": "REDACTED", "a": map[string]any{"taxId": "REDACTED", "pass": "third", "x": "REDACTED"}, "designToken": "blue", "ibanx": "ok"}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
	if body := out.last(t)["body"]; body != "asked by REDACTED" {
		t.Error(body)
	}
}

func TestSecretOverTheBoundOfAFieldIsStillKnown(t *testing.T) {
	l, out := newLogger(t, logging.Config{MaxFieldBytes: 100})
	jwt := "eyJ" + strings.Repeat("a", 30) + "." + strings.Repeat("b", 60) + "." + strings.Repeat("c", 40)
	l.Info(strings.Repeat("x ", 40) + jwt)
	if body := out.last(t)["body"].(string); strings.Contains(body, "eyJ") {
		t.Error(body)
	}
}

func TestWhatIsInANamespaceNamedLikeASecretIsOne(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	s := slog.New(logging.NewSlogHandler(l)).WithGroup("cookies")
	l.Info("hello", zap.Namespace("credentials"), zap.String("user", secret), zap.Bool("known", true), zap.Namespace("more"), zap.Int("pin", 1234))
	l.With(zap.Namespace("password"), zap.String("old", secret)).Info("hello", zap.String("new", secret))
	s.Info("hello", "session", secret)
	s.With("a", secret).Info("hello", "b", secret, "err", errors.New(secret), "in", slog.GroupValue(slog.String("c", secret)))
	if strings.Contains(out.String(), secret) || strings.Contains(out.String(), "1234") {
		t.Errorf("a secret in %s", out)
	}
	want := map[string]any{"cookies": map[string]any{"a": "REDACTED", "b": "REDACTED", "err": "REDACTED", "in": "REDACTED"}}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
	plain, out := newLogger(t, logging.Config{NoCaller: true, PlainKeys: []string{"credentials"}})
	plain.Info("hello", zap.Namespace("credentials"), zap.String("user", "ada"))
	if diff := cmp.Diff(map[string]any{"credentials": map[string]any{"user": "ada"}}, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}

// card hides itself, as slog's documentation shows.
type card string

func (card) LogValue() slog.Value { return slog.StringValue("a card") }

type holder struct{ name, pin string }

func (h *holder) LogValue() slog.Value { return slog.GroupValue(slog.String("name", h.name)) }
func (h *holder) String() string       { return h.name + h.pin }

func TestValueThatSaysHowItIsLoggedIsAskedByZapToo(t *testing.T) {
	l, out := newLogger(t, logging.Config{NoCaller: true})
	ada := &holder{"Ada", secret}
	l.Info("hello", zap.Any("card", card(secret)), zap.Any("holder", ada), zap.Stringer("text", ada), zap.Any("nobody", (*holder)(nil)), zap.Dict("in", zap.Any("card", card(secret))))
	name := map[string]any{"name": "Ada"}
	want := map[string]any{"card": "a card", "holder": name, "text": name, "nobody": "<nil>", "in": map[string]any{"card": "a card"}}
	if diff := cmp.Diff(want, out.fields(t)); diff != "" {
		t.Error(diff)
	}
}
