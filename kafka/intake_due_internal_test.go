package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Of what waits, the intake keeps so many bytes, and one record of each partition
// beyond: it says when the partition's turn comes.
func TestIntakeKeepsABoundOfWhatWaits(t *testing.T) {
	const size = 1 << 20
	var in intake
	topic := &retryTopic{delay: time.Hour}
	fetch := func(offset int64) []*kgo.Record {
		records := make([]*kgo.Record, 4)
		for i := range records {
			records[i] = &kgo.Record{Offset: offset + int64(i), LeaderEpoch: 3, Value: make([]byte, size), Timestamp: time.Now()}
		}
		return records
	}
	add := func(p *partition, records []*kgo.Record) { in.add(p, in.keep(p, records)) }
	parts := make([]*partition, 20)
	for i := range parts {
		parts[i] = &partition{retry: topic}
		add(parts[i], fetch(100))
	}
	if most := int64(waitingBytes + 20*size + 4*size); in.bytes > most {
		t.Errorf("%d bytes are kept, want at most %d", in.bytes, most)
	}
	first, last := parts[0], parts[19]
	if first.cut || !last.cut || !last.hoards || last.cutAt != (kgo.EpochOffset{Epoch: 3, Offset: 101}) || in.held[last].records != 1 {
		t.Errorf("first cut: %v; last: %v at %+v, %d kept", first.cut, last.cut, last.cutAt, in.held[last].records)
	}
	add(first, fetch(104))
	if !first.cut || first.cutAt.Offset != 104 || in.held[first].records != 4 {
		t.Errorf("more of the first: cut: %v at %+v, %d kept", first.cut, first.cutAt, in.held[first].records)
	}
	add(last, fetch(104)) // It was fetched before the pause took effect.
	if last.cutAt.Offset != 101 || in.held[last].records != 1 {
		t.Errorf("after a cut, %d are kept", in.held[last].records)
	}
	if p, _ := in.takeLocked(100); p != nil || in.due.IsZero() {
		t.Errorf("records of %v are handed out before they are due, at %v", p, in.due)
	}
}
