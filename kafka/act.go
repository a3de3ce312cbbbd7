package kafka

import (
	"context"
	"log/slog"
	"time"

	"github.com/backend-platform/sdk/internal/redact"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
)

// act does what a verdict asks for, outside of the scheduler's lock.
func (c *Consumer) act(it *item, v verdict) {
	if v.paused != nil {
		c.logPause(v.paused)
	}
	if v.resumed != nil {
		c.logResume(v.resumed)
	}
	switch {
	case v.fetch:
		c.applyFetching()
	case v.intake:
		c.polls.cut()
	}
	switch v.action {
	case actRetry, actHold:
		c.metrics.retried.Add(context.Background(), 1, it.part.describe.topic...)
		if v.line != nil {
			c.write(slog.LevelDebug, "record failed, will be tried again", *v.line, slog.Duration("wait", v.wait))
		}
	case actBury:
		c.bury(it)
	}
}

func (c *Consumer) logPause(p *pause) {
	c.metrics.pauses.Add(context.Background(), 1, metric.WithAttributes(c.metrics.group, attribute.String("reason", p.reason.String())))
	c.log.LogAttrs(context.Background(), slog.LevelError, "consumer paused",
		slog.String("reason", p.reason.String()), slog.Time("next_probe", p.next), errorAttr(p.err))
}

func (c *Consumer) logResume(p *pause) {
	c.log.LogAttrs(context.Background(), slog.LevelWarn, "consumer goes on",
		slog.String("reason", p.reason.String()), slog.Duration("paused_for", p.until.Sub(p.since).Round(time.Millisecond)), slog.Int("probes", p.probes))
}

// line is what is logged about a record whose attempt failed.
type line struct {
	delivery *delivery
	failure  failure
}

func (c *Consumer) lineOf(it *item) line {
	d := &delivery{Record: it.record(), from: c}
	d.attempt = it.tries
	return line{d, it.failure}
}

// debugLineLocked is nil where nobody would see it.
func (c *Consumer) debugLineLocked(it *item) *line {
	if !it.failure.debug {
		return nil
	}
	l := c.lineOf(it)
	return &l
}

// logRecord logs about a record that nobody else has.
func (c *Consumer) logRecord(level slog.Level, msg string, it *item, attrs ...slog.Attr) {
	c.write(level, msg, c.lineOf(it), attrs...)
}

func (c *Consumer) write(level slog.Level, msg string, l line, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("code", l.failure.code.String()), errorAttr(l.failure.err))
	// In the trace of the attempt that failed, so that the line and the span find each other.
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": l.failure.trace})
	c.log.LogAttrs(ctx, level, msg, l.delivery.appendAttrs(attrs)...)
}

// errorAttr is an error under the key that the other modules use, too; none is no attribute.
func errorAttr(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.Any("error", shortError{err})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return redact.Text(err.Error())
}
