package kafka

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// flow is a consumer of 1,000 partitions in a test's hands: what the client would
// fetch, the intake, and workers that handle everything but what is stuck.
type flow struct {
	t        *testing.T
	c        *Consumer
	in       intake
	parts    []*partition
	next     []int64 // offsets to fetch
	each     int64
	stuck    *item
	fails    bool // the stuck record fails and waits; otherwise its handler does not return
	handled  int
	peakHeap uint64
}

const flowRecord = 256

func newFlow(t *testing.T, partitions int, records int64) *flow {
	t.Helper()
	c, err := NewConsumer([]string{"localhost:9092"}, "g", []string{"t"}, func(context.Context, *Record) error { return nil }, ConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	f := &flow{t: t, c: c, next: make([]int64, partitions), each: records / int64(partitions)}
	for i := range partitions {
		tp := topicPartition{"t", int32(i)}
		c.sched.assign(tp, describePartition("g", "test", tp))
		f.parts = append(f.parts, c.sched.parts[tp])
	}
	return f
}

// fetch takes in what one fetch brings of the partitions that are not paused, and
// reports whether that was anything. Every second record of partition 0 has the
// key that is stuck.
func (f *flow) fetch() bool {
	left := fetchMaxBytes
	for i, p := range f.parts {
		if p.fetchPaused() {
			continue
		}
		ftp := kgo.FetchTopicPartition{Topic: "t", FetchPartition: kgo.FetchPartition{Partition: int32(i)}}
		for ; f.next[i] < f.each && left > 0 && len(ftp.Records) < 1<<20/flowRecord; left -= flowRecord {
			r := &kgo.Record{Topic: "t", Partition: int32(i), Offset: f.next[i], Value: make([]byte, flowRecord)}
			r.Key = strconv.AppendInt(nil, r.Offset%100+1, 10)
			if i == 0 && r.Offset%2 == 0 {
				r.Key = []byte("stuck")
			}
			ftp.Records = append(ftp.Records, r)
			f.next[i]++
		}
		f.c.receive(&f.in, ftp)
	}
	return left < fetchMaxBytes
}

// run goes on until nothing more can be done without the stuck record.
func (f *flow) run() {
	s := f.c.sched
	for step := 0; ; step++ {
		room := s.roomLocked()
		p, records := f.in.takeLocked(room)
		if p == nil && !f.handle() && (room == 0 || !f.fetch()) {
			return
		}
		if p != nil {
			f.c.offer(p, records)
		}
		f.check()
		if step%1000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			f.peakHeap = max(f.peakHeap, m.HeapInuse)
		}
	}
}

// handle handles what is ready, and reports whether that was anything.
func (f *flow) handle() (any bool) {
	s, now := f.c.sched, time.Now()
	for it := s.pickLocked(now); it != nil; it = s.pickLocked(now) {
		any = true
		if f.stuck == nil && string(it.delivery.Key) == "stuck" {
			f.stuck = it
			if f.fails {
				s.finishLocked(it, aborted, now)
			}
			continue
		}
		p := it.part
		s.finishLocked(it, failure{}, now)
		f.handled++
		if mark, _, ok := p.tracker.uncommitted(); ok {
			s.committedLocked(p, mark)
		}
	}
	return any
}

func (f *flow) check() {
	s, l := f.c.sched, f.c.sched.limits
	if s.inFlight > l.records || s.bytes+f.in.bytes > l.bytes+fetchMaxBytes {
		f.t.Fatalf("%d records in flight, %d bytes in flight, %d taken in", s.inFlight, s.bytes, f.in.bytes)
	}
}

// A million records behind a stuck key must not be held in memory, nor must they
// stop the other 999 partitions.
func TestMemoryIsBoundedBehindAStuckKey(t *testing.T) {
	const partitions, records = 1000, 1_000_000
	f := newFlow(t, partitions, records)
	f.each = records / partitions
	f.run()
	s := f.c.sched
	if f.stuck == nil {
		t.Fatal("no record is stuck")
	}
	others := records - int(f.each)
	if behind := int(f.each) - 1; f.handled < others || f.handled > others+behind/2+1 {
		t.Errorf("%d records were handled, want the %d of the other partitions and at most every second of the stuck one", f.handled, others)
	}
	t.Logf("%d handled, %d in flight, %d bytes taken in and waiting, heap at most %d MiB", f.handled, s.inFlight, f.in.bytes, f.peakHeap>>20)
	s.finishLocked(f.stuck, failure{}, time.Now())
	f.handled++
	f.run()
	if f.handled != records || s.inFlight != 0 || s.bytes != 0 || f.in.bytes != 0 {
		t.Errorf("at the end %d of %d records are handled, %d in flight, %d and %d bytes held", f.handled, records, s.inFlight, s.bytes, f.in.bytes)
	}
}

// A million records of one partition behind its first, which fails: half of the
// room stays free for the other partition, and nothing more of it is fetched.
func TestMemoryIsBoundedBehindAStuckRecordOfALongPartition(t *testing.T) {
	f := newFlow(t, 2, 2_000_000)
	f.fails = true
	f.run()
	s := f.c.sched
	if !f.parts[0].fetchPaused() || f.next[0] > 50_000 {
		t.Errorf("%d records of the stuck partition were fetched, paused: %v", f.next[0], f.parts[0].fetchPaused())
	}
	if f.next[1] != f.each {
		t.Errorf("%d of %d records of the other partition were fetched", f.next[1], f.each)
	}
	t.Logf("%d handled, %d in flight, %d bytes taken in and waiting, heap at most %d MiB", f.handled, s.inFlight, f.in.bytes, f.peakHeap>>20)
}
