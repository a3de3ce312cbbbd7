package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestLagCountsFromTheOldestRecordOfAllKeys(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var s scheduler
	p, other := &partition{salt: 1}, &partition{salt: 2}
	add := func(p *partition, hash uint64, offset int64) {
		r := &kgo.Record{Offset: offset, Timestamp: now.Add(time.Duration(offset) * time.Second)}
		s.slots.add(&slot{part: p, hash: hash, first: &item{source: r}})
	}
	if len(s.oldestLocked()) != 0 {
		t.Error("a partition without records has an oldest one")
	}
	add(other, 0, 1)
	for i, offset := range []int64{9, 4, 7} {
		add(p, uint64(i), offset)
	}
	if oldest := s.oldestLocked(); !oldest[p].Timestamp.Equal(now.Add(4*time.Second)) || oldest[other].Offset != 1 {
		t.Errorf("oldest %v", oldest)
	}
}
