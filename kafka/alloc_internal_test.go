package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What a record costs between the client and the next one, with a handler
// timeout, a span and log attributes, without an OpenTelemetry SDK.
func TestRecordAllocations(t *testing.T) {
	c, err := NewConsumer([]string{"localhost:9092"}, "g", []string{"orders"}, func(context.Context, *Record) error { return nil }, ConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	tp := topicPartition{"orders", 0}
	c.sched.assign(tp, describePartition("g", "test", tp))
	w := &worker{c: c, base: t.Context()}
	r := &kgo.Record{Topic: "orders", Key: []byte("k"), Value: make([]byte, 256), Timestamp: time.Now()}
	s, now := c.sched, time.Now()
	step := func() {
		s.offerLocked(s.parts[tp], &c.newItems([]*kgo.Record{r})[0])
		it, _ := s.nextLocked()
		f := w.attempt(w.takeLocked(it, now), it)
		c.metrics.processed(it.part.describe, time.Millisecond, f.code)
		w.current, w.part = nil, nil
		s.finishLocked(it, f, now)
		r.Offset++
	}
	for range 1000 {
		step()
	}
	// The client's own 2 come on top.
	if allocs := testing.AllocsPerRun(1000, step); allocs > 4 {
		t.Errorf("%v allocations for a record, want at most 4", allocs)
	}
}
