package kafka

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A worker that waits must not keep the last record that it had, and the batch in which that
// came, only to end its span where the handler does not return.
func TestAWorkerKeepsNothingOfAHandlerThatReturned(t *testing.T) {
	w := &worker{base: t.Context()}
	kept := false
	c, err := NewConsumer([]string{"localhost:9092"}, "g", []string{"orders"}, func(context.Context, *Record) error {
		kept = w.traced != nil
		return nil
	}, ConsumerConfig{TracerProvider: sdktrace.NewTracerProvider()})
	if err != nil {
		t.Fatal(err)
	}
	w.c = c
	d := &delivery{from: c}
	w.begin(d, c.now())
	w.handle(d, describePartition("g", "test", topicPartition{"orders", 0}), c.now())
	if !kept || w.traced != nil {
		t.Errorf("while the handler runs its context is known: %v; afterwards: %v", kept, w.traced != nil)
	}
}
