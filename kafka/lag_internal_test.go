package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestLagCountsFromTheOldestRecordOfAllKeys(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	p := &partition{slots: map[uint64]*slot{}}
	if _, held := p.oldestLocked(); held {
		t.Error("a partition without records has an oldest one")
	}
	for i, offset := range []int64{9, 4, 7} {
		r := &kgo.Record{Offset: offset, Timestamp: now.Add(time.Duration(offset) * time.Second)}
		p.slots[uint64(i)] = &slot{first: &item{source: r}}
	}
	if oldest, held := p.oldestLocked(); !held || !oldest.Equal(now.Add(4*time.Second)) {
		t.Errorf("oldest %v, %v", oldest, held)
	}
}
