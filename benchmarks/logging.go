package main

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/logging"
)

func loggingRow() row {
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	return row{"logging: a line with five fields and trace ids", "line", []contender{
		{"sdk", "redaction on; the request's logger is made once", func() (work, func(), error) {
			base, err := logging.New("benchmark", logging.Config{Output: io.Discard})
			if err != nil {
				return nil, nil, err
			}
			logger := logging.FromContext(logging.NewContext(ctx, base))
			return logLines(logger), nil, nil
		}},
		{"zap", "the floor: the ids added once, no redaction", func() (work, func(), error) {
			core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.InfoLevel)
			span := trace.SpanContextFromContext(ctx)
			return logLines(zap.New(core, zap.AddCaller()).With(
				zap.String("trace_id", span.TraceID().String()), zap.String("span_id", span.SpanID().String()))), nil, nil
		}},
		{"slog JSON", "with the ids and a ReplaceAttr that looks at keys only", func() (work, func(), error) {
			span := trace.SpanContextFromContext(ctx)
			logger := slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{AddSource: true, ReplaceAttr: hidePasswords})).
				With("trace_id", span.TraceID().String(), "span_id", span.SpanID().String())
			return all(func(n int) error {
				for range n {
					logger.LogAttrs(ctx, slog.LevelInfo, "order accepted", slog.String("order_id", "4711"), slog.Int("items", 3),
						slog.String("customer", "17"), slog.Bool("express", true), slog.Float64("total", 12.5))
				}
				return nil
			}), nil, nil
		}},
	}, 0}
}

func logLines(logger *zap.Logger) work {
	return all(func(n int) error {
		for range n {
			logger.Info("order accepted", zap.String("order_id", "4711"), zap.Int("items", 3),
				zap.String("customer", "17"), zap.Bool("express", true), zap.Float64("total", 12.5))
		}
		return nil
	})
}

func hidePasswords(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "password" || a.Key == "token" || a.Key == "authorization" {
		return slog.String(a.Key, "REDACTED")
	}
	return a
}
