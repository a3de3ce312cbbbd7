package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// A writer publishes the records of a run and keeps account of what it was told
// about them.
type writer struct {
	topic    string
	items    []item
	random   *rand.Rand
	duration time.Duration   // how long it takes, about
	peace    <-chan struct{} // closed when nothing is killed any more
	calm     <-chan struct{} // closed when nothing is stopped either

	acked     map[place]item
	uncertain map[item]int // how often a record was published after it may have been written
	refused   int          // publishes that failed and certainly wrote nothing
}

// write publishes everything, in bursts that keep to the pace. It holds back the
// last records until peace and calm, so that something is always on its way while
// processes end. A record that could not be published is published again.
func (w *writer) write(ctx context.Context, brokers []string, log *slog.Logger) (err error) {
	w.acked, w.uncertain = map[place]item{}, map[item]int{}
	// Longer than any outage of a run: while it waits, the producer repeats a write
	// without writing twice.
	producer, err := kafka.NewProducer(brokers, kafka.ProducerConfig{DeliveryTimeout: 3 * time.Minute, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.Close(context.WithoutCancel(ctx))) }()
	begin := time.Now()
	mean := max(len(w.items)/400, 10)
	held := len(w.items) * 85 / 100
	for next := 0; next < len(w.items); {
		burst := 1 + w.random.IntN(2*mean)
		if next >= held && !closed(w.calm) {
			burst = mean / 5
			if !closed(w.peace) {
				burst = 1
			}
			if !sleep(ctx, 200*time.Millisecond) {
				return ctx.Err()
			}
		}
		end := min(next+burst, len(w.items))
		if err := w.publish(ctx, producer, w.items[next:end]); err != nil {
			return err
		}
		next = end
		due := begin.Add(w.duration * time.Duration(next) / time.Duration(len(w.items)))
		if !closed(w.calm) && !sleep(ctx, time.Until(due)) {
			return ctx.Err()
		}
	}
	return nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// publish returns when the broker has all of the records.
func (w *writer) publish(ctx context.Context, producer *kafka.Producer, items []item) error {
	records := make([]*kafka.Record, len(items))
	byRecord := map[*kafka.Record]item{}
	for i, it := range items {
		records[i] = &kafka.Record{Topic: w.topic, Key: it.keyBytes(), Value: it.value()}
		byRecord[records[i]] = it
	}
	for len(records) > 0 {
		err := producer.Publish(ctx, records...)
		failed := map[*kafka.Record]bool{}
		var again []*kafka.Record
		if publishErr, ok := errors.AsType[*kafka.PublishError](err); ok {
			for _, failure := range publishErr.Failed {
				failed[failure.Record] = true
				again = append(again, failure.Record)
				if failure.MayBeWritten {
					w.uncertain[byRecord[failure.Record]]++
				} else {
					w.refused++
				}
			}
		} else if err != nil {
			return fmt.Errorf("publish: an error that is no PublishError: %w", err)
		}
		for _, r := range records {
			if !failed[r] {
				w.acked[place{r.Partition, r.Offset}] = byRecord[r]
			}
		}
		if records = again; len(records) > 0 && !sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
	return nil
}
