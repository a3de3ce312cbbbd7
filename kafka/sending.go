package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"
)

// sending is a record on its way: what the client gets, and what becomes of its
// outcome. It has its place in the buffer.
type sending struct {
	record  kgo.Record
	from    *Producer
	about   *sendDescription
	span    trace.Span // nil: nobody would see it
	started time.Time
	size    int64
	// To whom the outcome goes: a call of Publish, or a function.
	call   *publication
	number int
	done   func(error)
}

// prepare copies a record for the client and starts its span.
func (p *Producer) prepare(ctx context.Context, r *Record, now time.Time) *sending {
	about := p.topics.get(r.Topic, p.describe)
	headers, span := p.traces.send(ctx, about, r, now)
	return &sending{
		record: kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp, Headers: headers},
		from:   p, about: about, span: span, started: now, size: sizeOf(r),
	}
}

// give hands the record to the client. Its outcome comes once, from another
// goroutine.
//
// The caller's context is kept from the client: a record that it cancels takes all
// others of its partition with it.
func (s *sending) give() {
	s.from.client.TryProduce(s.from.expiry.context(s.started), &s.record, s.settle)
}

// settle takes the client's answer.
func (s *sending) settle(_ *kgo.Record, err error) {
	p := s.from
	err = p.expiry.outcome(err)
	p.buffer.leave(s.size)
	p.renewals.forgetTopic(p.client, s.record.Topic, err)
	p.metrics.sent(s.about, s.started, err)
	p.traces.sent(s.span, &s.record, err)
	if s.call != nil {
		s.call.settle(s.number, err)
		return
	}
	s.done(err)
}

// refuse notes that a record is not given to the client.
func (p *Producer) refuse(ctx context.Context, r *Record, err error) {
	about, now := p.topics.get(r.Topic, p.describe), time.Now()
	_, span := p.traces.send(ctx, about, r, now)
	p.metrics.sent(about, now, err)
	p.traces.sent(span, &kgo.Record{Topic: r.Topic}, err)
}
