package kafka_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

func count(t *testing.T, b *kafkatest.Broker, cfg kafka.CountConfig) []kafka.DeadLetterCount {
	t.Helper()
	got, err := kafka.CountDeadLetters(t.Context(), b.Addrs(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCountsAreByPlaceTopicAndGroupWithTheirReasons(t *testing.T) {
	const payments = "dlq.payments.billing"
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topic: 2, dlq: 2, payments: 1, "shipped": 1}})
	base := time.UnixMilli(1_700_000_000_000).UTC()
	at := func(second int, code errors.Code, reason string) func(*kafka.Record, *kafka.Failure) {
		return func(r *kafka.Record, f *kafka.Failure) {
			r.Timestamp = base.Add(time.Duration(second) * time.Second)
			f.Code, f.Reason = code, reason
		}
	}
	b.Produce(t,
		dead(0, 0, at(5, errors.Unavailable, "")),
		dead(1, 0, at(3, errors.InvalidArgument, "BAD_QTY")),
		dead(0, 1, at(9, errors.Unavailable, "")),
		dead(0, 2, func(r *kafka.Record, f *kafka.Failure) { r.Topic, f.Group = payments, "billing"; r.Timestamp = base }),
		kafka.Record{Topic: payments, Value: []byte("by hand"), Timestamp: base},
	)
	unavailable := kafka.ReasonCount{Code: errors.Unavailable, Count: 2}
	badQty := kafka.ReasonCount{Code: errors.InvalidArgument, Reason: "BAD_QTY", Count: 1}
	want := []kafka.DeadLetterCount{
		{From: dlq, Topic: topic, Group: group, Total: 3, Pending: 3, Oldest: base.Add(3 * time.Second), Newest: base.Add(9 * time.Second), Reasons: []kafka.ReasonCount{unavailable, badQty}},
		{From: payments, Total: 1, Pending: 1, Oldest: base, Newest: base, Reasons: []kafka.ReasonCount{{Code: errors.Unknown, Count: 1}}},
		{From: payments, Topic: topic, Group: "billing", Total: 1, Pending: 1, Oldest: base, Newest: base, Reasons: []kafka.ReasonCount{{Code: errors.Unavailable, Count: 1}}},
	}
	sameTime := cmpopts.EquateApproxTime(0)
	if diff := cmp.Diff(want, count(t, b, kafka.CountConfig{}), sameTime); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:1], count(t, b, kafka.CountConfig{Topic: topic, Group: group}), sameTime); diff != "" {
		t.Errorf("one group (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1:], count(t, b, kafka.CountConfig{From: []string{payments}}), sameTime); diff != "" {
		t.Errorf("one place (-want +got):\n%s", diff)
	}
	if got := count(t, b, kafka.CountConfig{Filter: kafka.DeadLetterFilter{Codes: []errors.Code{errors.NotFound}}}); len(got) != 0 {
		t.Errorf("none of that code, but %+v", got)
	}
}

func TestWhatWasRedrivenIsNotPending(t *testing.T) {
	b := start(t, 2)
	b.Produce(t, deadLetters(0, 4)...)
	b.Produce(t, dead(1, 0, func(_ *kafka.Record, f *kafka.Failure) { f.Code = errors.NotFound }))
	pending := func() int { return len(browse(t, b, kafka.BrowseConfig{Pending: true})) }
	counted := func() [2]int {
		c := count(t, b, kafka.CountConfig{})[0]
		return [2]int{c.Total, c.Pending}
	}
	check := func(want int) {
		t.Helper()
		if pending() != want || counted() != [2]int{5, want} {
			t.Errorf("browse %d, count %v, want %d pending of 5", pending(), counted(), want)
		}
	}
	check(5)
	redrive(t, b, kafka.RedriveConfig{Filter: kafka.DeadLetterFilter{Codes: []errors.Code{errors.NotFound}}})
	check(4)
	redrive(t, b, kafka.RedriveConfig{Limit: 3})
	check(1)
	redrive(t, b, kafka.RedriveConfig{Park: true})
	check(0)
	if c := count(t, b, kafka.CountConfig{})[0]; !c.Oldest.IsZero() || !c.Newest.IsZero() || len(c.Reasons) != 0 {
		t.Errorf("nothing is pending, but %+v", c)
	}
	if n := len(browse(t, b, kafka.BrowseConfig{})); n != 5 {
		t.Errorf("%d dead letters, want all 5", n)
	}
}

func TestCountOfManyReasonsIsBounded(t *testing.T) {
	b := start(t, 1)
	var records []kafka.Record
	for i := range 1_200 {
		records = append(records, dead(0, int64(i), func(_ *kafka.Record, f *kafka.Failure) { f.Reason = fmt.Sprint("R", i) }))
	}
	b.Produce(t, records...)
	c := count(t, b, kafka.CountConfig{})[0]
	if want := (kafka.ReasonCount{Code: errors.Unavailable, Count: 200}); len(c.Reasons) != 1_001 || c.Reasons[0] != want {
		t.Errorf("%d reasons, the first %+v, want 1001 and %+v", len(c.Reasons), c.Reasons[0], want)
	}
}

func TestCountSaysWhatIsWrong(t *testing.T) {
	b := start(t, 1)
	_, err := kafka.CountDeadLetters(t.Context(), b.Addrs(), kafka.CountConfig{From: []string{"dlq.none"}})
	wants(t, err, errors.FailedPrecondition, `"dlq.none"`)
	_, err = kafka.CountDeadLetters(t.Context(), nil, kafka.CountConfig{From: []string{"a/b"}, Filter: kafka.DeadLetterFilter{Partitions: []int32{-1}}})
	wants(t, err, errors.InvalidArgument, "brokers", `"a/b"`, "Partitions")
}
