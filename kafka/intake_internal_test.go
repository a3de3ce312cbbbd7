package kafka

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// newIntake holds as many records of each partition as said.
func newIntake(records ...int) (*intake, []*partition) {
	in := new(intake)
	parts := make([]*partition, len(records))
	for i, n := range records {
		parts[i] = &partition{topicPartition: topicPartition{"t", int32(i)}}
		batch := make([]*kgo.Record, n)
		for offset := range batch {
			batch[offset] = &kgo.Record{Offset: int64(offset), Value: make([]byte, 10)}
		}
		in.add(parts[i], batch)
	}
	return in, parts
}

// order takes all that there is, and returns the partitions in their order.
func order(in *intake, room int) (partitions []int32) {
	for p, records := in.takeLocked(room); p != nil; p, records = in.takeLocked(room) {
		for range records {
			partitions = append(partitions, p.partition)
		}
	}
	return partitions
}

// Records without a key have one order in each partition: if a partition came
// only after the one before, one worker would do all.
func TestPartitionsTakeTurns(t *testing.T) {
	in, _ := newIntake(2*itemChunk, itemChunk+1, 1)
	got := slices.Compact(order(in, 1000))
	if want := []int32{0, 1, 2, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("partitions came in the order %v, want %v", got, want)
	}
	if in.bytes != 0 {
		t.Errorf("%d bytes are held of nothing", in.bytes)
	}
}

func TestIntakeKeepsToTheRoom(t *testing.T) {
	in, _ := newIntake(5)
	if p, records := in.takeLocked(0); p != nil || records != nil {
		t.Error("records are taken without room")
	}
	if _, records := in.takeLocked(3); len(records) != 3 || in.bytes != 20 {
		t.Errorf("%d records are taken, %d bytes left", len(records), in.bytes)
	}
	if _, records := in.takeLocked(3); len(records) != 2 || records[0].Offset != 3 {
		t.Errorf("then %d records from %d", len(records), records[0].Offset)
	}
}

// A partition that is to wait must not hold up the others, and its records are
// there when it goes on.
func TestStoppedPartitionsWaitInTheIntake(t *testing.T) {
	in, parts := newIntake(2, 2)
	for _, stop := range []func(bool){
		func(on bool) { parts[0].stuck = on },
		func(on bool) { parts[0].crowded = on },
		func(on bool) { parts[0].refused = on },
		func(on bool) { parts[0].burying = int(flag(on)) },
	} {
		stop(true)
		if p, _ := in.takeLocked(1); p != nil && p != parts[1] {
			t.Error("a record of a stopped partition is taken")
		}
		stop(false)
	}
	parts[0].stuck = true
	if in.readyLocked() || in.bytes != 20 {
		t.Errorf("ready: %v, with %d bytes of a stopped partition", in.readyLocked(), in.bytes)
	}
	parts[0].stuck = false
	if p, records := in.takeLocked(10); p != parts[0] || len(records) != 2 {
		t.Errorf("%d records when it goes on", len(records))
	}
}

func TestRevokedPartitionsLeaveTheIntake(t *testing.T) {
	in, parts := newIntake(40, 1)
	in.takeLocked(10)
	parts[0].revoked = true
	if got := order(in, 10); !slices.Equal(got, []int32{1}) || in.bytes != 0 {
		t.Errorf("taken of %v, %d bytes left", got, in.bytes)
	}
}

// The client may hand out more of a partition while records of it wait here: it
// was stopped for a moment. What the tracker has once passed over is lost, so the
// order must hold whatever comes when.
func TestRecordsOfAPartitionKeepTheirOrderInTheIntake(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		in, parts := newIntake(0, 0, 0)
		added, taken := make([]int64, len(parts)), make([]int64, len(parts))
		takeOne := func() bool {
			p, records := in.takeLocked(1 + random.IntN(20))
			for _, r := range records {
				if r.Offset != taken[p.partition] {
					t.Fatalf("seed %d: partition %d: offset %d comes after %d", seed, p.partition, r.Offset, taken[p.partition]-1)
				}
				taken[p.partition]++
			}
			return p != nil
		}
		for range 100 {
			i := random.IntN(len(parts))
			switch random.IntN(4) {
			case 0:
				batch := make([]*kgo.Record, random.IntN(40), 50) // The room behind it is the client's.
				for n := range batch {
					batch[n] = &kgo.Record{Offset: added[i]}
					added[i]++
				}
				in.add(parts[i], batch)
			case 1:
				parts[i].stuck = !parts[i].stuck
			default:
				takeOne()
			}
		}
		for _, p := range parts {
			p.stuck = false
		}
		for takeOne() {
		}
		if !slices.Equal(added, taken) || in.bytes != 0 {
			t.Fatalf("seed %d: added %d, taken %d, %d bytes left", seed, added, taken, in.bytes)
		}
	}
}
