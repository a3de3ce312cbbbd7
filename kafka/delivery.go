package kafka

import (
	"context"
	"hash/fnv"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/internal/logctx"
)

// delivery is one attempt at a record: the record itself, and the context of
// the handler, in one allocation. It ends with a context of the worker's, which
// serves many deliveries: context.WithTimeout alone costs four allocations.
type delivery struct {
	Record
	from     *Consumer
	session  *session
	deadline time.Duration // since the consumer was made; 0: none
	ended    atomic.Uint32
}

// Why a delivery's context ended.
const (
	endedNot uint32 = iota
	endedByTimeout
	endedByUs // the partition is given up
)

// recordContext is the context that a handler gets.
type recordContext struct{ *delivery }

// Deadline implements context.Context.
func (c recordContext) Deadline() (time.Time, bool) {
	if c.deadline == 0 {
		return time.Time{}, false
	}
	return c.expiry(), true
}

func (d *delivery) expiry() time.Time { return d.from.made.Add(d.deadline) }

// Done implements context.Context.
func (c recordContext) Done() <-chan struct{} { return c.session.Done() }

// Err implements context.Context.
func (c recordContext) Err() error {
	if c.session.Err() == nil {
		return nil
	}
	if c.ended.Load() == endedByTimeout {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Value implements context.Context, and logctx's key: the record's attributes
// are made when a line is written, which most records never see.
func (c recordContext) Value(key any) any {
	if key == (logctx.Key{}) {
		return c
	}
	return c.session.Value(key)
}

// AppendAttrs implements logctx.Source.
func (c recordContext) AppendAttrs(dst []slog.Attr) []slog.Attr {
	return c.appendAttrs(logctx.Append(c.session, dst))
}

func (d *delivery) appendAttrs(dst []slog.Attr) []slog.Attr {
	dst = append(dst,
		slog.String(attrTopic, d.Topic),
		slog.Int(attrPartition, int(d.Partition)),
		slog.Int64(attrOffset, d.Offset),
		slog.String(attrGroup, d.from.group),
		slog.Int(attrAttempt, int(d.attempt)),
	)
	if d.Key != nil {
		// A key may be somebody's address: its hash is enough to find a key's lines.
		h := fnv.New64a()
		_, _ = h.Write(d.Key)
		dst = append(dst, slog.String(attrKeyHash, strconv.FormatUint(h.Sum64(), 16)))
	}
	return dst
}

// session is a context that a worker's deliveries share.
type session struct {
	context.Context
	cancel context.CancelCauseFunc
}
