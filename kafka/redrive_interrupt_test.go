package kafka_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

func TestLimitEndsARunAndTheNextGoesOn(t *testing.T) {
	b := start(t, 2)
	b.Produce(t, deadLetters(0, 5)...)
	b.Produce(t, deadLetters(1, 5)...)
	for _, n := range []int{4, 4, 2, 0} {
		want(t, redrive(t, b, kafka.RedriveConfig{Limit: 4, Batch: 3}), kafka.RedriveResult{Redriven: n})
	}
	if got := slices.Compact(values(b.Records(t, topic))); len(got) != 10 {
		t.Errorf("%d different records, want 10", len(got))
	}
}

func TestOnProgressSeesEveryBatch(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 5)...)
	var seen []int
	redrive(t, b, kafka.RedriveConfig{Batch: 2, OnProgress: func(r kafka.RedriveResult) { seen = append(seen, r.Redriven) }})
	if diff := cmp.Diff([]int{2, 4, 5}, seen); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestCancelledRedriveFinishesItsBatchAndIsResumedWithoutDuplicates(t *testing.T) {
	b := start(t, 4)
	const each = 500
	for p := range int32(4) {
		b.Produce(t, deadLetters(p, each)...)
	}
	total := 0
	for runs := 0; total < 4*each; runs++ {
		if runs > 100 {
			t.Fatal("no end in sight")
		}
		ctx, cancel := context.WithCancel(t.Context())
		got, err := kafka.Redrive(ctx, b.Addrs(), topic, group, kafka.RedriveConfig{
			Batch: 70, OnProgress: func(r kafka.RedriveResult) {
				if r.Redriven >= 150 {
					cancel()
				}
			},
		})
		cancel()
		total += got.Redriven
		if total < 4*each && !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want %v", err, context.Canceled)
		}
	}
	assertEachOnce(t, b, 4, each)
}

func assertEachOnce(t *testing.T, b *kafkatest.Broker, partitions int32, each int) {
	t.Helper()
	var all []string
	for p := range partitions {
		for i := range each {
			all = append(all, (kafka.ID{Topic: topic, Partition: p, Offset: int64(i)}).String())
		}
	}
	if diff := cmp.Diff(all, values(b.Records(t, topic))); diff != "" {
		t.Errorf("records in order (-want +got):\n%s", diff)
	}
}

func TestCancelDuringAWriteWaitsForItsAcknowledgement(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 100)...)
	hang := b.Fault(kafkatest.Fault{Topic: topic, Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan kafka.RedriveResult)
	go func() {
		got, err := kafka.Redrive(ctx, b.Addrs(), topic, group, kafka.RedriveConfig{Batch: 10})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		done <- got
	}()
	hang.Wait(t, 1)
	cancel()
	hang.Lift()
	want(t, <-done, kafka.RedriveResult{Redriven: 10})
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 90})
	assertEachOnce(t, b, 1, 100)
}

func TestCancelDoesNotWaitForABrokerThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topic: 1, dlq: 1}, Virtual: true, Timeout: time.Minute})
		b.Produce(t, deadLetters(0, 100)...)
		cfg := kafka.RedriveConfig{Batch: 10, Connection: kafka.Connection{Dial: b.Dial}, Logger: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hang := b.Fault(kafkatest.Fault{Topic: topic, Hang: true, Times: -1})
		go func() {
			hang.Wait(t, 1)
			b.Down()
			time.Sleep(time.Minute) // It waits for the broker...
			cancel()                // ... until it is told not to.
		}()
		begin := time.Now()
		got, err := kafka.Redrive(ctx, b.Addrs(), topic, group, cfg)
		if !errors.Is(err, context.Canceled) || got.Redriven != 0 {
			t.Errorf("result %+v, error %v, want none and %v", got, err, context.Canceled)
		}
		if took := time.Since(begin); took < time.Minute || took > time.Minute+15*time.Second {
			t.Errorf("returned after %s, want at most about 10s after a minute", took)
		}
		hang.Lift()
		if err := b.Up(); err != nil {
			t.Fatal(err)
		}
		if _, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, cfg); err != nil {
			t.Fatal(err)
		}
		if extra := assertEach(t, b, 100); extra > 10 {
			t.Errorf("%d duplicates, want at most a batch", extra)
		}
	})
}

func TestRateSpreadsTheWorkEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topic: 1, dlq: 1}, Virtual: true})
		b.Produce(t, deadLetters(0, 100)...)
		begin := time.Now()
		var late int
		cfg := kafka.RedriveConfig{Rate: 20, OnProgress: func(r kafka.RedriveResult) {
			if allowed := 2 + 20*time.Since(begin).Seconds(); float64(r.Redriven) > allowed {
				late++
			}
		}}
		want(t, redrive(t, b, cfg), kafka.RedriveResult{Redriven: 100})
		if took := time.Since(begin); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("100 records at 20 per second took %s", took)
		}
		if late > 0 {
			t.Errorf("%d batches came too early", late)
		}
	})
}

// A process that is killed has written a batch and not committed it: a commit
// that fails leaves the same behind.
func TestKilledRedriveRepeatsAtMostItsLastBatch(t *testing.T) {
	b := start(t, 2)
	const each, batch = 300, 50
	b.Produce(t, deadLetters(0, each)...)
	b.Produce(t, deadLetters(1, each)...)
	kills := 0
	for {
		var kill *kafkatest.Injected
		batches := kills % 3
		cfg := kafka.RedriveConfig{Batch: batch, OnProgress: func(kafka.RedriveResult) {
			if batches--; batches < 0 && kill == nil {
				kill = b.Fault(kafkatest.Fault{Request: kmsg.OffsetCommit, Group: "redrive." + dlq, Err: kerr.UnknownServerError})
			}
		}}
		_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, cfg)
		if kill != nil {
			kill.Lift()
		}
		if err == nil {
			break
		}
		if !errors.Is(err, kerr.UnknownServerError) || !strings.Contains(err.Error(), `commit progress to group "redrive.dlq.orders.shipping"`) {
			t.Fatal(err)
		}
		if kills++; kills > 100 {
			t.Fatal("no end in sight")
		}
	}
	if kills < 3 {
		t.Errorf("%d kills, want several", kills)
	}
	if extra := assertEach(t, b, 2*each); extra == 0 || extra > kills*batch {
		t.Errorf("%d duplicates after %d kills, want some and at most %d", extra, kills, kills*batch)
	}
}

func TestRedriveLosesNothingWhenWritesFail(t *testing.T) {
	b := start(t, 2)
	const each = 200
	b.Produce(t, deadLetters(0, each)...)
	b.Produce(t, deadLetters(1, each)...)
	fault := b.Fault(kafkatest.Fault{Topic: topic, Err: kerr.TopicAuthorizationFailed, Times: -1})
	for range 2 {
		_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{Batch: 30})
		if !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), `write dead letter 0 to topic "orders", partition 0`) {
			t.Fatalf("error %v", err)
		}
	}
	fault.Wait(t, 2)
	fault.Lift()
	b.Fault(kafkatest.Fault{Topic: topic, Err: kerr.NotLeaderForPartition, Times: 3})
	b.Fault(kafkatest.Fault{Request: kmsg.Fetch, Topic: dlq, Err: kerr.NotLeaderForPartition, Times: 3})
	want(t, redrive(t, b, kafka.RedriveConfig{Batch: 30}), kafka.RedriveResult{Redriven: 2 * each})
	assertEachOnce(t, b, 2, each)
}

// assertEach says how many records were put back more than once.
func assertEach(t *testing.T, b *kafkatest.Broker, n int) (extra int) {
	t.Helper()
	count := map[string]int{}
	for _, v := range values(b.Records(t, topic)) {
		count[v]++
		extra += min(1, count[v]-1)
	}
	if len(count) != n {
		t.Errorf("%d different records, want %d", len(count), n)
	}
	return extra
}
