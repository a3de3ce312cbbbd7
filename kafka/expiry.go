package kafka

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kgo"
)

// expiry gives records to the client with a context that ends when the delivery timeout is
// over. The client's own timeout counts from a record's timestamp (kgo 1.22.2), which is
// when the event happened: one of an hour ago would be given up before it is sent, and
// those in its batch with it. Records that are published at about the same time share a
// context, so that it costs a record nothing.
type expiry struct {
	timeout time.Duration // Zero or negative: none.
	current atomic.Pointer[sharedContext]
}

type sharedContext struct {
	context.Context
	since time.Time
}

// sharing is how many contexts there are in a timeout: a record may live longer by one
// part of it.
const sharing = 32

// context returns the one for a record that is given to the client now.
func (e *expiry) context(now time.Time) context.Context {
	if e.timeout <= 0 {
		return context.Background()
	}
	part := e.timeout / sharing
	if c := e.current.Load(); c != nil && now.Sub(c.since) < part {
		return c
	}
	ctx, cancel := context.WithDeadline(context.Background(), now.Add(e.timeout+part))
	context.AfterFunc(ctx, cancel)
	c := &sharedContext{ctx, now}
	e.current.Store(c)
	return c
}

// outcome is the client's answer, with the end of such a context as what it means.
func (e *expiry) outcome(err error) error {
	if err != nil && e.timeout > 0 && errors.Is(err, context.DeadlineExceeded) {
		return kgo.ErrRecordTimeout
	}
	return err
}
