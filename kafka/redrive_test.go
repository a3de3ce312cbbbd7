package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

const (
	topic = "orders"
	group = "shipping"
	dlq   = "dlq.orders.shipping"
)

var own = time.UnixMilli(1700000000123)

// dead is a dead letter as the consumer of this module writes it.
func dead(partition int32, offset int64, change func(*kafka.Record, *kafka.Failure)) kafka.Record {
	source := kafka.ID{Topic: topic, Partition: partition, Offset: offset}
	r := kafka.Record{Topic: dlq, Partition: partition, Value: []byte(source.String())}
	f := kafka.Failure{
		Origin: source, Source: source, Group: group, Code: errors.Unavailable, Message: "inventory is down",
		Deliveries: 8, Attempts: 8, Timestamp: own, FirstFailure: own.Add(time.Second),
	}
	if change != nil {
		change(&r, &f)
	}
	r.Headers = f.AppendHeaders(r.Headers)
	return r
}

func deadLetters(partition int32, n int) []kafka.Record {
	var all []kafka.Record
	for i := range n {
		all = append(all, dead(partition, int64(i), nil))
	}
	return all
}

func start(t *testing.T, partitions int) *kafkatest.Broker {
	t.Helper()
	return kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topic: partitions, dlq: partitions}})
}

func redrive(t *testing.T, b *kafkatest.Broker, cfg kafka.RedriveConfig) kafka.RedriveResult {
	t.Helper()
	cfg.Connection.Dial = b.Dial
	got, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func want(t *testing.T, got, want kafka.RedriveResult) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func values(records []kafka.Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, string(r.Value))
	}
	return all
}

func TestRedrivePutsRecordsBackAsTheyWere(t *testing.T) {
	b := start(t, 3)
	mixed := []kafka.Header{{Key: "b", Value: []byte("1")}, {Key: "traceparent", Value: []byte("00-x")}, {Key: "b", Value: nil}, {Key: "a", Value: []byte{}}}
	b.Produce(t,
		dead(2, 7, func(r *kafka.Record, f *kafka.Failure) {
			r.Headers, r.Value = mixed, []byte("v")
			f.Redrives, f.Attempts = 1, 16
			f.Origin = kafka.ID{Topic: topic, Partition: 2, Offset: 3}
		}),
		dead(1, 5, func(r *kafka.Record, _ *kafka.Failure) { r.Value = nil }),
		dead(0, 5, func(r *kafka.Record, _ *kafka.Failure) { r.Value = []byte{} }),
	)
	before := time.Now().Add(-time.Minute)
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 3})

	got := b.Records(t, topic)
	if len(got) != 3 || got[0].Value == nil || len(got[0].Value) != 0 || got[1].Value != nil {
		t.Fatalf("records %v, want an empty value in partition 0 and none in partition 1", got)
	}
	r := got[2]
	if r.Partition != 2 || string(r.Value) != "v" || r.Key != nil {
		t.Errorf("record %+v, want it in partition 2 with value v and no key", r)
	}
	if want := (kafka.ID{Topic: topic, Partition: 2, Offset: 0}); r.ID() != want {
		// The origin is believed from other places only; this record lies
		// before it, which no redrive makes happen but a test does.
		t.Errorf("ID %v, want %v", r.ID(), want)
	}
	if r.Redrives() != 2 {
		t.Errorf("%d redrives, want 2", r.Redrives())
	}
	if r.Timestamp.Before(before) {
		t.Errorf("timestamp %s, want now: retention would delete it", r.Timestamp)
	}
	if diff := cmp.Diff(mixed, r.Headers[:len(mixed)]); diff != "" {
		t.Errorf("headers of the source (-want +got):\n%s", diff)
	}
	wantOwn := map[string]string{
		kafka.HeaderOrigin: "orders/2/3", kafka.HeaderAttempts: "16", kafka.HeaderRedrives: "2",
		kafka.HeaderTimestamp: "1700000000123", kafka.HeaderFirstFailure: "1700000001123",
	}
	gotOwn := map[string]string{}
	for _, h := range r.Headers[len(mixed):] {
		gotOwn[h.Key] = string(h.Value)
	}
	if diff := cmp.Diff(wantOwn, gotOwn); diff != "" {
		t.Errorf("headers of the redrive (-want +got):\n%s", diff)
	}
}

func TestRedriveKeepsTheRecordsID(t *testing.T) {
	b := start(t, 1)
	written := b.Produce(t, kafka.Record{Topic: topic}, kafka.Record{Topic: topic})
	b.Produce(t, dead(0, written[1].Offset, nil))
	redrive(t, b, kafka.RedriveConfig{})
	got := b.Records(t, topic)
	if id := got[2].ID(); id != written[1].ID() {
		t.Errorf("ID %v, want %v", id, written[1].ID())
	}
}

func TestRedriveTakesThePartitionModuloTheCount(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topic: 2, dlq: 4}})
	b.Produce(t, dead(3, 0, nil), dead(2, 0, nil))
	redrive(t, b, kafka.RedriveConfig{})
	if diff := cmp.Diff([]string{"orders/2/0", "orders/3/0"}, values(b.Records(t, topic))); diff != "" {
		t.Errorf("records by partition (-want +got):\n%s", diff)
	}
}

func TestRedriveLeavesToTheNextRunWhatIsNew(t *testing.T) {
	b := start(t, 2)
	b.Produce(t, deadLetters(0, 3)...)
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 3})
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{})
	b.Produce(t, deadLetters(1, 2)...)
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 2})
	want(t, redrive(t, b, kafka.RedriveConfig{Again: true}), kafka.RedriveResult{Redriven: 5})
	if got := len(b.Records(t, topic)); got != 10 {
		t.Errorf("%d records, want 10", got)
	}
}

func TestRedriveWithAFilterLeavesTheRestForOtherRuns(t *testing.T) {
	b := start(t, 2)
	code := func(code errors.Code) func(*kafka.Record, *kafka.Failure) {
		return func(_ *kafka.Record, f *kafka.Failure) { f.Code = code }
	}
	for i := range int64(4) {
		b.Produce(t, dead(0, 2*i, code(errors.Unavailable)), dead(0, 2*i+1, code(errors.InvalidArgument)), dead(1, i, code(errors.Internal)))
	}
	unavailable := kafka.DeadLetterFilter{Codes: []errors.Code{errors.Unavailable}}
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: unavailable}), kafka.RedriveResult{Redriven: 4, Skipped: 8})
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: unavailable}), kafka.RedriveResult{})

	both := kafka.DeadLetterFilter{Codes: []errors.Code{errors.Internal, errors.Unavailable, errors.Internal}}
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: both, DryRun: true}), kafka.RedriveResult{Redriven: 4, Done: 4, Skipped: 4})
	both.Partitions = []int32{1}
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: both}), kafka.RedriveResult{Redriven: 4})

	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 4, Done: 8})
	got := values(b.Records(t, topic))
	if slices.Sort(got); len(got) != 12 || len(slices.Compact(got)) != 12 {
		t.Errorf("records %v, want each of 12 once", got)
	}
}

func TestRedriveFilters(t *testing.T) {
	b := start(t, 2)
	at := time.UnixMilli(1790000000000)
	b.Produce(t,
		dead(0, 0, func(r *kafka.Record, f *kafka.Failure) { r.Timestamp, f.Reason = at, "OUT_OF_STOCK" }),
		dead(1, 1, func(r *kafka.Record, f *kafka.Failure) { r.Timestamp, f.Code = at.Add(time.Hour), errors.Internal }),
	)
	client := newClient(t, b)
	keyed := dead(1, 2, nil)
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: dlq, Key: []byte("k\xff"), Value: []byte("keyed"), Headers: clientHeaders(keyed), Timestamp: at.Add(2 * time.Hour)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		filter kafka.DeadLetterFilter
		want   []string
	}{
		"all":              {kafka.DeadLetterFilter{}, []string{"keyed", "orders/0/0", "orders/1/1"}},
		"code":             {kafka.DeadLetterFilter{Codes: []errors.Code{errors.Internal}}, []string{"orders/1/1"}},
		"two codes":        {kafka.DeadLetterFilter{Codes: []errors.Code{errors.Internal, errors.Unavailable}}, []string{"keyed", "orders/0/0", "orders/1/1"}},
		"reason":           {kafka.DeadLetterFilter{Reasons: []string{"X", "OUT_OF_STOCK"}}, []string{"orders/0/0"}},
		"key":              {kafka.DeadLetterFilter{Keys: []string{"k\xff"}}, []string{"keyed"}},
		"empty key":        {kafka.DeadLetterFilter{Keys: []string{""}}, nil},
		"since":            {kafka.DeadLetterFilter{Since: at.Add(time.Hour)}, []string{"keyed", "orders/1/1"}},
		"until":            {kafka.DeadLetterFilter{Until: at.Add(time.Hour)}, []string{"orders/0/0"}},
		"since and code":   {kafka.DeadLetterFilter{Since: at.Add(time.Minute), Codes: []errors.Code{errors.Internal}}, []string{"orders/1/1"}},
		"partition 1 only": {kafka.DeadLetterFilter{Partitions: []int32{1}, Until: at.Add(90 * time.Minute)}, []string{"orders/1/1"}},
	} {
		var got []string
		for d, err := range kafka.Browse(t.Context(), b.Addrs(), topic, group, kafka.BrowseConfig{Filter: tc.filter}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(d.Record.Value))
		}
		slices.Sort(got)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		dry := redrive(t, b, kafka.RedriveConfig{Filter: tc.filter, DryRun: true})
		if dry.Redriven != len(tc.want) {
			t.Errorf("%s: a dry redrive has %d, want %d", name, dry.Redriven, len(tc.want))
		}
	}
}

func TestRedriveParksWhatFailsTooOften(t *testing.T) {
	b := start(t, 2)
	b.Produce(t,
		dead(1, 0, func(_ *kafka.Record, f *kafka.Failure) { f.Redrives = 5 }),
		dead(1, 1, func(_ *kafka.Record, f *kafka.Failure) { f.Redrives = 4 }),
	)
	want(t, redrive(t, b, kafka.RedriveConfig{DryRun: true}), kafka.RedriveResult{Redriven: 1, Parked: 1})
	if b.Cluster().TopicInfo(kafka.ParkingTopic(topic, group)) != nil {
		t.Error("a dry run created the parking topic")
	}
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 1, Parked: 1})

	parked := b.Records(t, "parked.orders.shipping")
	lay := b.Records(t, dlq)[0]
	ignore := cmp.Options{cmpopts.IgnoreFields(kafka.Record{}, "Topic", "LeaderEpoch", "Timestamp"), cmpopts.IgnoreUnexported(kafka.Record{})}
	if diff := cmp.Diff([]kafka.Record{lay}, parked, ignore); diff != "" {
		t.Errorf("parked as it lay (-want +got):\n%s", diff)
	}
	config := b.Cluster().TopicInfo("parked.orders.shipping").Configs
	if got := config["retention.ms"]; got == nil || *got != "-1" {
		t.Errorf("the parking topic's retention.ms is %v, want -1", got)
	}

	fromParking := kafka.RedriveConfig{From: kafka.ParkingTopic(topic, group)}
	want(t, redrive(t, b, fromParking), kafka.RedriveResult{Redriven: 1})
	want(t, redrive(t, b, fromParking), kafka.RedriveResult{})
	if got := b.Records(t, topic); len(got) != 2 || got[1].Redrives() != 6 {
		t.Errorf("records %v, want the parked one with 6 redrives", got)
	}
}

func TestRedriveParksOnRequestAndWithoutALimit(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 3)...)
	b.Produce(t, dead(0, 3, func(_ *kafka.Record, f *kafka.Failure) { f.Redrives = 999_999_999 }))
	want(t, redrive(t, b, kafka.RedriveConfig{MaxRedrives: -1, DryRun: true}), kafka.RedriveResult{Redriven: 4})
	want(t, redrive(t, b, kafka.RedriveConfig{Park: true, Limit: 2}), kafka.RedriveResult{Parked: 2})
	want(t, redrive(t, b, kafka.RedriveConfig{MaxRedrives: -1}), kafka.RedriveResult{Redriven: 2})
}

func TestRepairChangesWhatGoesBack(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 3)...)
	cfg := kafka.RedriveConfig{Repair: func(_ context.Context, d *kafka.DeadLetter) error {
		d.Record.Value[0] = 'X' // In place, which must not reach what is parked.
		d.Record.Headers = append(d.Record.Headers, kafka.Header{Key: "repaired"}, kafka.Header{Key: kafka.HeaderOrigin, Value: []byte("forged/0/0")})
		if d.Offset == 1 {
			return fmt.Errorf("no repair known: %w", kafka.ErrPark)
		}
		return nil
	}}
	want(t, redrive(t, b, cfg), kafka.RedriveResult{Redriven: 2, Parked: 1})
	got := b.Records(t, topic)
	if diff := cmp.Diff([]string{"Xrders/0/0", "Xrders/0/2"}, values(got)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if _, ok := got[0].Header("repaired"); !ok {
		t.Error("the header that Repair added is missing")
	}
	if origin, _ := got[0].Header(kafka.HeaderOrigin); string(origin) != "orders/0/0" {
		t.Errorf("origin %q, want orders/0/0", origin)
	}
	if diff := cmp.Diff([]string{"orders/0/1"}, values(b.Records(t, kafka.ParkingTopic(topic, group)))); diff != "" {
		t.Errorf("parked (-want +got):\n%s", diff)
	}
}

func TestARepairThatFailsEndsTheRunBeforeItsDeadLetter(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 5)...)
	broken := errors.New("the fix is wrong")
	cfg := kafka.RedriveConfig{Repair: func(_ context.Context, d *kafka.DeadLetter) error {
		if d.Offset == 3 {
			return broken
		}
		return nil
	}}
	for i, redriven := range []int{3, 0} {
		got, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, cfg)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "dead letter 3 of partition 0: repair: the fix is wrong") {
			t.Fatalf("run %d: error %v", i, err)
		}
		want(t, got, kafka.RedriveResult{Redriven: redriven})
	}
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 2})
}

func TestRedriveLeavesAloneWhatIsNotTheGroups(t *testing.T) {
	b := start(t, 1)
	b.CreateTopic(t, "victims", 1)
	b.Produce(t,
		kafka.Record{Topic: dlq, Value: []byte("no headers")},
		dead(0, 0, func(_ *kafka.Record, f *kafka.Failure) { f.Source.Topic, f.Origin.Topic = "victims", "victims" }),
		dead(0, 1, func(_ *kafka.Record, f *kafka.Failure) { f.Group = "billing" }),
		dead(0, 2, func(_ *kafka.Record, f *kafka.Failure) { f.Source.Topic = "retry.orders.shipping.5s" }),
	)
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 1, Unreadable: 3})
	if got := b.Records(t, "victims"); len(got) != 0 {
		t.Errorf("a forged header wrote %d records into another topic", len(got))
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 3)...)
	for range 2 {
		want(t, redrive(t, b, kafka.RedriveConfig{DryRun: true, Rate: 1, Limit: 2}), kafka.RedriveResult{Redriven: 2})
	}
	if got := len(b.Records(t, topic)); got != 0 {
		t.Errorf("a dry run wrote %d records", got)
	}
	if info := b.Cluster().GroupInfo("redrive." + dlq); info != nil {
		t.Errorf("a dry run committed %v", info.Commits)
	}
}

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
				kill = b.Fault(kafkatest.Fault{Request: kmsg.OffsetCommit, Group: "redrive." + dlq, Err: kerr.GroupAuthorizationFailed})
			}
		}}
		_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, cfg)
		if kill != nil {
			kill.Lift()
		}
		if err == nil {
			break
		}
		if !errors.Is(err, kerr.GroupAuthorizationFailed) || !strings.Contains(err.Error(), `commit progress to group "redrive.dlq.orders.shipping"`) {
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

func TestRedriveSaysWhatIsMissing(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"dlq.gone.shipping": 1}})
	_, err := kafka.Redrive(t.Context(), b.Addrs(), "orders", "shipping", kafka.RedriveConfig{})
	if errors.CodeOf(err) != errors.FailedPrecondition || !strings.Contains(err.Error(), "topics that do not exist: dlq.orders.shipping") {
		t.Errorf("no dead letters: %v", err)
	}
	_, err = kafka.Redrive(t.Context(), b.Addrs(), "gone", "shipping", kafka.RedriveConfig{})
	if errors.CodeOf(err) != errors.FailedPrecondition || !strings.Contains(err.Error(), "topics that do not exist: gone") {
		t.Errorf("no source: %v", err)
	}
}

func TestRedriveRefusesWhatCannotBeMeant(t *testing.T) {
	at := time.Now()
	for _, tc := range []struct {
		topic, group string
		cfg          kafka.RedriveConfig
		want         []string
	}{
		{"", "", kafka.RedriveConfig{}, []string{`topic is ""`, "group: no name given"}},
		{topic, group, kafka.RedriveConfig{From: "a/b", Batch: -1}, []string{`From is "a/b"`, "Batch is -1"}},
		{topic, group, kafka.RedriveConfig{From: topic}, []string{`From is "orders", the topic to put dead letters back into`}},
		{topic, group, kafka.RedriveConfig{Batch: 10_001}, []string{"Batch is 10001"}},
		{topic, group, kafka.RedriveConfig{Park: true, From: "parked.orders.shipping"}, []string{"Park is set"}},
		{topic, group, kafka.RedriveConfig{MaxRedrives: 3, From: "parked.orders.shipping"}, []string{"MaxRedrives is 3"}},
		{topic, group, kafka.RedriveConfig{Filter: kafka.DeadLetterFilter{
			Codes: []errors.Code{0, 99}, Reasons: []string{"", "\xff"}, Partitions: []int32{-1}, Since: at, Until: at,
		}}, []string{"Codes has 0", "Codes has 99", `Reasons has ""`, `Reasons has "\xff"`, "Partitions has -1", "Filter.Since"}},
		{topic, group, kafka.RedriveConfig{Filter: kafka.DeadLetterFilter{Since: time.Unix(-1, 0), Until: time.Unix(0, 0)}}, []string{"Filter.Since is 19", "Filter.Until is 19"}},
	} {
		_, err := kafka.Redrive(t.Context(), []string{"127.0.0.1:1"}, tc.topic, tc.group, tc.cfg)
		if errors.CodeOf(err) != errors.InvalidArgument {
			t.Errorf("%+v: %v, want invalid_argument", tc.cfg, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v lacks %q", tc.cfg, err, want)
			}
		}
	}
}

func TestRedriveRefusesAFilterThatCannotBeRemembered(t *testing.T) {
	b := start(t, 1)
	var keys []string
	for i := range 500 {
		keys = append(keys, "customer-"+strconv.Itoa(i))
	}
	_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{Filter: kafka.DeadLetterFilter{Keys: keys}})
	if errors.CodeOf(err) != errors.InvalidArgument || !strings.Contains(err.Error(), "use fewer keys at a time") {
		t.Errorf("error %v", err)
	}
}

func TestRedriveRefusesProgressThatItCannotRead(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 1)...)
	for i, metadata := range []string{"", "{}", `{"redrive":2}`, `{"redrive":1}`, `{"redrive":1,"topic":"a","group":"b","tenants":["a"]}`, `{"redrive":1,"topic":"a","group":"b"}x`, `{"redrive":1,"topic":"a","group":"b","codes":["no_such"]}`} {
		var offsets kadm.Offsets
		offsets.Add(kadm.Offset{Topic: dlq, Partition: 0, At: 1, LeaderEpoch: -1, Metadata: metadata})
		other := "redrive." + dlq + "#" + strconv.Itoa(i)
		admin := kadm.NewClient(newClient(t, b))
		if err := admin.CommitAllOffsets(t.Context(), other, offsets); err != nil {
			t.Fatal(err)
		}
		_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{})
		if err == nil || !strings.Contains(err.Error(), other) {
			t.Errorf("metadata %q: error %v, want one about group %q", metadata, err, other)
		}
		if _, err := admin.DeleteGroup(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedriveIgnoresProgressOfATopicThatWasMadeAgain(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 1)...)
	admin := kadm.NewClient(newClient(t, b))
	for _, name := range []string{"redrive." + dlq, "redrive." + dlq + "#x"} {
		var offsets kadm.Offsets
		offsets.Add(kadm.Offset{Topic: dlq, Partition: 0, At: 1000, LeaderEpoch: -1, Metadata: `{"redrive":1,"topic":"orders","group":"shipping"}`})
		if err := admin.CommitAllOffsets(t.Context(), name, offsets); err != nil {
			t.Fatal(err)
		}
	}
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 1})
}

func TestRedriveOfARecordTooLargeNamesIt(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{dlq: 1}})
	small := "1000"
	if err := b.Cluster().CreateTopic(topic, 1, map[string]string{"max.message.bytes": small}); err != nil {
		t.Fatal(err)
	}
	b.Produce(t, dead(0, 0, nil), dead(0, 1, func(r *kafka.Record, _ *kafka.Failure) { r.Value = make([]byte, 990) }), dead(0, 2, nil))
	got, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{})
	if !errors.Is(err, kerr.MessageTooLarge) || !strings.Contains(err.Error(), "write dead letter 1 to") {
		t.Errorf("error %v", err)
	}
	if got.Redriven == 0 {
		t.Error("its neighbours were not put back")
	}
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: kafka.DeadLetterFilter{Partitions: []int32{0}}, Repair: func(_ context.Context, d *kafka.DeadLetter) error {
		if d.Offset == 1 {
			return kafka.ErrPark
		}
		return nil
	}}), kafka.RedriveResult{Parked: 1, Redriven: 1})
}

func TestParkingTopicIsNoDeadLetterTopicAndFitsKafkasLimit(t *testing.T) {
	for _, tc := range []struct{ topic, group string }{
		{"orders", "shipping"}, {"orders", "ship ping/ü"}, {strings.Repeat("o", 200), strings.Repeat("g", 40)}, {strings.Repeat("o", 249), "g"},
	} {
		name := kafka.ParkingTopic(tc.topic, tc.group)
		if !strings.HasPrefix(name, "parked.") || kafka.IsDeadLetterTopic(name) || len(name) > 249 || strings.ContainsAny(name, " /ü") {
			t.Errorf("parking topic of %q and %q is %q", tc.topic, tc.group, name)
		}
	}
	a, b := kafka.ParkingTopic(strings.Repeat("o", 240), "a"), kafka.ParkingTopic(strings.Repeat("o", 240), "b")
	if a == b {
		t.Errorf("two groups share %q", a)
	}
}

func BenchmarkRedrive(bench *testing.B) {
	b := kafkatest.Start(bench, kafkatest.Config{Topics: map[string]int{topic: 8, dlq: 8}, Timeout: time.Minute})
	const n = 50_000
	var all []kafka.Record
	for i := range n {
		all = append(all, dead(int32(i%8), int64(i/8), func(r *kafka.Record, _ *kafka.Failure) { r.Value = make([]byte, 256) }))
	}
	b.Produce(bench, all...)
	for bench.Loop() {
		got, err := kafka.Redrive(bench.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{Again: true})
		if err != nil || got.Redriven != n {
			bench.Fatal(got, err)
		}
	}
	bench.ReportMetric(float64(n)*float64(bench.N)/bench.Elapsed().Seconds(), "records/s")
}

func newClient(t testing.TB, b *kafkatest.Broker) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(b.ClientOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func clientHeaders(r kafka.Record) []kgo.RecordHeader {
	var out []kgo.RecordHeader
	for _, h := range r.Headers {
		out = append(out, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return out
}

func TestRedriveRemembersWhatItDidByTopicAndGroup(t *testing.T) {
	const shared, other = "dlq.everything", "returns"
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topic: 1, other: 1, shared: 1}})
	of := func(topic, group string, offset int64) kafka.Record {
		return dead(0, offset, func(r *kafka.Record, f *kafka.Failure) {
			r.Topic, f.Group = shared, group
			f.Source.Topic, f.Origin.Topic = topic, topic
		})
	}
	b.Produce(t, of(topic, group, 0), of(other, group, 1), of(topic, "billing", 2), kafka.Record{Topic: shared, Value: []byte("by hand")})
	for _, run := range []struct{ topic, group string }{{topic, group}, {other, group}, {topic, "billing"}, {other, group}} {
		_, err := kafka.Redrive(t.Context(), b.Addrs(), run.topic, run.group, kafka.RedriveConfig{From: shared})
		if err != nil {
			t.Fatalf("of %v: %v", run, err)
		}
	}
	if here, there := len(b.Records(t, topic)), len(b.Records(t, other)); here != 2 || there != 1 {
		t.Errorf("%d and %d were put back, want 2 and 1: each once", here, there)
	}
	pending := 0
	for _, n := range count(t, b, kafka.CountConfig{}) {
		pending += n.Pending
	}
	if pending != 1 {
		t.Errorf("%d are pending, want the one that no run can put back", pending)
	}
}

func TestParkedDeadLettersAreAsSafeAsTheyWere(t *testing.T) {
	b := start(t, 1)
	admin := kadm.NewClient(newClient(t, b))
	if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "min.insync.replicas", Value: new("2")}}, dlq); err != nil {
		t.Fatal(err)
	}
	b.Produce(t, deadLetters(0, 1)...)
	want(t, redrive(t, b, kafka.RedriveConfig{Park: true}), kafka.RedriveResult{Parked: 1})

	parked := kafka.ParkingTopic(topic, group)
	described, err := admin.DescribeTopicConfigs(t.Context(), parked)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range described[0].Configs {
		if c.Source == kmsg.ConfigSourceDynamicTopicConfig {
			got[c.Key] = c.MaybeValue()
		}
	}
	set := map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": got["max.message.bytes"], "min.insync.replicas": "2"}
	if diff := cmp.Diff(set, got); diff != "" {
		t.Errorf("the parking topic's configuration (-want +got):\n%s", diff)
	}
	topics, err := admin.ListTopics(t.Context(), dlq, parked)
	if err != nil || topics[dlq].Partitions.NumReplicas() != topics[parked].Partitions.NumReplicas() {
		t.Errorf("the parking topic has %d replicas, the dead letters have %d (%v)", topics[parked].Partitions.NumReplicas(), topics[dlq].Partitions.NumReplicas(), err)
	}
}

func TestParkingTopicThatIsCompactedIsRefused(t *testing.T) {
	b := start(t, 1)
	parked := kafka.ParkingTopic(topic, group)
	admin := kadm.NewClient(newClient(t, b))
	if _, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": new("compact")}, parked); err != nil {
		t.Fatal(err)
	}
	b.Produce(t, deadLetters(0, 1)...)
	_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{Park: true})
	if errors.CodeOf(err) != errors.FailedPrecondition || !strings.Contains(err.Error(), "cleanup.policy=compact") {
		t.Errorf("error %v, want one that says what is wrong with the topic", err)
	}
	if n := len(b.Records(t, parked)); n != 0 {
		t.Errorf("%d were parked", n)
	}
}
