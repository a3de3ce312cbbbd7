package kafka

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// BatchHandler handles several records at once and returns an error for each, in
// their order; nil when all of them are done. The records have different keys, and
// come in no order. Each error means what a [Handler]'s does to its own record: one
// that fails is done with or tried again, alone, and the others are done.
//
// The context ends when the first of the records' contexts does: at its handler
// timeout, or when its partition is taken away. A batch handler must return then.
// Records that were in the batch and are not to blame are handled again in
// another one, without losing an attempt. The context carries none of the records'
// log attributes, and a span that is linked to those of all of them.
type BatchHandler func(ctx context.Context, records []*Record) []error

// BatchConfig is the configuration of [Batch]. The zero value makes a batch of
// what is there, and waits for nothing.
type BatchConfig struct {
	// Size is the most records in a batch. Zero or negative: no bound of its own.
	// There are never more than [ConsumerConfig.Workers], 64 by default.
	Size int
	// Wait is how long a batch waits for more records, while it has less than
	// Size. Zero or negative: not at all; records that come while all Parallel
	// batches are under way make the next one.
	Wait time.Duration
	// Parallel is how many batches are handled at a time. Zero: 1. Negative: no
	// bound; then only Wait makes batches larger than one.
	Parallel int
}

// Batch returns a handler that passes records on in batches, for what is cheaper
// to do for many at once, such as inserting rows. Order per key, retries, dead
// letters and the recognition of outages are those of any other handler, because
// each record still has a worker that waits for it: set [ConsumerConfig.Workers] to
// the size that batches may reach.
//
// With the zero configuration the first record is handled at once and alone, and
// what arrives meanwhile makes the next batch. So batches grow with the load, and
// a quiet topic waits for nothing.
//
// [Deduplicate] is not for batches: its store's transaction is that of one record,
// and a batch handler's context does not carry it. Write [Record.ID] beside each
// row instead, under a unique index, so that the statement passes over what is
// there; the example does.
//
// A result that has another length than the records is an error of all of them,
// with the code internal, and so is a panic, or runtime.Goexit.
func Batch(handle BatchHandler, cfg BatchConfig) Handler {
	if cfg.Parallel == 0 {
		cfg.Parallel = 1
	}
	b := &batcher{handle: handle, cfg: cfg}
	return b.handleOne
}

// batcher gathers records for batches.
type batcher struct {
	handle BatchHandler
	cfg    BatchConfig

	mu      sync.Mutex
	waiting []*batchMember // for the next batch
	running int
	timed   bool // a timer runs for the first of those that wait
}

// batchMember is a record whose worker waits for a batch.
type batchMember struct {
	ctx    context.Context
	record *Record
	since  time.Time
	done   chan batchResult // has room for one
}

type batchResult struct {
	err error
	cut bool // the batch ended because of another record
}

func (b *batcher) handleOne(ctx context.Context, r *Record) error {
	m := &batchMember{ctx: ctx, record: r, done: make(chan batchResult, 1)}
	for {
		b.mu.Lock()
		m.since = time.Now()
		b.waiting = append(b.waiting, m)
		b.startLocked()
		b.mu.Unlock()
		result := b.await(m)
		if !result.cut || ctx.Err() != nil {
			return result.err
		}
	}
}

// await returns the record's result. Once it is in a batch that is the batch's: a
// record must not come back while somebody may still work on it.
func (b *batcher) await(m *batchMember) batchResult {
	select {
	case result := <-m.done:
		return result
	case <-m.ctx.Done():
	}
	b.mu.Lock()
	at := slices.Index(b.waiting, m)
	if at >= 0 {
		b.waiting = slices.Delete(b.waiting, at, at+1)
	}
	b.mu.Unlock()
	if at >= 0 {
		return batchResult{err: m.ctx.Err()}
	}
	return <-m.done
}

// startLocked starts the batches that may start now.
func (b *batcher) startLocked() {
	for len(b.waiting) > 0 && (b.cfg.Parallel < 0 || b.running < b.cfg.Parallel) {
		if wait := b.cfg.Wait - time.Since(b.waiting[0].since); wait > 0 && (b.cfg.Size <= 0 || len(b.waiting) < b.cfg.Size) {
			b.startLater(wait)
			return
		}
		n := b.nextLocked()
		members := slices.Clone(b.waiting[:n])
		b.waiting = slices.Delete(b.waiting, 0, n)
		b.running++
		go b.run(members) // Its members' workers wait for it.
	}
}

// nextLocked says how many of those that wait make the next batch. A record that
// failed before is one of its own: what it does to others it has done once.
func (b *batcher) nextLocked() int {
	most := len(b.waiting)
	if b.cfg.Size > 0 {
		most = min(most, b.cfg.Size)
	}
	failed := slices.IndexFunc(b.waiting[:most], func(m *batchMember) bool { return m.record.Attempt() > 1 })
	if failed < 0 {
		return most
	}
	return max(failed, 1)
}

func (b *batcher) startLater(wait time.Duration) {
	if b.timed {
		return
	}
	b.timed = true
	time.AfterFunc(wait, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.timed = false
		b.startLocked()
	})
}

// run handles one batch.
func (b *batcher) run(members []*batchMember) {
	ctx, cancel := batchContext(members)
	var results []error
	defer func() { // Also where the handler ends the goroutine.
		if results == nil {
			results = slices.Repeat([]error{exited()}, len(members))
		}
		cut := ctx.Err() != nil
		cancel()
		for i, m := range members {
			m.done <- batchResult{results[i], cut && !speaksOfRecord(results[i])}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.running--
		b.startLocked()
	}()
	results = b.results(ctx, members)
}

// results calls the handler and returns an error, or nil, for each member.
func (b *batcher) results(ctx context.Context, members []*batchMember) []error {
	ctx, span := batchSpan(ctx, members)
	defer span.End()
	records := make([]*Record, len(members))
	for i, m := range members {
		records[i] = m.record
	}
	var results []error
	err := call(ctx, func(ctx context.Context, _ *Record) error {
		results = b.handle(ctx, records)
		return nil
	}, nil)
	if err == nil && results != nil && len(results) != len(members) {
		err = errors.Internal.Newf("A batch handler returned %d results for %d records.", len(results), len(members))
	}
	if err != nil {
		return slices.Repeat([]error{err}, len(members))
	}
	if results == nil {
		results = make([]error, len(members))
	}
	return results
}

// batchContext ends with the first of the members' contexts.
func batchContext(members []*batchMember) (context.Context, context.CancelFunc) {
	var earliest time.Time
	for _, m := range members {
		if deadline, ok := m.ctx.Deadline(); ok {
			earliest = earlier(earliest, deadline)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	stops := make([]func() bool, len(members))
	for i, m := range members {
		stops[i] = context.AfterFunc(m.ctx, cancel)
	}
	return deadlineContext{ctx, earliest}, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// batchSpan starts a span that is linked to those of the records, where these
// are recorded.
func batchSpan(ctx context.Context, members []*batchMember) (context.Context, trace.Span) {
	first := trace.SpanFromContext(members[0].ctx)
	if !first.IsRecording() {
		return ctx, first
	}
	links := make([]trace.Link, len(members))
	for i, m := range members {
		links[i] = trace.LinkFromContext(m.ctx)
	}
	return first.TracerProvider().Tracer(scope).Start(ctx, "process batch",
		trace.WithLinks(links...), trace.WithAttributes(semconv.MessagingBatchMessageCount(len(members))))
}

// deadlineContext tells a deadline that the contexts of the members keep.
type deadlineContext struct {
	context.Context
	deadline time.Time
}

// Deadline implements context.Context.
func (c deadlineContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// speaksOfRecord says whether a result is the record's own, also from a batch that
// was cut off.
func speaksOfRecord(err error) bool {
	return err == nil || errors.CodeOf(errors.Local(err)).Redelivery() == errors.RedeliverNever
}
