package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// redriveRow puts 100,000 dead letters back. There is no peer to compare with: what the client below
// takes to read and to write as many records is the floor.
func redriveRow(on string) row {
	r := row{name: on + ": redrive of dead letters, 256 B", unit: "record", contenders: []contender{
		{"sdk", "zero Config", redriving},
	}, n: 100_000, bars: []bar{perSecond(50_000)}}
	if on != onEmbedded {
		r.bars, r.noBar = nil, "the bar is that of the embedded broker"
	}
	return r
}

func redriving() (work, func(), error) {
	c, err := theCluster()
	if err != nil {
		return nil, nil, err
	}
	topic, err := c.shared("redrive", consumePartitions)
	if err != nil {
		return nil, nil, err
	}
	return func(n int) (time.Duration, error) {
		group := c.group()
		letters, err := c.shared(group, consumePartitions)
		if err != nil {
			return 0, err
		}
		if err := writeLetters(c, topic, letters, group, n); err != nil {
			return 0, err
		}
		begin := time.Now()
		got, err := kafka.Redrive(context.Background(), c.addrs, topic, group, kafka.RedriveConfig{From: letters, Logger: slog.New(slog.DiscardHandler)})
		if err == nil && got.Redriven != n {
			err = fmt.Errorf("%d of %d dead letters were put back", got.Redriven, n)
		}
		return time.Since(begin), err
	}, nil, nil
}

// writeLetters writes dead letters as a consumer does, with the code by which they are known as the SDK's.
func writeLetters(c *cluster, topic, letters, group string, n int) error {
	value := make([]byte, recordBytes)
	now := time.Now()
	return c.write(letters, n, func(i int) *kgo.Record {
		partition := int32(i % consumePartitions)
		id := kafka.ID{Topic: topic, Partition: partition, Offset: int64(i / consumePartitions)}
		f := kafka.Failure{Origin: id, Source: id, Group: group, Code: errors.Unknown, Message: "not today", Deliveries: 1, Attempts: 1, Timestamp: now, FirstFailure: now}
		r := &kgo.Record{Topic: letters, Partition: partition, Key: strconv.AppendInt(nil, int64(i%recordKeys), 10), Value: value}
		for _, h := range f.AppendHeaders(nil) {
			r.Headers = append(r.Headers, kgo.RecordHeader(h))
		}
		return r
	})
}
