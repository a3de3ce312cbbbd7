package main

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/logging"
)

// loggingRows compare loggers that all write JSON to a writer that does nothing, one line at a time, with
// the ids of a span in each line. Zap's times have nanoseconds, as the SDK's and slog's.
func loggingRows() []row {
	return []row{
		zapRow("logging: a line of zap with five short fields", 1.5, shortLine, shortSlogLine),
		zapRow("logging: a line of zap as services write it", 2, realisticLine, realisticSlogLine),
		slogRow("logging: a line of slog with five short fields", shortSlogLine),
		slogRow("logging: a line of slog as services write it", realisticSlogLine),
		requestRow(),
	}
}

const (
	longMessage = "inventory answered slower than usual, the order was placed on the second attempt after a wait"
	longPath    = "/v1/orders/3f2504e0-4f89-11d3-9a0c-0305e82c3301/items"
	userAgent   = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"
	took        = 1500 * time.Microsecond
)

func shortLine(l *zap.Logger) {
	l.Info("order placed", zap.String("order_id", "17"), zap.Int("items", 3), zap.Bool("gift", false),
		zap.Duration("took", took), zap.Float64("total", 12.5))
}

func realisticLine(l *zap.Logger) {
	l.Info(longMessage, zap.String("path", longPath), zap.String("user_agent", userAgent), zap.Int("status", 200),
		zap.Duration("took", took), zap.String("order_id", "17"))
}

func shortSlogLine(ctx context.Context, l *slog.Logger) {
	l.LogAttrs(ctx, slog.LevelInfo, "order placed", slog.String("order_id", "17"), slog.Int("items", 3), slog.Bool("gift", false),
		slog.Duration("took", took), slog.Float64("total", 12.5))
}

func realisticSlogLine(ctx context.Context, l *slog.Logger) {
	l.LogAttrs(ctx, slog.LevelInfo, longMessage, slog.String("path", longPath), slog.String("user_agent", userAgent), slog.Int("status", 200),
		slog.Duration("took", took), slog.String("order_id", "17"))
}

// spanned has a span, as every request has.
func spanned() context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
}

// zapIDs are the ids of a context's span as those write them who do it by hand.
func zapIDs(ctx context.Context) []zap.Field {
	span := trace.SpanContextFromContext(ctx)
	return []zap.Field{zap.String("trace_id", span.TraceID().String()), zap.String("span_id", span.SpanID().String())}
}

// sdkLogger is the SDK's, with its zero Config but for the output.
func sdkLogger(cfg logging.Config) (*zap.Logger, error) {
	cfg.Output = io.Discard
	return logging.New("benchmark", cfg)
}

func zapRow(name string, most float64, line func(*zap.Logger), slogLine func(context.Context, *slog.Logger)) row {
	sdk := func(name, note string, cfg logging.Config) contender {
		return contender{name, note, func() (work, func(), error) {
			base, err := sdkLogger(cfg)
			if err != nil {
				return nil, nil, err
			}
			l := logging.FromContext(logging.NewContext(spanned(), base))
			return repeat(func() { line(l) }), nil, nil
		}}
	}
	plain := func(name, note string, l *zap.Logger) contender {
		l = l.With(zapIDs(spanned())...)
		return simple(name, note, func() { line(l) })
	}
	return row{name: name, unit: "line", contenders: append([]contender{
		sdk("sdk", "zero Config: with file and line of the call, redaction by names and by forms, no key twice, bounded; the request's logger is made once", logging.Config{}),
		sdk("sdk, NoCaller", "the same without file and line", logging.Config{NoCaller: true}),
		plain("zap, bare", "the floor: no file and line, no redaction, the ids are added once", zap.New(plainCore())),
		plain("zap, bare with caller", "the floor of a line that says where it was written: with file and line, no redaction, the ids are added once", zap.New(plainCore(), zap.AddCaller())),
		plain("zap with a hook for keys", "with file and line; a core around zap's compares keys, and lets secrets in texts pass", zap.New(hook{plainCore(), nil}, zap.AddCaller())),
		plain("zap with a hook for keys and texts", "the same, and one regular expression for every text", zap.New(hook{plainCore(), secretText}, zap.AddCaller())),
	}, slogPeers(slogLine)...), bars: append(fasterThan("zap with a hook for keys", "slog JSON", "zapslog"), timeWithin(most, "zap, bare").orWithin(1, "zap, bare with caller"), allocsWithin(2))}
}

func slogRow(name string, line func(context.Context, *slog.Logger)) row {
	ctx := spanned()
	return row{name: name, unit: "line", contenders: append([]contender{
		{"sdk", "zero Config: with file and line, redaction by names and by forms, no key twice, bounded; the ids are the context's", func() (work, func(), error) {
			base, err := sdkLogger(logging.Config{})
			if err != nil {
				return nil, nil, err
			}
			l := slog.New(logging.NewSlogHandler(base))
			return repeat(func() { line(ctx, l) }), nil, nil
		}},
	}, slogPeers(line)...), bars: []bar{timeWithin(1.1, "slog JSON")}}
}

// slogPeers are slog's own handler with ReplaceAttr, which slog's documentation names for removing secrets, and zapslog on a
// core of zap, as its example has it; a handler around them takes a line's ids from its context.
func slogPeers(line func(context.Context, *slog.Logger)) []contender {
	ctx := spanned()
	span := trace.SpanContextFromContext(ctx)
	plain := func(name, note string, h slog.Handler) contender {
		l := slog.New(h)
		return simple(name, note, func() { line(ctx, l) })
	}
	options := &slog.HandlerOptions{AddSource: true, ReplaceAttr: hideSecrets}
	return []contender{
		plain("slog JSON", "with file and line; the ids are the context's, ReplaceAttr compares keys, secrets in texts pass", withIDs{slog.NewJSONHandler(io.Discard, options)}),
		plain("slog JSON, ids added once", "the same without looking into the context", slog.NewJSONHandler(io.Discard, options).WithAttrs([]slog.Attr{
			slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()),
		})),
		plain("zapslog", "with file and line; the ids are the context's, no redaction", withIDs{zapslog.NewHandler(plainCore(), zapslog.WithCaller(true))}),
	}
}

// requestRow is what a request pays for its logger, whether it writes a line or not.
func requestRow() row {
	plain, plainContext := zap.New(plainCore()), spanned()
	return row{name: "logging: the logger of a request", unit: "request", contenders: []contender{
		{"sdk", "FromContext, with the ids", func() (work, func(), error) {
			base, err := sdkLogger(logging.Config{})
			if err != nil {
				return nil, nil, err
			}
			ctx := logging.NewContext(spanned(), base)
			return repeat(func() { sinks.logger = logging.FromContext(ctx) }), nil, nil
		}},
		simple("zap", "With, with the ids", func() { sinks.logger = plain.With(zapIDs(plainContext)...) }),
	}, bars: []bar{allocsWithin(6)}}
}

func plainCore() zapcore.Core {
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	return zapcore.NewCore(zapcore.NewJSONEncoder(cfg), zapcore.Lock(zapcore.AddSync(io.Discard)), zap.InfoLevel)
}

// hook hides secrets before zap's core encodes them: a core around a core, which is what "Extending Zap"
// in its documentation comes to.
type hook struct {
	zapcore.Core
	text *regexp.Regexp // nil: texts are not searched
}

var secretText = regexp.MustCompile(`(?i)\b(bearer|basic) +\S+|\b(password|secret|token)=\S+`)

// With implements [zapcore.Core].
func (h hook) With(fields []zap.Field) zapcore.Core { return hook{h.Core.With(fields), h.text} }

// Check implements [zapcore.Core].
func (h hook) Check(ent zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if h.Enabled(ent.Level) {
		return ce.AddCore(ent, h)
	}
	return ce
}

// Write implements [zapcore.Core].
func (h hook) Write(ent zapcore.Entry, fields []zap.Field) error {
	if h.text != nil {
		ent.Message = h.text.ReplaceAllString(ent.Message, "REDACTED")
	}
	for i, f := range fields {
		switch {
		case secretKey(f.Key):
			fields[i] = zap.String(f.Key, "REDACTED")
		case h.text != nil && f.Type == zapcore.StringType:
			fields[i].String = h.text.ReplaceAllString(f.String, "REDACTED")
		}
	}
	return h.Core.Write(ent, fields)
}

func hideSecrets(_ []string, a slog.Attr) slog.Attr {
	if secretKey(a.Key) {
		return slog.String(a.Key, "REDACTED")
	}
	return a
}

func secretKey(key string) bool {
	switch strings.ToLower(key) {
	case "password", "token", "secret", "authorization", "cookie", "api_key":
		return true
	}
	return false
}

// withIDs adds the ids of the context's span to each record.
type withIDs struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h withIDs) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}
