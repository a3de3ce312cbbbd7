package kafka

import (
	"context"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/twmb/franz-go/pkg/kgo"
)

// newLane is a consumer with a partition whose handlers take next to no time.
func newLane(t *testing.T, h Handler) (*Consumer, *partition) {
	t.Helper()
	c, err := NewConsumer([]string{"localhost:9092"}, "g", []string{"orders"}, h, ConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	tp := topicPartition{"orders", 0}
	c.sched.assign(tp, describePartition("g", "test", tp))
	c.sched.wakes.pace = 0
	return c, c.sched.parts[tp]
}

func logOf(from int64, n int) []*kgo.Record {
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: "orders", Key: []byte{byte(i % 7)}, Value: make([]byte, 256), Offset: from + int64(i)}
	}
	return records
}

// While handlers are fast, a record costs no allocation of its own.
func TestRecordsOfALaneShareTheirAllocations(t *testing.T) {
	c, p := newLane(t, func(context.Context, *Record) error { return nil })
	w := &worker{c: c, base: t.Context()}
	records := logOf(0, maxRun)
	allocs := testing.AllocsPerRun(1000, func() {
		for _, r := range records {
			r.Offset += maxRun
		}
		c.sched.wakes.pace = 0 // However slow the machine is.
		c.offer(p, records)
		c.sched.mu.Lock()
		defer c.sched.mu.Unlock()
		_, r, _ := c.sched.nextLocked()
		if r == nil || len(r.records) != maxRun {
			t.Fatal("the records do not come as a run")
		}
		w.runLocked(r, c.now())
	})
	// The run and its place in the lane, its deliveries in chunks, and a context for every 64.
	if want := 2 + float64(maxRun/runChunk) + 5*2; allocs > want {
		t.Errorf("%v allocations for %d records, want at most %v", allocs, maxRun, want)
	}
}

// A lane may be broken up at any moment, also between two records. Each record is handled
// once all the same, in the order of its key, and the mark gets to the end.
func TestALaneIsBrokenUpAtAnyMoment(t *testing.T) {
	const n = 20_000
	var mu sync.Mutex
	last, handled := map[byte]int64{}, 0
	all := make(chan struct{})
	c, p := newLane(t, func(_ context.Context, r *Record) error {
		mu.Lock()
		defer mu.Unlock()
		if before, ok := last[r.Key[0]]; ok && r.Offset <= before {
			t.Errorf("offset %d of key %d is handled after %d", r.Offset, r.Key[0], before)
		}
		last[r.Key[0]] = r.Offset
		if handled++; handled == n {
			close(all)
		}
		return nil
	})
	s := c.sched
	s.limits.ahead = 2 * n
	var wg sync.WaitGroup
	for range 4 {
		w := &worker{c: c, base: t.Context()}
		c.workers = append(c.workers, w)
		wg.Go(w.loop)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for records := logOf(0, n); len(records) > 0; {
		few := min(1+random.IntN(maxRun), len(records), s.limits.records)
		s.mu.Lock()
		s.wakes.pace = 0
		if random.IntN(3) == 0 {
			s.breakUpLocked(p, time.Now())
		}
		room := s.roomLocked()
		s.mu.Unlock()
		if room < few {
			<-s.room
			continue
		}
		c.offer(p, records[:few])
		records = records[few:]
	}
	<-all
	s.mu.Lock()
	s.closeLocked()
	s.mu.Unlock()
	wg.Wait()
	if mark, _, _ := p.tracker.uncommitted(); mark != n || s.inFlight != 0 || s.queued != 0 || p.busy != 0 {
		t.Errorf("mark %d, %d in flight, %d queued, %d busy", mark, s.inFlight, s.queued, p.busy)
	}
}

// A partition whose records were dealt by key gets its lane back while more of them come,
// however many there are, and one with a record that takes long is not kept waiting for it.
func TestAPartitionGathersForItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newLane(t, func(context.Context, *Record) error { return nil })
		s := c.sched
		s.wakes.pace = patience
		c.offer(p, logOf(0, 15))
		s.wakes.pace = 0
		in := &intake{hasty: true}
		in.add(p, logOf(15, 200))
		handle := func() {
			s.finishLocked(s.pickLocked(time.Now()), failure{}, time.Now())
		}
		long := s.pickLocked(time.Now())
		for p.dealt > 7 { // Each one that is done extends the time.
			if q, _ := in.takeLocked(100); q != nil || in.due.IsZero() || in.readyLocked() {
				t.Fatalf("records come beside %d that are dealt by key; to be looked at again: %v", p.dealt, in.due)
			}
			handle()
			time.Sleep(gatherFor)
		}
		in.takeLocked(100)
		time.Sleep(gatherFor)
		if q, records := in.takeLocked(100); q != p || len(records) != itemChunk {
			t.Fatalf("%d records while one takes long, want %d", len(records), itemChunk)
		}
		s.finishLocked(long, failure{}, time.Now())
		for p.dealt > 0 {
			handle()
		}
		if q, records := in.takeLocked(100); q != p || len(records) != maxRun {
			t.Fatalf("%d records when nothing is in flight, want a run of %d", len(records), maxRun)
		}
	})
}

// A record that the log has lost to an unclean election may still be at work. Its
// partition has no lane meanwhile: a later record of its key would run beside it.
func TestALaneWaitsForRecordsThatTheLogHasLost(t *testing.T) {
	c, p := newLane(t, func(context.Context, *Record) error { return nil })
	s, now := c.sched, time.Now()
	record := func(offset int64, epoch int32, key string) *kgo.Record {
		return &kgo.Record{Topic: "orders", Offset: offset, LeaderEpoch: epoch, Key: []byte(key)}
	}
	s.wakes.pace = patience
	c.offer(p, []*kgo.Record{record(5, 1, "a")})
	lost := s.pickLocked(now)
	c.offer(p, []*kgo.Record{record(5, 2, "b")})
	s.finishLocked(s.pickLocked(now), failure{}, now)
	s.wakes.pace = 0
	c.offer(p, []*kgo.Record{record(6, 2, "a")})
	if s.pickRunLocked() != nil || s.pickLocked(now) != nil {
		t.Error("a record of the key is handed out while an earlier one is at work")
	}
	s.finishLocked(lost, failure{}, now)
	if it := s.pickLocked(now); it == nil || it.source.Offset != 6 {
		t.Fatalf("then %v is handed out", it)
	} else {
		s.finishLocked(it, failure{}, now)
	}
	c.offer(p, []*kgo.Record{record(7, 2, "a")})
	if s.pickRunLocked() == nil || s.inFlight != 1 {
		t.Errorf("no run although nothing else is in flight: %d are", s.inFlight-1)
	}
}

// A poll may find that a partition gathers only after it has looked what there is. Somebody
// has to wake it all the same when that is over.
func TestAPollIsWokenForAPartitionThatGathersSinceItLooked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newLane(t, func(context.Context, *Record) error { return nil })
		client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"), kgo.ConsumeTopics("orders"), kgo.Dialer(noBroker))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		s := c.sched
		s.wakes.pace = patience
		c.offer(p, logOf(0, 3))
		s.wakes.pace = 0
		in := intake{hasty: true}
		in.add(p, logOf(3, 100))
		p.yields = true
		if q, _ := in.takeLocked(100); q != nil {
			t.Fatal("a partition that yields is taken")
		}
		p.yields = false // A worker has finished, and cuts a poll that has not begun.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go c.keepTime(ctx)
		begun := time.Now()
		if err := c.fetch(ctx, client, &in, 100); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 10*gatherFor {
			t.Errorf("the poll waited %v for records that are there", took)
		}
	})
}

func noBroker(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A lane keeps nothing of the records that it had, neither when it is idle nor when more of
// them always come.
func TestALaneKeepsNothingOfWhatIsDone(t *testing.T) {
	for name, waiting := range map[string]int{"idle": 0, "busy": 7} {
		t.Run(name, func(t *testing.T) {
			c, p := newLane(t, func(context.Context, *Record) error { return nil })
			var kept []weak.Pointer[kgo.Record]
			for i := range waiting + 1 {
				records := logOf(int64(10*i), 10)
				kept = append(kept, weak.Make(records[0]))
				c.offer(p, records)
			}
			c.sched.finishRunLocked(c.sched.pickRunLocked(), failure{}, time.Now())
			runtime.GC()
			for i, record := range kept {
				if there := record.Value() != nil; there != (i > 0) {
					t.Errorf("run %d is kept: %v", i, there)
				}
			}
			runtime.KeepAlive(c)
		})
	}
}

// The clock comes for a handler that began before. A run that began since then has time, and
// a break-up would cost it its lane.
func TestTheClockLeavesARunThatHasTime(t *testing.T) {
	c, p := newLane(t, func(context.Context, *Record) error { return nil })
	w := &worker{c: c, base: t.Context()}
	c.workers = []*worker{w}
	c.offer(p, logOf(0, 10))
	c.sched.mu.Lock()
	defer c.sched.mu.Unlock()
	now := c.now()
	w.run = c.sched.pickRunLocked()
	w.deliver(w.run, 0, now)
	c.nextDeadline = now
	if next := c.expireLocked(now); w.run.current != nil || !next.Equal(now.Add(c.cfg.HandlerTimeout)) {
		t.Errorf("broken up: %v; the clock comes again in %v", w.run.current != nil, next.Sub(now))
	}
	c.expireLocked(now.Add(c.cfg.HandlerTimeout))
	if d, _ := w.holdsLocked(); d == nil || d.session.Err() == nil {
		t.Error("the handler of a run whose time is over goes on")
	}
}
