// Package otlp sends a logger's lines to OpenTelemetry as well: over OTLP, if that is what the provider
// does. It is a package of its own, so that only services that import it link OpenTelemetry's bridge.
//
//	telemetry, err := tracing.Setup(ctx, "orders", tracing.Config{})
//	…
//	logger, err := logging.New("orders", logging.Config{
//		Exports: []zapcore.Core{otlp.NewCore(telemetry.LoggerProvider())},
//	})
//
// A record has what the line has: it passed the same levels, holds no secrets, is as long as a line may
// be, carries the line's span, and has errors in the attributes error.type, exception.message,
// exception.stacktrace and error. Its scope is the logger's name.
//
// # What it does not do
//
// It does not start an exporter, and neither sends nor flushes by itself: that is the provider's, which
// main shuts down last. Durations are numbers of seconds and times are texts, as in a line. The level
// trace, which OpenTelemetry's bridge does not know, is exported as debug.
package otlp

import (
	"cmp"

	"go.opentelemetry.io/contrib/bridges/otelzap"
	"go.opentelemetry.io/otel/log"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/internal/buildinfo"
)

// NewCore returns a core for logging.Config's Exports that hands lines to OpenTelemetry. The scope of
// loggers without a name is the path of the main module. Nil is the global provider, also one that is set
// later. The core is safe for concurrent use and holds nothing that needs closing.
func NewCore(provider log.LoggerProvider) zapcore.Core {
	var options []otelzap.Option
	if provider != nil {
		options = append(options, otelzap.WithLoggerProvider(provider))
	}
	return core{otelzap.NewCore(cmp.Or(buildinfo.Read().Main.Path, "main"), options...)}
}

// core is the bridge, which gives a level that it does not know no severity at all.
type core struct{ zapcore.Core }

// Check implements [zapcore.Core].
func (c core) Check(ent zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	ent.Level = max(ent.Level, zapcore.DebugLevel)
	return c.Core.Check(ent, ce)
}
