package logging_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/internal/logctx"
	"github.com/backend-platform/sdk/logging"
)

const (
	longMessage = "inventory answered slower than usual, the order was placed on the second attempt after a wait"
	longPath    = "/v1/orders/3f2504e0-4f89-11d3-9a0c-0305e82c3301/items"
	userAgent   = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"
)

func discarding(tb testing.TB) *zap.Logger {
	tb.Helper()
	l, err := logging.New("orders", logging.Config{Output: io.Discard})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// bareZap has the time and the level, and carries the ids as fields of the logger.
func bareZap(options ...zap.Option) *zap.Logger {
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(cfg), zapcore.Lock(zapcore.AddSync(io.Discard)), zap.InfoLevel)
	return zap.New(core, options...).With(
		zap.String("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"), zap.String("span_id", "00f067aa0ba902b7"),
		zap.String("trace_flags", "01"), zap.String("service.name", "orders"))
}

func spanContext(flags trace.TraceFlags, span byte) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36},
		SpanID:     trace.SpanID{0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, span},
		TraceFlags: flags,
	})
}

func spanned(ctx context.Context) context.Context {
	return trace.ContextWithSpanContext(ctx, spanContext(trace.FlagsSampled, 0xb7))
}

func short(l *zap.Logger) {
	l.Info("order placed", zap.String("order_id", "17"), zap.Int("items", 3), zap.Bool("gift", false),
		zap.Duration("took", 1500*time.Microsecond), zap.Float64("total", 12.5))
}

func realistic(l *zap.Logger) {
	l.Info(longMessage, zap.String("path", longPath), zap.String("user_agent", userAgent), zap.Int("status", 200),
		zap.Duration("took", 1500*time.Microsecond), zap.String("order_id", "17"))
}

func benchmarkLine(b *testing.B, l *zap.Logger, line func(*zap.Logger)) {
	b.ReportAllocs()
	for b.Loop() {
		line(l)
	}
}

func request(tb testing.TB) *zap.Logger {
	tb.Helper()
	return logging.FromContext(spanned(logging.NewContext(context.Background(), discarding(tb))))
}

func BenchmarkLine(b *testing.B)                 { benchmarkLine(b, request(b), short) }
func BenchmarkLineBareZap(b *testing.B)          { benchmarkLine(b, bareZap(), short) }
func BenchmarkLineZapCaller(b *testing.B)        { benchmarkLine(b, bareZap(zap.AddCaller()), short) }
func BenchmarkLineRealistic(b *testing.B)        { benchmarkLine(b, request(b), realistic) }
func BenchmarkLineRealisticBareZap(b *testing.B) { benchmarkLine(b, bareZap(), realistic) }
func BenchmarkLineRealisticZapCaller(b *testing.B) {
	benchmarkLine(b, bareZap(zap.AddCaller()), realistic)
}

func BenchmarkFromContext(b *testing.B) {
	ctx := logctx.With(spanned(logging.NewContext(context.Background(), discarding(b))), slog.String("http.route", "/v1/orders"))
	b.ReportAllocs()
	for b.Loop() {
		logging.FromContext(ctx)
	}
}

func BenchmarkLineDisabled(b *testing.B) {
	l := request(b)
	b.ReportAllocs()
	for b.Loop() {
		l.Debug("order placed", zap.String("order_id", "17"), zap.Int("items", 3))
	}
}

func shortSlog(ctx context.Context, l *slog.Logger) {
	l.LogAttrs(ctx, slog.LevelInfo, "order placed", slog.String("order_id", "17"), slog.Int("items", 3), slog.Bool("gift", false),
		slog.Duration("took", 1500*time.Microsecond), slog.Float64("total", 12.5))
}

func BenchmarkSlog(b *testing.B) {
	l := slog.New(logging.NewSlogHandler(discarding(b)))
	ctx := spanned(context.Background())
	b.ReportAllocs()
	for b.Loop() {
		shortSlog(ctx, l)
	}
}

// BenchmarkSlogJSON adds the ids in a wrapper and redacts keys, as programs without this package do.
func BenchmarkSlogJSON(b *testing.B) {
	replace := func(_ []string, a slog.Attr) slog.Attr {
		switch strings.ToLower(a.Key) {
		case "password", "token", "secret", "authorization":
			return slog.String(a.Key, "REDACTED")
		}
		return a
	}
	l := slog.New(traced{slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{ReplaceAttr: replace, AddSource: true})})
	ctx := spanned(context.Background())
	b.ReportAllocs()
	for b.Loop() {
		shortSlog(ctx, l)
	}
}

type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	sc := trace.SpanContextFromContext(ctx)
	r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	return h.Handler.Handle(ctx, r)
}
