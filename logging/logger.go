package logging

import (
	"fmt"
	"log"
	"log/slog"
	"os"

	"go.uber.org/zap"
)

// New returns a logger that writes as cfg says. It is a plain *zap.Logger; what this package adds is in
// its core. The error names every fault in service and cfg.
//
// Service is the name under service.name in each line; OTEL_SERVICE_NAME, or else service.name in
// OTEL_RESOURCE_ATTRIBUTES, wins over it, as in package tracing. The logger is safe for concurrent use.
// It starts nothing and holds nothing that needs closing; a main calls its Sync at the end if
// Config.Output keeps lines back.
func New(service string, cfg Config) (*zap.Logger, error) {
	cfg, err := cfg.withDefaults(service)
	if err != nil {
		return nil, fmt.Errorf("logging: %w", err)
	}
	levels, err := newLevels(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("logging: %w", err) // withDefaults has parsed it, so never
	}
	complaints := complaintsTo(os.Stderr)
	c := &core{out: newOutput(cfg, service, complaints, os.Getenv), levels: levels}
	if len(cfg.Exports) > 0 {
		c.exporter = newExportCore(cfg, service, levels)
	}
	return zap.New(c, zap.WithCaller(!cfg.NoCaller), zap.ErrorOutput(complaints)), nil
}

// SetDefault makes l the logger of everything that names none: [FromContext], zap.L and zap.S, slog's
// default and with it every module of this SDK, and the standard library's package log, whose lines are
// at info. Main calls it once. The function it returns puts back what was before; it is for tests.
//
// SetDefault sets the flags of package log to Lshortfile for a moment and then to zero, since only so it
// tells slog where the call was; it leaves its prefix alone.
func SetDefault(l *zap.Logger) (restore func()) {
	flags, writer, before := log.Flags(), log.Writer(), slog.Default()
	undo := zap.ReplaceGlobals(l)
	log.SetFlags(log.Lshortfile)
	slog.SetDefault(slog.New(NewSlogHandler(l)))
	return func() {
		slog.SetDefault(before)
		log.SetOutput(writer)
		log.SetFlags(flags)
		undo()
	}
}
