package logging

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// SignalTime is how long a change of the levels by a signal holds: nobody who is called at night should
// have to remember in the morning that a service writes debug lines.
const SignalTime = time.Hour

// RunLevelSignals lets signals change the levels of a logger that was made by [New] or derived from one,
// until ctx ends; then it returns nil. Main runs it in a goroutine that it waits for. Any other logger is
// an error.
//
// SIGUSR1 makes every logger one level more talkative (info becomes debug, debug trace) for [SignalTime];
// SIGUSR2 ends a temporary change at once, also one of [LevelHandler]. Both are logged as warnings. While
// nothing of the program waits for these signals they change nothing, as package os/signal has it. On systems
// that have none, such as Windows, it waits for the end of ctx.
func RunLevelSignals(ctx context.Context, l *zap.Logger) error {
	run, err := NotifyLevelSignals(l)
	if err != nil {
		return err
	}
	return run(ctx)
}

// NotifyLevelSignals is the first half of [RunLevelSignals]: from its return on no signal is missed, and run,
// which must be called once, is the second half.
func NotifyLevelSignals(l *zap.Logger) (run func(ctx context.Context) error, err error) {
	levels := LevelsOf(l)
	if levels == nil {
		return nil, errors.New("logging: signals for the levels: the logger was not made by New")
	}
	louder, calmer := levelSignals()
	received := make(chan os.Signal, 8)
	if louder != nil {
		signal.Notify(received, louder, calmer)
	}
	return func(ctx context.Context) error {
		defer signal.Stop(received)
		return follow(ctx, l, levels, received, calmer)
	}, nil
}

func follow(ctx context.Context, l *zap.Logger, levels *Levels, received <-chan os.Signal, calmer os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-received:
			if s == calmer {
				_ = change(l, levels, levels.fallback(), 0) // it is well formed
			} else {
				_ = change(l, levels, levels.louder(), SignalTime)
			}
		}
	}
}

// change sets levels and says so, under the levels before or else those after.
func change(l *zap.Logger, levels *Levels, spec string, d time.Duration) error {
	before := levels.String()
	line := l.Check(zap.WarnLevel, "log level changed")
	if err := levels.SetFor(spec, d); err != nil {
		return err
	}
	if line == nil {
		line = l.Check(zap.WarnLevel, "log level changed")
	}
	if line != nil {
		line.Write(zap.String("from", before), zap.String("to", spec), zap.Duration("for", d))
	}
	return nil
}

// louder returns the levels in force, each one lower.
func (l *Levels) louder() string {
	lower := func(level zapcore.Level) zapcore.Level { return max(level-1, traceLevel) }
	now := l.current.Load()
	next := &rules{others: lower(now.others)}
	for _, n := range now.named {
		next.named = append(next.named, rule{n.name, lower(n.level)})
	}
	return next.String()
}

// fallback returns the levels that hold when no temporary change does.
func (l *Levels) fallback() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lasting.String()
}
