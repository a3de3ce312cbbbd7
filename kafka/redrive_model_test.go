package kafka_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// model is what Redrive is to do, the simple way: it remembers every dead
// letter that was put back.
type model struct {
	letters [][]modelLetter // By partition, in order.
}

type modelLetter struct {
	name   string
	code   errors.Code
	reason string
	time   time.Time
	done   bool
}

func (m *model) redrive(cfg kafka.RedriveConfig) (redriven int) {
	for p, letters := range m.letters {
		for i := range letters {
			l := &letters[i]
			f := cfg.Filter
			switch {
			case l.done,
				len(f.Partitions) > 0 && !slices.Contains(f.Partitions, int32(p)),
				len(f.Codes) > 0 && !slices.Contains(f.Codes, l.code),
				len(f.Reasons) > 0 && !slices.Contains(f.Reasons, l.reason),
				!f.Since.IsZero() && l.time.Before(f.Since),
				!f.Until.IsZero() && !l.time.Before(f.Until):
				continue
			}
			if cfg.Limit > 0 && redriven == cfg.Limit {
				return redriven
			}
			redriven++
			l.done = true
		}
	}
	return redriven
}

var (
	modelCodes   = []errors.Code{errors.Internal, errors.Unavailable, errors.InvalidArgument}
	modelReasons = []string{"", "A", "B"}
	modelEpoch   = time.UnixMilli(1790000000000)
)

func randomLetters(rng *rand.Rand, b *kafkatest.Broker, t *testing.T, m *model) {
	t.Helper()
	var all []kafka.Record
	for range rng.IntN(30) {
		p := rng.IntN(len(m.letters))
		l := modelLetter{
			name: fmt.Sprintf("%d-%d", p, len(m.letters[p])), code: modelCodes[rng.IntN(3)], reason: modelReasons[rng.IntN(3)],
			time: modelEpoch.Add(time.Duration(rng.IntN(100)) * time.Second),
		}
		all = append(all, dead(int32(p), int64(len(m.letters[p])), func(r *kafka.Record, f *kafka.Failure) {
			r.Value, r.Timestamp, f.Code, f.Reason = []byte(l.name), l.time, l.code, l.reason
		}))
		m.letters[p] = append(m.letters[p], l)
	}
	b.Produce(t, all...)
}

func randomRedrive(rng *rand.Rand, partitions int) kafka.RedriveConfig {
	var f kafka.DeadLetterFilter
	if rng.IntN(2) == 0 {
		f.Codes = modelCodes[:rng.IntN(3)]
	}
	if rng.IntN(4) == 0 {
		f.Reasons = modelReasons[1 : 2+rng.IntN(2)]
	}
	if rng.IntN(4) == 0 {
		f.Since = modelEpoch.Add(time.Duration(rng.IntN(3)*30) * time.Second)
	}
	if rng.IntN(4) == 0 {
		f.Until = modelEpoch.Add(time.Duration(61+rng.IntN(3)*20) * time.Second)
	}
	if rng.IntN(4) == 0 {
		f.Partitions = []int32{int32(rng.IntN(partitions))}
	}
	return kafka.RedriveConfig{Filter: f, Batch: 1 + rng.IntN(8), Limit: max(0, rng.IntN(20)-5)}
}

func TestRedriveDoesWhatASimpleModelDoes(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		b := start(t, 3)
		m := &model{letters: make([][]modelLetter, 3)}
		for round := range 15 {
			if rng.IntN(3) == 0 {
				randomLetters(rng, b, t, m)
			}
			cfg := randomRedrive(rng, 3)
			got, want := redrive(t, b, cfg).Redriven, m.redrive(cfg)
			if got != want {
				t.Fatalf("seed %d, round %d: %+v put back %d, want %d", seed, round, cfg.Filter, got, want)
			}
		}
		got, want := redrive(t, b, kafka.RedriveConfig{}).Redriven, m.redrive(kafka.RedriveConfig{})
		if got != want {
			t.Errorf("seed %d: the rest is %d, want %d", seed, got, want)
		}
		assertAllOnce(t, b, m, 0)
	}
}

func TestRedriveLosesNothingUnderRandomFaults(t *testing.T) {
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 2))
		b := start(t, 3)
		m := &model{letters: make([][]modelLetter, 3)}
		bound := 0
		for range 15 {
			randomLetters(rng, b, t, m)
			cfg := randomRedrive(rng, 3)
			faults := []kafkatest.Fault{
				{Topic: topic, Err: kerr.TopicAuthorizationFailed},
				{Topic: topic, Err: kerr.RequestTimedOut}, // Written, and yet to be retried.
				{Request: kmsg.OffsetCommit, Err: kerr.GroupAuthorizationFailed},
				{Request: kmsg.OffsetCommit, Err: kerr.RequestTimedOut}, // Committed.
				{Request: kmsg.Fetch, Err: kerr.NotLeaderForPartition},
				{Request: kmsg.Fetch, Err: kerr.TopicAuthorizationFailed},
			}
			fault := b.Fault(faults[rng.IntN(len(faults))])
			if _, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, cfg); err != nil {
				bound += cfg.Batch
			}
			fault.Lift()
		}
		redrive(t, b, kafka.RedriveConfig{})
		assertAllOnce(t, b, m, bound)
	}
}

// assertAllOnce finds every letter of the model in the topic, and at most so
// many of them twice.
func assertAllOnce(t *testing.T, b *kafkatest.Broker, m *model, bound int) {
	t.Helper()
	count := map[string]int{}
	extra := 0
	for _, v := range values(b.Records(t, topic)) {
		if count[v]++; count[v] > 1 {
			extra++
		}
	}
	for _, letters := range m.letters {
		for _, l := range letters {
			if count[l.name] == 0 {
				t.Errorf("dead letter %s was never put back", l.name)
			}
		}
	}
	if extra > bound {
		t.Errorf("%d were put back twice, want at most %d", extra, bound)
	}
}
