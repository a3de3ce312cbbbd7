package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What records cost between the client and the next ones, with a handler timeout,
// a span and log attributes, without an OpenTelemetry SDK: a run of them shares
// one allocation, and 64 of them a context.
func TestRecordAllocations(t *testing.T) {
	c, err := NewConsumer([]string{"localhost:9092"}, "g", []string{"orders"}, func(context.Context, *Record) error { return nil }, ConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	tp := topicPartition{"orders", 0}
	c.sched.assign(tp, describePartition("g", "test", tp))
	s, p, now := c.sched, c.sched.parts[tp], time.Now()
	w := &worker{c: c, base: t.Context()}
	records := make([]*kgo.Record, itemChunk)
	for i := range records {
		records[i] = &kgo.Record{Topic: "orders", Key: []byte{byte(i)}, Value: make([]byte, 256), Timestamp: now}
	}
	run := func() {
		for _, r := range records {
			r.Offset += itemChunk
		}
		c.offer(p, records)
		for range records {
			it, _, _ := s.nextLocked()
			f := w.attempt(w.takeLocked(it, now), it, now)
			c.metrics.processed(it.part.describe, time.Millisecond, f.code)
			w.current, w.item = nil, nil
			s.finishLocked(it, f, now)
		}
	}
	for i, r := range records {
		r.Offset = int64(i)
	}
	for range 100 {
		run()
	}
	// The items are one, a context is four for every 64 records. The client's own
	// come on top.
	if allocs := testing.AllocsPerRun(1000, run); allocs > 2 {
		t.Errorf("%v allocations for %d records, want at most 2", allocs, itemChunk)
	}
}
