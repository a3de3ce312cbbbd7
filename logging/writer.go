package logging

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap/zapcore"
)

// complaintsTo returns where a logger says what has happened to its lines, as zap does.
func complaintsTo(f *os.File) zapcore.WriteSyncer { return zapcore.Lock(zapcore.AddSync(durable(f))) }

const (
	// stallTime is how long a write may take until the lines of others are dropped. It is found out
	// within twice this time.
	stallTime = 5 * time.Second
	// complaintPause is the least time between two reports of lost lines.
	complaintPause = 10 * time.Second
)

// A writer writes lines one at a time, and keeps a service alive whose output is not: a write that fails
// or does not end costs lines, which are counted and reported, and nothing else. Only the goroutine whose
// own write does not end waits for it, since nothing can take that write back.
type writer struct {
	w          io.Writer
	complaints io.Writer // where losses are said at once; nil: nowhere

	turn       *turn
	torn       bool // the last write ended within a line; by the turn
	complained time.Time

	lost     atomic.Int64 // lines since the last that was written
	writes   atomic.Int64 // begun and ended, also those of Sync: odd while one is on its way
	watched  atomic.Bool
	overlong atomic.Pointer[chan struct{}] // closed while a write does not end
}

func newWriter(w, complaints io.Writer) *writer {
	o := &writer{w: w, complaints: complaints, turn: newTurn()}
	o.overlong.Store(new(make(chan struct{})))
	return o
}

// write writes a line, and reports whether it did. An error is returned when there is news: the first,
// and one in a while.
func (o *writer) write(line []byte) (written bool, err error) {
	if !o.begin() {
		o.lost.Add(1)
		return false, nil // the watch has said so
	}
	defer o.end()
	err = o.writeWhole(line)
	if err == nil {
		return true, nil
	}
	lost := o.lost.Add(1)
	if now := time.Now(); now.Sub(o.complained) >= complaintPause {
		o.complained = now
		return false, fmt.Errorf("logging: %d lines lost: %w", lost, err)
	}
	return false, nil
}

// sync flushes the output. A Sync that does not end costs lines as a write does.
func (o *writer) sync(s syncer) (err error) {
	if !o.begin() {
		return errors.New("logging: sync: a write has not ended")
	}
	defer o.end()
	defer recovered(&err)
	return s.Sync()
}

// begin waits for the output and reports whether the caller has it, who then calls end.
func (o *writer) begin() bool {
	if !o.turn.take(*o.overlong.Load()) {
		return false
	}
	if !o.watched.Load() {
		o.watch()
	}
	o.writes.Add(1)
	return true
}

// end also lets others write again after a write that took too long.
func (o *writer) end() {
	o.writes.Add(1)
	select {
	case <-*o.overlong.Load():
		o.overlong.Store(new(make(chan struct{})))
	default:
	}
	o.turn.leave()
}

// recovered makes an error of a panic. A logger must not be what ends the program.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the output panics: %v", p)
	}
}

// writeWhole never continues the rest of another line.
func (o *writer) writeWhole(line []byte) (err error) {
	defer recovered(&err)
	if o.torn {
		if _, err := o.w.Write([]byte{'\n'}); err != nil {
			return err
		}
		o.torn = false
	}
	n, err := o.w.Write(line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	o.torn = err != nil && n > 0
	return err
}

// takeLost returns how many lines were lost since it was last asked.
func (o *writer) takeLost() int64 {
	if o.lost.Load() == 0 {
		return 0
	}
	return o.lost.Swap(0)
}

// watch looks again in a while whether the write that begins now has ended. A timer of its own for each
// write would cost as much as the line; this one ends by itself when nothing is written any more.
func (o *writer) watch() {
	if !o.watched.CompareAndSwap(false, true) {
		return
	}
	seen := o.writes.Load()
	var look func()
	look = func() {
		now := o.writes.Load()
		switch {
		case now != seen:
			seen = now
		case now%2 == 1:
			defer o.stall() // after the next look is sure: standard error may block as well
		default:
			o.watched.Store(false)
			if o.writes.Load() != now { // it began in between, and thought that it is watched
				o.watch()
			}
			return
		}
		time.AfterFunc(stallTime, look)
	}
	time.AfterFunc(stallTime, look)
}

func (o *writer) stall() {
	overlong := *o.overlong.Load()
	select {
	case <-overlong:
		return // it is known
	default:
	}
	close(overlong)
	if o.complaints != nil {
		fmt.Fprintf(o.complaints, "logging: a write has not ended for %v; lines are dropped until it does\n", stallTime)
	}
}
